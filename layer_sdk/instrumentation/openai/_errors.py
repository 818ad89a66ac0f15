"""What openai raises, as the contract describes errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layer_sdk._drafts import error_of
from layer_sdk._json import to_json_or_repr

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields

# What says no more than that there is a cause; until version 3 the cause itself came out of a stream.
EMPTY = frozenset({"APIConnectionError", "APITimeoutError"})


def describe(error: BaseException) -> Fields:
    """Read an exception off: its attributes have other names and types from version to version, and some have none."""
    if type(error).__name__ in EMPTY and error.__cause__ is not None:
        error = error.__cause__
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    status = getattr(error, "status_code", None)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    details = {
        "type": type(error).__name__,
        "error_type": getattr(error, "type", None),
        "error_code": getattr(error, "code", None),
        "param": getattr(error, "param", None),
        "request_id": headers.get("x-request-id"),
        "retry_after": headers.get("retry-after"),
    }
    return {
        "message": message if isinstance(message, str) else error_of(error).message,
        "code": status if type(status) is int else None,
        "details": {name: _plain(value) for name, value in details.items() if value is not None},
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else to_json_or_repr(value)
