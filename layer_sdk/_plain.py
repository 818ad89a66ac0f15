"""Plain JSON values, the common case: copied in one quick walk, and weighed.

What most hosts record is made of dicts with text keys, lists, texts and numbers of exactly these types. Anything else,
and whatever JSON could not hold, is left to `_json`, which is careful and takes its time.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

MAX_DEPTH = 100
# Values that hold each other have more ways through them than there is time. A list or an object weighs more than what
# stands in it, so a long embedding passes and a tangle of objects comes to its end within a second.
MAX_VALUES = 4_000_000
CONTAINER_WEIGHT = 20
MAX_INTEGER_BITS = 4096  # well below the length from which CPython refuses to write an integer out


class OddError(Exception):
    """A value is not plain, somewhere."""


def copy_plain(value: Any) -> Any:
    """Copy a plain value: no dict or list in the result is one that somebody else has.

    Raises:
        OddError: If it is not plain.
    """
    kind = type(value)
    if kind is dict or kind is list:
        return _Walk().container(value, 0)
    if kind is str:
        return value if value.isascii() or _is_writable(value) else _odd()
    return value if _is_plain_scalar(value) else _odd()


class _Walk:
    """One walk over one value, with what it may still afford."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def container(self, value: Any, depth: int) -> Any:
        # Copied in one step, since another thread may be changing it. Then only what is a container in turn is
        # replaced: a dict may be given new values while it is walked through.
        copied = value.copy()
        self._left -= CONTAINER_WEIGHT + len(copied)
        if depth >= MAX_DEPTH or self._left < 0:
            raise OddError
        if type(value) is dict:
            for key in copied:
                if type(key) is not str or not (key.isascii() or _is_writable(key)):
                    raise OddError
            self._fill(copied, copied.items(), depth)
        elif not _are_numbers(copied):
            self._fill(copied, enumerate(copied), depth)
        return copied

    def _fill(self, copied: Any, items: Any, depth: int) -> None:
        for place, item in items:
            kind = type(item)
            if kind is str:
                if not (item.isascii() or _is_writable(item)):
                    raise OddError
            elif kind is dict or kind is list:
                copied[place] = self.container(item, depth + 1)
            elif not _is_plain_scalar(item):
                raise OddError


def _is_plain_scalar(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        return bool(value.bit_length() <= MAX_INTEGER_BITS)
    if kind is float:
        return isfinite(value)
    return value is None or kind is bool


def _are_numbers(items: list[Any]) -> bool:
    """Tell whether a list is an embedding: floats alone, all of them finite, in two steps that run in C."""
    return len(items) > 1 and type(items[0]) is float and {float}.issuperset(map(type, items)) and isfinite(sum(items))


def _is_writable(text: str) -> bool:
    """Tell whether UTF-8 can write a text; half of a surrogate pair it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _odd() -> Any:
    raise OddError


def weigh(value: Any) -> int:
    """Give the bytes of memory that a plain value takes; what several places share counts for each."""
    kind = type(value)
    size = int(value.__sizeof__())
    if kind is dict:
        for name, item in value.items():
            kind = type(item)
            size += len(name) + (weigh(item) if kind is dict or kind is list else item.__sizeof__())
    elif kind is list:
        if value and type(value[0]) is float:
            return size + FLOAT * len(value)
        for item in value:
            kind = type(item)
            size += weigh(item) if kind is dict or kind is list else item.__sizeof__()
    return size


FLOAT = (0.5).__sizeof__()
