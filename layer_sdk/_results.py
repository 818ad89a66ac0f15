"""Read what a decorated function gave as the data, error and scanners of an action. Nothing here raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from . import schemas

if TYPE_CHECKING:
    from .schemas import SessionActionKind

RESULT_LENGTH = 3  # (data, error, scanners)


def result_of(value: Any) -> tuple[Any, Any, Any]:
    """Read a function's result: the tuple (data, error, scanners), its last parts optional, or plain data."""
    if type(value) is tuple and 1 <= len(value) <= RESULT_LENGTH:
        data, error, scanners = value + (None,) * (RESULT_LENGTH - len(value))
        try:
            if _is_error(error) and _is_scanners(scanners):
                return data, error, scanners
        except Exception:  # noqa: BLE001, S110  (somebody else's code)
            pass
    return value, None, None


def _is_error(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "message" in value
    return value is None or isinstance(value, (schemas.SessionActionError, BaseException))


def _is_scanners(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, schemas.SessionActionScanner) or (isinstance(item, Mapping) and "name" in item)
        for item in value
    )


# By the values of `SessionActionKind`, whose members are texts: naming those here would load the models.
ROLES = {"completion_prompt": "user", "completion_output": "assistant"}
LISTS = {"completion_tool_call": "tools", "embeddings": "input", "moderation": "input"}


def shaped(kind: SessionActionKind, data: Any) -> Any:
    """Give plain data the shape of its kind: a text is a message, a list is the list that the kind has."""
    try:
        return _shaped(kind, data)
    except Exception:  # noqa: BLE001  (somebody else's code)
        return data


def _shaped(kind: SessionActionKind, data: Any) -> Any:
    if isinstance(data, str) and kind in ROLES:
        return {"messages": [{"role": ROLES[kind], "content": data}]}
    if isinstance(data, (list, tuple)):
        name = LISTS.get(kind, "messages" if kind in ROLES and _are_messages(data) else "value")
        return {name: data}
    if isinstance(data, str) and LISTS.get(kind) == "input":
        return {"input": [data]}
    return data


def _are_messages(data: Any) -> bool:
    return all(isinstance(item, Mapping) and "role" in item for item in data)
