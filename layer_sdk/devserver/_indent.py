"""JSON text, laid out to be read, with every name, text and number written as it was received."""

from __future__ import annotations

import re
from typing import Iterator

_SIGN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEEPEST = 60
_CLOSING = {"{": "}", "[": "]"}


def laid_out(text: str) -> str:
    """Lay out a JSON document that is known to be right."""
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    signs = [match[0] for match in _SIGN.finditer(text)]
    depth = 0
    for index, sign in enumerate(signs):
        following = signs[index + 1] if index + 1 < len(signs) else ""
        if sign in _CLOSING:
            depth += 1
            yield sign if following == _CLOSING[sign] else sign + _line(depth)
        elif sign in ("}", "]"):
            depth -= 1
            is_empty = index > 0 and _CLOSING.get(signs[index - 1]) == sign
            yield sign if is_empty else _line(depth) + sign
        elif sign == ",":
            yield sign + _line(depth)
        else:
            yield ": " if sign == ":" else sign


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _DEEPEST)
