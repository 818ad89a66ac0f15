"""The header by which a call names its session. It is for us: OpenAI never gets to see it."""

from __future__ import annotations

import sys
from typing import Any, Callable, Mapping

NAMES = ("x-layer-session-id", "layer-session-id")
RAW = "X-Stainless-Raw-Response"


def take(client: Any, options: Any, own: Mapping[str, Any]) -> tuple[object, Callable[[], None] | None]:
    """Take the header off a request.

    The request's own headers win over those of the client. What the client holds stays as it is: the request is told
    to leave it out.

    Args:
        client: The OpenAI client.
        options: Of the request.
        own: Its headers.

    Returns:
        The id, whatever it is, or None; and what puts the options back as they were, if they were changed.
    """
    standing = getattr(client, "_custom_headers", None) or {}
    mine = [name for name in own if name.lower() in NAMES] if own else []
    theirs = [name for name in standing if name.lower() in NAMES] if standing else []
    if not mine and not theirs:
        return None, None
    omit = sys.modules["openai._types"].Omit
    given = [own[name] for name in _ordered(mine)] or [standing[name] for name in _ordered(theirs)]
    before = options.headers
    options.headers = {
        **{name: value for name, value in own.items() if name not in mine},
        **{name: omit() for name in theirs},
    }

    def restore() -> None:
        options.headers = before

    return (None if isinstance(given[0], omit) else given[0]), restore


def _ordered(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: NAMES.index(name.lower()))


def raw_mode(own: Mapping[str, Any]) -> str | None:
    """Tell how the answer is wanted: None for parsed, `true` for raw, `stream` for raw and unread."""
    found = own.get(RAW)
    return found if isinstance(found, str) else None
