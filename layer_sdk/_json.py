"""Put a caller's values into what JSON can hold: always as a copy, never by changing them.

`weighed_json` is for what a caller hands over on purpose: what does not fit is an error that names the place.
`weighed_json_or_repr` is for what is recorded in passing: what does not fit becomes a short text.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import uuid
from collections import UserString, deque
from collections.abc import ItemsView, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from typing import Any, Callable, Dict, List, Tuple, Union

from . import _fork
from ._plain import (
    CONTAINER_WEIGHT,
    MAX_DEPTH,
    MAX_INTEGER_BITS,
    MAX_VALUES,
    OddError,
    copy_weighed,
    weigh,
)
from .exceptions import LayerRequestPreparationError

JSON = Union[None, bool, int, float, str, List[Any], Dict[str, Any]]
Weighed = Tuple[JSON, int]  # and the bytes of memory that it takes

REPR_LENGTH = 200
STEP_LENGTH = 40


class _UnfitError(Exception):
    """A value that JSON cannot hold; the path to it grows as the walk unwinds."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.path: deque[str] = deque()


def weighed_json(value: Any, where: str) -> Weighed:
    """Copy a value into what JSON can hold, and weigh it.

    Args:
        value: Anything. datetime, UUID, Enum, Decimal, bytes (as base64), dataclass, attrs, pydantic, sets, NumPy
            scalars and arrays have an obvious form and are put into it.
        where: What the value is called in an error, such as `data`.

    Raises:
        LayerRequestPreparationError: If some part of it has no such form; the text names the part.
    """
    try:
        return _copy(value, _refuse)
    except _UnfitError as error:
        raise LayerRequestPreparationError(f"{where}{''.join(error.path)} {error}") from error.__context__
    except RecursionError as error:
        raise LayerRequestPreparationError(f"{where} is nested too deep for the stack that is left") from error


def to_json_or_repr(value: Any, where: str = "") -> JSON:
    """Copy a value into what JSON can hold; a part without such a form becomes a short text. Never raises."""
    return weighed_json_or_repr(value, where)[0]


def weighed_json_or_repr(value: Any, where: str = "") -> Weighed:  # noqa: ARG001  (one signature for both)
    """Do what `to_json_or_repr` does, and weigh it."""
    try:
        return _copy(value, _fall_back)
    except Exception:  # noqa: BLE001  (somebody else's code)
        return _label(value), REPR_LENGTH


def utc(value: datetime.datetime) -> datetime.datetime:
    """Put a point in time into UTC; one without a zone is taken as UTC."""
    if value.utcoffset() is None:
        return value.replace(tzinfo=datetime.timezone.utc)
    return value.astimezone(datetime.timezone.utc)


def short_repr(value: Any) -> str:
    """Show a value in a text that UTF-8 can hold and that is not too long. Never raises."""
    try:
        text = str.encode(repr(value), "utf-8", "replace").decode("utf-8")
    except Exception:  # noqa: BLE001  (somebody else's code)
        return _label(value)
    return text if len(text) <= REPR_LENGTH else text[:REPR_LENGTH] + "..."


_name_of = type.__dict__["__name__"].__get__  # a metaclass can redefine `__name__`, but not this


def type_name(value: Any) -> str:
    """Name a value's type, whatever it says of itself."""
    return str(_name_of(type(value)))


def _label(value: Any) -> str:
    return f"<{type_name(value)}>"


def _without_surrogates(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")


Text = Callable[[], str]


def _refuse(reason: str, text: Text) -> str:  # noqa: ARG001  (one signature for both)
    raise _UnfitError(reason)


def _fall_back(reason: str, text: Text) -> str:  # noqa: ARG001  (one signature for both)
    return text()


def _copy(value: Any, unfit: Callable[[str, Text], str]) -> Weighed:
    try:
        return copy_weighed(value)
    except (OddError, RecursionError):
        pass  # what comes next is not to have this for its context
    copied = _Copy(unfit).copy(value, 0)
    return copied, weigh(copied)


class _Copy:
    """One walk over a value; `unfit` decides between a reason to refuse and a text to take instead."""

    def __init__(self, unfit: Callable[[str, Text], str]) -> None:
        self._unfit = unfit
        self._entered: set[int] = set()
        self._left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> JSON:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value  # type: ignore[no-any-return]
        if kind is int:
            return self._integer(value)
        if kind is float:
            if math.isfinite(value):
                return value  # type: ignore[no-any-return]
            return self._unfit(f"is {value}, which JSON cannot hold", partial(repr, value))
        return self._enter(value, depth)

    def _text(self, value: str) -> str:
        if value.isascii():
            return value
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            reason = "holds half of a surrogate pair, which UTF-8 cannot write"
            return self._unfit(reason, partial(_without_surrogates, value))
        return value

    def _integer(self, value: int) -> JSON:
        bits = value.bit_length()
        if bits <= MAX_INTEGER_BITS:
            return value
        return self._unfit(f"is an integer too long: {bits} bits", lambda: f"<int of {bits} bits>")

    def _enter(self, value: Any, depth: int) -> JSON:
        """Copy what is more than a scalar; whatever it does when it is looked at stays in here."""
        label = partial(_label, value)
        if depth >= MAX_DEPTH:
            return self._unfit(f"is nested more than {MAX_DEPTH} levels deep", label)
        if id(value) in self._entered:
            return self._unfit("holds itself", label)
        self._entered.add(id(value))
        try:
            return self._inside(value, depth)
        except _UnfitError:
            raise
        except RecursionError:
            return self._unfit("is nested too deep for the stack that is left", label)
        except Exception as error:  # noqa: BLE001  (somebody else's code)
            reason = f"of type {type_name(value)} could not be read: {type_name(error)}"
            return self._unfit(reason, partial(short_repr, value))
        finally:
            self._entered.discard(id(value))

    def _inside(self, value: Any, depth: int) -> JSON:
        kind = type(value)
        if kind is dict:
            return self._object(value.copy(), depth)  # in one step: another thread may be changing it
        if kind is list or kind is tuple:
            return self._array(list(value), depth)
        plain = _plain(value)
        if plain is _NO_FORM:
            reason = f"is of type {type_name(value)}, which has no form in JSON"
            return self._unfit(reason, partial(short_repr, value))
        return self.copy(plain, depth + 1)

    def _object(self, items: dict[Any, Any], depth: int) -> JSON:
        if not self._afford(len(items)):
            return self._too_many(items)
        copied: dict[str, Any] = {}
        for key, item in items.items():
            try:
                copied[self._key(key, depth, copied)] = self.copy(item, depth + 1)
            except _UnfitError as error:
                error.path.appendleft(_step(key))
                raise
        return copied

    def _key(self, key: Any, depth: int, taken: dict[str, Any]) -> str:
        name = self.copy(key, depth + 1)
        if isinstance(name, (list, dict)):
            name = self._unfit(f"is a key of type {type_name(key)}; JSON's keys are text", partial(short_repr, key))
        elif not isinstance(name, str):
            name = json.dumps(name)
        if name in taken:
            return self._unfit(f"is a second key that JSON writes as {json.dumps(name)}", partial(short_repr, key))
        return name

    def _array(self, items: list[Any], depth: int) -> JSON:
        if not self._afford(len(items)):
            return self._too_many(items)
        copied: list[Any] = []
        for item in items:
            try:
                copied.append(self.copy(item, depth + 1))
            except _UnfitError as error:
                error.path.appendleft(f"[{len(copied)}]")
                raise
        return copied

    def _afford(self, values: int) -> bool:
        self._left -= CONTAINER_WEIGHT + values
        return self._left >= 0

    def _too_many(self, items: Any) -> str:
        return self._unfit("holds too many values, or values that hold each other", partial(_label, items))


def _step(key: Any) -> str:
    """Write one step of the path to a value as one would write it in Python."""
    if type(key) is not str:
        return f"[{short_repr(key):.{STEP_LENGTH}}]"
    return f".{key:.{STEP_LENGTH}}" if key.isidentifier() else f"[{json.dumps(key[:STEP_LENGTH])}]"


_NO_FORM = object()


def _plain(value: Any) -> Any:
    """Give a value's obvious form, one step nearer to JSON, or `_NO_FORM`."""
    if isinstance(value, enum.Enum):
        return value.value
    for kinds, form in _FORMS:
        if isinstance(value, kinds):
            return form(value)
    kind = type(value)
    for mark, form in _MARKS:
        if hasattr(kind, mark):
            return form(value)
    if any(str(base.__module__).split(".", 1)[0] == "numpy" for base in kind.__mro__) and hasattr(value, "tolist"):
        return _from_numpy(value)
    return _NO_FORM


def _from_model(value: Any) -> Any:
    if not type(value).__module__.startswith("layer_api."):
        return _from_attrs(value)
    return value.to_dict()


def _from_dataclass(value: Any) -> Any:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if hasattr(value, field.name)}


def _from_attrs(value: Any) -> Any:
    fields = type(value).__attrs_attrs__
    return {field.name: getattr(value, field.name) for field in fields if hasattr(value, field.name)}


def _from_pydantic(value: Any) -> Any:
    try:
        return value.model_dump(warnings=False)  # a field of another type than declared is not the host's news
    except TypeError:  # a model that overrides it with fewer arguments
        return value.model_dump()


def _from_numpy(value: Any) -> Any:
    name = value.dtype.name
    if name in ("datetime64[ns]", "timedelta64[ns]"):  # tolist() would make bare integers of them
        value = value.astype(name.replace("[ns]", "[us]"))
    plain = value.tolist()
    # NumPy's long double has no counterpart in Python and gives itself.
    return float(plain) if type(plain) is type(value) and value.dtype.kind == "f" else plain


def _sorted(values: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(values)
    except Exception:  # noqa: BLE001  (somebody else's code)
        return list(values)


def _items(values: Any) -> Any:
    if len(values) > MAX_VALUES:  # range(10**12) is a sequence, too
        return _NO_FORM
    return list(islice(values, MAX_VALUES))


def _date_time(value: datetime.datetime) -> str:
    with _fork.postponed():
        from layer_api.types import format_datetime  # which loads attrs

    return format_datetime(utc(value))


# In order: the first that fits is taken, so a datetime stands before a date and str before Sequence.
# Subclasses may redefine how they turn into their base; the base's own method cannot be.
_FORMS: list[Any] = [
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (datetime.datetime, _date_time),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    (datetime.timedelta, datetime.timedelta.total_seconds),
    ((uuid.UUID, decimal.Decimal, UserString), str),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(memoryview(value).tobytes()).decode("ascii")),
    (os.PathLike, os.fspath),
    (Mapping, dict),
    ((KeysView, ItemsView, ValuesView), _items),
    (AbstractSet, _sorted),
    ((Sequence, deque), _items),
]

# What a type has when it is one of a family that need not be installed.
_MARKS: list[Any] = [
    ("__attrs_attrs__", _from_model),
    ("__dataclass_fields__", _from_dataclass),
    ("model_fields", _from_pydantic),
    ("__validators__", lambda value: value.dict()),  # pydantic before version 2
]
