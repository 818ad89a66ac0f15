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


def copy_weighed(value: Any) -> tuple[Any, int]:
    """Copy a plain value, and weigh it as `weigh` does: no dict or list in the copy is one that somebody else has.

    Raises:
        OddError: If it is not plain.
    """
    return _Walk().copy(value, 0)


class _Walk:
    """One walk over one value: how many values it may still afford."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> tuple[Any, int]:
        """Give a copy of a value, and its weight."""
        kind = type(value)
        if kind is dict:
            return self._object(value, depth)
        if kind is list:
            return self._array(value, depth)
        if not ((value.isascii() or _is_writable(value)) if kind is str else _is_plain_scalar(value)):
            raise OddError
        return value, value.__sizeof__()

    # Dicts and lists are copied in one step, since another thread may be changing them. Then only what is a container
    # in turn is replaced: a dict may be given new values while it is walked through. The two look alike and stand
    # apart, and do not ask for the copy of a text: what a call costs is felt for each value.

    def _object(self, value: dict[Any, Any], depth: int) -> tuple[Any, int]:
        copied = value.copy()
        self.left -= CONTAINER_WEIGHT + len(copied)
        if depth >= MAX_DEPTH or self.left < 0:
            raise OddError
        size = copied.__sizeof__()
        for name, item in copied.items():
            if type(name) is not str or not (name.isascii() or _is_writable(name)):
                raise OddError
            size += len(name)
            kind = type(item)
            if kind is dict or kind is list:
                copied[name], weight = self.copy(item, depth + 1)
                size += weight
                continue
            if not ((item.isascii() or _is_writable(item)) if kind is str else _is_plain_scalar(item)):
                raise OddError
            size += item.__sizeof__()
        return copied, size

    def _array(self, value: list[Any], depth: int) -> tuple[Any, int]:
        copied = value.copy()
        self.left -= CONTAINER_WEIGHT + len(copied)
        if depth >= MAX_DEPTH or self.left < 0:
            raise OddError
        size = copied.__sizeof__()
        if _are_numbers(copied):
            return copied, size + FLOAT * len(copied)
        for place, item in enumerate(copied):
            kind = type(item)
            if kind is dict or kind is list:
                copied[place], weight = self.copy(item, depth + 1)
                size += weight
                continue
            if not ((item.isascii() or _is_writable(item)) if kind is str else _is_plain_scalar(item)):
                raise OddError
            size += item.__sizeof__()
        return copied, size


def _is_plain_scalar(value: Any) -> bool:
    kind = type(value)
    if kind is int:
        bits: int = value.bit_length()
        return bits <= MAX_INTEGER_BITS
    if kind is float:
        return isfinite(value)
    return value is None or kind is bool


def _are_numbers(items: list[Any]) -> bool:
    """Tell whether a list is an embedding: floats alone, all of them finite, in two steps that run in C."""
    return len(items) > 1 and type(items[0]) is float and _are_floats(items) and isfinite(sum(items))


def _are_floats(items: list[Any]) -> bool:
    return {float}.issuperset(map(type, items))


def _is_writable(text: str) -> bool:
    """Tell whether UTF-8 can write a text; half of a surrogate pair it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def weigh(value: Any) -> int:
    """Give the bytes of memory that a plain value takes; what several places share counts for each."""
    kind = type(value)
    size = int(value.__sizeof__())
    if kind is dict:
        for name, item in value.items():
            kind = type(item)
            size += len(name) + (weigh(item) if kind is dict or kind is list else item.__sizeof__())
    elif kind is list:
        if value and type(value[0]) is float and _are_floats(value):
            return size + FLOAT * len(value)
        for item in value:
            kind = type(item)
            size += weigh(item) if kind is dict or kind is list else item.__sizeof__()
    return size


FLOAT = (0.5).__sizeof__()
