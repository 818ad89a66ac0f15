"""What a provider's objects hold, at one moment: their fields as plain dicts and lists, as the JSON has them.

Their own ways of being dumped may build schemas first or run the host's code; what an object holds can be read off it.
"""

from __future__ import annotations

from typing import Any

from layer_sdk._json import to_json_or_repr
from layer_sdk._plain import CONTAINER_WEIGHT, MAX_DEPTH, MAX_VALUES

SCALARS = frozenset({str, int, float, bool, type(None)})
# What a helper made of the answer with a class of the host's: the answer itself stands beside it.
DERIVED = frozenset({"parsed", "parsed_arguments"})


def snapshot(value: Any) -> Any:
    """Copy what an object holds; absent fields are left out, and what has no form in JSON becomes a short text."""
    return value if type(value) in SCALARS else _Walk().copy(value, 0)


class _Walk:
    """One walk over one object, with what it may still afford."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in SCALARS:
            return value
        self._left -= CONTAINER_WEIGHT
        if depth >= MAX_DEPTH or self._left < 0:
            return f"<{kind.__name__}>"
        if kind is list or kind is tuple:
            self._left -= len(value)
            return [item if type(item) in SCALARS else self.copy(item, depth + 1) for item in list(value)]
        fields = value if kind is dict else fields_of(value)
        return to_json_or_repr(value) if fields is None else self._object(fields, depth)

    def _object(self, fields: dict[Any, Any], depth: int) -> dict[str, Any]:
        self._left -= len(fields)
        return {
            name if type(name) is str else str(name): item if type(item) in SCALARS else self.copy(item, depth + 1)
            for name, item in list(fields.items())
            if item is not None and name not in DERIVED
        }


def fields_of(value: Any) -> dict[str, Any] | None:
    """Give the fields of a provider's object, those of newer servers that it does not know included; else None."""
    kind = type(value)
    names = _names.get(kind, _UNKNOWN)
    if names is _UNKNOWN:
        names = _learn(kind)
    if names is None:
        return None
    fields = {names.get(name, name): item for name, item in value.__dict__.items()} if names else dict(value.__dict__)
    more = getattr(value, "__pydantic_extra__", None)  # with pydantic 1 they stand among the others
    if more:
        fields.update(more)
    return fields


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
