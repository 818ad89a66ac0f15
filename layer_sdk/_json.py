"""Put a caller's values into what JSON can hold: always as a copy, never by changing them.

`to_json` is for what a caller hands over on purpose: what does not fit is an error that names the place.
`to_json_or_repr` is for what is recorded in passing: what does not fit becomes a short text.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import math
import os
import uuid
from collections import deque
from collections.abc import KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from typing import Any, Callable, Dict, List, Union

from layer_api.types import format_datetime

from .exceptions import LayerRequestPreparationError

JSON = Union[None, bool, int, float, str, List[Any], Dict[str, Any]]

MAX_DEPTH = 100  # a value that holds itself shows as one without end
MAX_INTEGER_BITS = 4096  # well below the length from which CPython refuses to write an integer out
REPR_LENGTH = 200


class _UnfitError(Exception):
    """A value that JSON cannot hold; the path to it grows as the walk unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: deque[str] = deque()


def to_json(value: Any, where: str) -> JSON:
    """Copy a value into what JSON can hold.

    Args:
        value: Anything. datetime, UUID, Enum, Decimal, bytes (as base64), dataclass, attrs, pydantic, sets, NumPy
            scalars and arrays have an obvious form and are put into it.
        where: What the value is called in an error, such as `data`.

    Raises:
        LayerRequestPreparationError: If some part of it has no such form; the text names the part.
    """
    try:
        return _Copy(_refuse).copy(value, 0)
    except _UnfitError as error:
        raise LayerRequestPreparationError(f"{where}{''.join(error.path)} {error}") from error.__cause__
    except RecursionError as error:
        raise LayerRequestPreparationError(f"{where} is nested too deep for the stack that is left") from error


def to_json_or_repr(value: Any, where: str = "") -> JSON:  # noqa: ARG001  (the signature of to_json)
    """Copy a value into what JSON can hold; a part without such a form becomes a short text."""
    try:
        return _Copy(_short_repr).copy(value, 0)
    except RecursionError:
        return f"<{type(value).__name__}>"


def _refuse(value: Any, reason: str) -> JSON:  # noqa: ARG001  (the signature of _short_repr)
    raise _UnfitError(reason)


def _short_repr(value: Any, reason: str) -> JSON:  # noqa: ARG001  (the signature of _refuse)
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  (somebody else's __repr__)
        return f"<{type(value).__name__}>"
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if isinstance(value, str) or len(text) <= REPR_LENGTH else text[:REPR_LENGTH] + "..."


class _Copy:
    """One walk over a value; `unfit` decides on what does not fit."""

    def __init__(self, unfit: Callable[[Any, str], JSON]) -> None:
        self.unfit = unfit

    def copy(self, value: Any, depth: int) -> JSON:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value  # type: ignore[no-any-return]
        if kind is int:
            return value if value.bit_length() <= MAX_INTEGER_BITS else self.unfit(value, "is an integer too long")
        if kind is float:
            return value if math.isfinite(value) else self.unfit(value, f"is {value}, which JSON cannot hold")
        if depth >= MAX_DEPTH:
            return self.unfit(value, f"is nested more than {MAX_DEPTH} levels deep, or holds itself")
        if kind is dict:
            return self._object(value, depth)
        if kind is list or kind is tuple:
            return self._array(value, depth)
        return self._other(value, depth)

    def _text(self, value: str) -> JSON:
        if value.isascii():
            return value
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return self.unfit(value, "holds half of a surrogate pair, which UTF-8 cannot write")
        return value

    def _object(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, item in list(value.items()):
            try:
                name = key if type(key) is str else self._name(key)
                copied[str(self._text(name))] = self.copy(item, depth + 1)
            except _UnfitError as error:
                error.path.appendleft(f".{key}" if isinstance(key, str) else f"[{key!r:.40}]")
                raise
        return copied

    def _name(self, key: Any) -> str:
        if isinstance(key, enum.Enum):
            key = key.value
        if key is None or isinstance(key, bool):
            return {None: "null", True: "true", False: "false"}[key]
        if isinstance(key, (str, int, float, uuid.UUID, decimal.Decimal, datetime.date)):
            return str(self.copy(key, 0))
        return str(self.unfit(key, f"is a key of type {type(key).__name__}; JSON's keys are text"))

    def _array(self, value: Any, depth: int) -> list[Any]:
        copied: list[Any] = []
        for item in list(value):
            try:
                copied.append(self.copy(item, depth + 1))
            except _UnfitError as error:
                error.path.appendleft(f"[{len(copied)}]")
                raise
        return copied

    def _other(self, value: Any, depth: int) -> JSON:
        try:
            plain = _plain(value)
        except Exception as error:
            if self.unfit is _refuse:
                raise _UnfitError(f"could not be read: its {type(value).__name__} raised {error!r:.100}") from error
            return _short_repr(value, "")
        if plain is _NO_FORM:
            return self.unfit(value, f"is of type {type(value).__name__}, which has no form in JSON")
        return self.copy(plain, depth + 1)


_NO_FORM = object()


def _plain(value: Any) -> Any:
    """Give a value's obvious form, one step nearer to JSON, or `_NO_FORM`."""
    if isinstance(value, enum.Enum):
        return value.value
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    kind = type(value)
    if kind.__module__.startswith("layer_api."):
        return value.to_dict()
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__ if hasattr(value, name)}
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__ if hasattr(value, field.name)}
    if hasattr(kind, "model_fields"):
        return value.model_dump()
    if hasattr(kind, "__fields__") and hasattr(kind, "__validators__"):  # pydantic before version 2
        return value.dict()
    if kind.__module__.split(".", 1)[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return _NO_FORM


def _sorted(values: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return list(values)


# In order: the first that fits is taken, so a datetime stands before a date and str before Sequence.
_FORMS: list[Any] = [
    (str, str.__str__),
    (int, int),
    (float, float),
    (datetime.datetime, format_datetime),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, datetime.timedelta.total_seconds),
    ((uuid.UUID, decimal.Decimal), str),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode("ascii")),
    (os.PathLike, os.fspath),
    (Mapping, dict),
    (AbstractSet, _sorted),
    ((Sequence, deque, KeysView, ValuesView), list),
]
