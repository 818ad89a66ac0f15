"""What a provider's objects hold, at one moment: their fields as plain dicts and lists, as the JSON has them.

Their own ways of being dumped may build schemas first or run the host's code; what an object holds can be read off it.
"""

from __future__ import annotations

from typing import Any

from layer_sdk._json import weighed_json_or_repr
from layer_sdk._plain import CONTAINER_WEIGHT, MAX_DEPTH, MAX_VALUES

CONTAINERS = frozenset({dict, list})
SCALARS = frozenset({str, int, float, bool, type(None)})
# What a helper made of the answer with a class of the host's: the answer itself stands beside it.
DERIVED = frozenset({"parsed", "parsed_arguments"})


class _TooDeepError(Exception):
    """An answer is nested deeper than any that a provider gives."""


def snapshot(value: Any) -> Any:
    """Copy what an object holds, as far as it can change; what has no form in JSON becomes a short text.

    Fields that are None are left out: an object has them for what the provider did not say.
    """
    return weighed_snapshot(value)[0]


def weighed_snapshot(value: Any) -> tuple[Any, int]:
    """Do what `snapshot` does, and give the bytes of memory that it takes, about."""
    if type(value) in SCALARS:
        return value, value.__sizeof__()
    try:
        return _Walk().copy(value, 0)
    except _TooDeepError:  # or holding itself: a walk that takes its time knows what to do
        return _careful(value)


def _careful(value: Any) -> tuple[Any, int]:
    copied, size = weighed_json_or_repr(value)
    return without_nones(copied), size


def without_nones(value: Any, depth: int = 0) -> Any:
    """Leave out the fields that are None, wherever they stand.

    Raises:
        RecursionError: If it is nested deeper than what is recorded.
    """
    if depth >= MAX_DEPTH:
        raise RecursionError
    kind = type(value)
    if kind is dict:
        return {
            name: without_nones(item, depth + 1) if type(item) in CONTAINERS else item
            for name, item in value.items()
            if item is not None
        }
    if kind is list:
        return [without_nones(item, depth + 1) if type(item) in CONTAINERS else item for item in value]
    return value


class _Walk:
    """One walk over one object, with what it may still afford."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> tuple[Any, int]:
        """Copy and weigh what is no scalar."""
        kind = type(value)
        if kind is list or kind is tuple:
            return self._items(list(value), depth)
        fields = value.copy() if kind is dict else fields_of(value)
        if fields is None:
            return _careful(value)
        self._left -= CONTAINER_WEIGHT + len(fields)
        if depth >= MAX_DEPTH or self._left < 0:
            raise _TooDeepError
        kept: dict[Any, Any] = {}
        size = sum([len(str(name)) for name in fields]) if kind is dict else 0  # a class has its names but once
        for name, item in fields.items():
            if item is None:
                continue
            if type(item) in SCALARS:
                kept[name] = item
                size += item.__sizeof__()
            elif name not in DERIVED:
                kept[name], weight = self.copy(item, depth + 1)
                size += weight
        return kept, size + kept.__sizeof__()

    def _items(self, items: list[Any], depth: int) -> tuple[Any, int]:
        self._left -= CONTAINER_WEIGHT + len(items)
        if depth >= MAX_DEPTH or self._left < 0:
            raise _TooDeepError
        size = items.__sizeof__()
        for place, item in enumerate(items):
            if type(item) in SCALARS:
                size += item.__sizeof__()
            else:
                items[place], weight = self.copy(item, depth + 1)
                size += weight
        return items, size


def fields_of(value: Any) -> dict[str, Any] | None:
    """Copy the fields of a provider's object, those of newer servers that it does not know included; else None."""
    kind = type(value)
    names = _names.get(kind, _UNKNOWN)
    if names is _UNKNOWN:
        names = _learn(kind)
    if names is None:
        return None
    fields: dict[str, Any] = value.__dict__.copy()
    if names:
        fields = {names.get(name, name): item for name, item in fields.items()}
    more = getattr(value, "__pydantic_extra__", None)  # with pydantic 1 they stand among the others
    if more:
        fields.update(more)
    return fields


def is_model(value: Any) -> bool:
    """Tell whether a provider's object is one of fields, an answer in one piece, and its class is one met before.

    To ask such an object for what it has not takes pydantic longer than the whole of it takes to be copied.
    """
    return _names.get(type(value)) is not None


# By class: the fields that JSON calls by another name than Python does. None for a class that is no model's.
_names: dict[type, dict[str, str] | None] = {}
_UNKNOWN: dict[str, str] = {}
MAX_KINDS = 2000  # classes remembered: a program can make new ones for ever


def _learn(kind: Any) -> dict[str, str] | None:
    known = getattr(kind, "model_fields", None)
    if known is None:
        known = getattr(kind, "__fields__", None)  # of pydantic 1; the second one warns of it
    names = None
    if isinstance(known, dict):
        names = {
            name: field.alias for name, field in known.items() if getattr(field, "alias", None) not in (None, name)
        }
    if len(_names) >= MAX_KINDS:
        _names.clear()
    _names[kind] = names
    return names
