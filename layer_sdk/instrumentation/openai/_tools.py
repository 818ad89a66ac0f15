"""Calls of tools that a model asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields, Heard

    from ._asked import Asked


def tool(call_id: Any, name: Any, arguments: Any) -> Fields:
    """Describe a call as the contract does: its arguments are an object, whatever the model wrote."""
    return {"id": call_id, "name": name, "arguments": arguments_of(arguments)}


def arguments_of(written: Any) -> Fields:
    """Read arguments; what is no object in JSON, as with tools of a form of their own, is the `input` alone."""
    if written in (None, ""):
        return {}
    try:
        read = json.loads(written) if isinstance(written, str) else written
    except ValueError:
        read = written
    return read if isinstance(read, dict) else {"input": read}


def tool_calls(asked: Asked, answer: Any, heard: Heard, tools: list[Fields]) -> list[Fields]:
    """Make the action that lists them, if there are any."""
    if not tools:
        return []
    return [{"kind": "completion_tool_call", "attributes": asked.facts(answer, heard), "data": {"tools": tools}}]
