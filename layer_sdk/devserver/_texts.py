"""All texts that a recorded value holds, however deep."""

from __future__ import annotations

from typing import Any, Iterator, Mapping


def texts_of_action(action: Mapping[str, Any]) -> list[str]:
    """The texts of an action that policies are matched against and that a search looks in, the last one first."""
    error = action.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return list(texts_of([action.get("data"), action.get("attributes"), message]))


def texts_of(value: Any) -> Iterator[str]:
    """The texts of any JSON value, the last one first."""
    # A list of what is left, instead of recursion: documents may be nested deeper than Python calls.
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
