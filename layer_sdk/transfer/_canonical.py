"""JSON as text in one form: sorted names, no spaces, UTF-8, and numbers as they were written.

Python's own reader makes numbers of numbers, and 1e400, 1.0 and 10**5000 do not come back as they went in. It also
calls itself for each level of nesting. This one keeps numbers as text, and needs no stack.

What is read is made of: str, a scalar as canonical JSON text; list, an array; `Members`, an object's names (decoded)
and values, in order.
"""

from __future__ import annotations

import json
import re
from typing import Any, List, Tuple, Union

_TOKEN = re.compile(
    r'[ \t\r\n]*(?:([\[\]{},:])|("[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")'
    r"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(true|false|null))",
)
_GAP = re.compile(r"[ \t\r\n]*")
_LONE = re.compile("[\ud800-\udfff]")
_CLOSING = {"[": "]", "{": "}"}


class Members(List[Tuple[str, Any]]):
    """An object: its names and values, in the order in which they were written."""

    def get(self, name: str) -> Any:
        """Give the value of a name, or None."""
        return next((value for each, value in self if each == name), None)


Node = Union[str, List[Any], Members]


class NotJsonError(ValueError):
    """A text is not JSON; the message says where."""


def read(text: str) -> Node:
    """Read a JSON document.

    Raises:
        NotJsonError: If it is not exactly one document.
    """
    return _Reader(text).document()


def write(node: Node) -> str:
    """Write a document in its one form."""
    written: list[str] = []
    # What is still to be written, the next one last: texts as they are, everything else as a node.
    waiting: list[Any] = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            written.append(each)
        elif isinstance(each, Members):
            waiting.append("}")
            ordered = sorted(each, key=lambda member: member[0])
            for number, (name, value) in reversed(list(enumerate(ordered))):
                waiting += [value, f"{',' if number else ''}{text_of(name)}:"]
            waiting.append("{")
        else:
            waiting.append("]")
            for number, value in reversed(list(enumerate(each))):
                waiting += [value, ","] if number else [value]
            waiting.append("[")
    return "".join(written)


def text_of(value: str) -> str:
    """Write a text as JSON; only what UTF-8 cannot hold, and what JSON must, is escaped."""
    return _LONE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(value, ensure_ascii=False))


def value_of(node: Any) -> Any:
    """Give the text of a scalar that is one, else None."""
    return json.loads(node) if isinstance(node, str) and node.startswith('"') else None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> Node:
        """Read one value after the other, with what is open on a stack of our own."""
        open_: list[Any] = []
        while True:
            node = self._value(open_)
            while node is not None:
                if not open_:
                    self._end()
                    return node  # type: ignore[no-any-return]
                node = self._placed(node, open_)

    def _value(self, open_: list[Any]) -> Any:
        """Read a scalar or an empty array or object; or open one, and give None."""
        mark, string, number, word = self._token()
        if string is not None:
            return _scalar(string, self)
        if number is not None or word is not None:
            return number or word
        if mark not in _CLOSING:
            raise self._wrong("a value is missing")
        node: Any = Members() if mark == "{" else []
        if self._take(_CLOSING[mark]):
            return node
        open_.append(node)
        if mark == "{":
            self._name(node)
        return None

    def _placed(self, node: Any, open_: list[Any]) -> Any:
        """Put a value into what is open; what that closes, or None where another value follows."""
        holder = open_[-1]
        if isinstance(holder, Members):
            holder[-1] = (holder[-1][0], node)
        else:
            holder.append(node)
        closing = "}" if isinstance(holder, Members) else "]"
        if self._take(closing):
            return open_.pop()
        if not self._take(","):
            raise self._wrong(f"a comma or {closing} is missing")
        if isinstance(holder, Members):
            self._name(holder)
        return None

    def _name(self, holder: Members) -> None:
        string = self._token()[1]
        if string is None:
            raise self._wrong("a name is missing")
        holder.append((json.loads(_scalar(string, self)), None))
        if not self._take(":"):
            raise self._wrong("a colon is missing")

    def _token(self) -> Any:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._wrong("a value is missing")
        self._at = found.end()
        return found.groups()

    def _take(self, mark: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.group(1) != mark:
            return False
        self._at = found.end()
        return True

    def _end(self) -> None:
        found = _GAP.match(self._text, self._at)
        if found is not None and found.end() < len(self._text):
            raise self._wrong("something follows the end")

    def _wrong(self, what: str) -> NotJsonError:
        return NotJsonError(f"{what}, near character {self._at + 1}")

    def scalar_is_wrong(self) -> NotJsonError:
        """Say that an escape is none of JSON's."""
        return self._wrong("an escape is none of JSON's")


def _scalar(string: str, reader: _Reader) -> str:
    if "\\" not in string:
        return string  # no control characters either: it is in its one form
    try:
        return text_of(json.loads(string))
    except ValueError:
        raise reader.scalar_is_wrong() from None
