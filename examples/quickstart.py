"""Record the same support conversation twice: with explicit calls, and with decorators.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address, and run this file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from layer_sdk import SessionActionKind, layer

CONVERSATION: dict[str, Any] = json.loads((Path(__file__).parent / "conversation.json").read_text("utf-8"))
MODEL = {"model.id": CONVERSATION["model"]}


def explicit_calls() -> str:
    """Say each thing when it has happened. A call returns when Layer has answered."""
    session_id = layer.create_session(attributes={"user.id": CONVERSATION["user"], "way": "explicit calls"})
    history = [{"role": "system", "content": CONVERSATION["system"]}]
    for turn in CONVERSATION["turns"]:
        history.append({"role": "user", "content": turn["user"]})
        layer.append_action(
            session_id, kind=SessionActionKind.COMPLETION_PROMPT, attributes=MODEL, data={"messages": history}
        )
        if "tool" in turn:
            layer.append_action(session_id, kind="completion_tool_call", data={"tools": [turn["tool"]]})
        history.append({"role": "assistant", "content": turn["assistant"]})
        layer.append_action(
            session_id,
            kind=SessionActionKind.COMPLETION_OUTPUT,
            attributes=MODEL,
            data={"messages": history[-1:]},
            scanners=[{"name": "usage", "data": turn["usage"]}],
        )
    return session_id


@layer.action(kind=SessionActionKind.COMPLETION_PROMPT, attributes=MODEL)
def ask(question: str) -> str:
    """A text that a prompt returns is recorded as the user's message."""
    return question


@layer.action(kind=SessionActionKind.COMPLETION_TOOL_CALL)
def call_tool(tool: dict[str, Any]) -> Any:
    """Any JSON will do; a list of tools is what the kind asks for."""
    return [tool]


@layer.action(kind=SessionActionKind.COMPLETION_OUTPUT, attributes=MODEL)
def answer(turn: dict[str, Any]) -> Any:
    """The tuple (data, error, scanners) says more than a plain value."""
    return turn["assistant"], None, [{"name": "usage", "data": turn["usage"]}]


@layer.session(attributes={"user.id": CONVERSATION["user"], "way": "decorators"})
def converse(session_id: str = "") -> str:
    """Everything recorded in here belongs to the session of the call."""
    for turn in CONVERSATION["turns"]:
        ask(turn["user"])
        if "tool" in turn:
            call_tool(turn["tool"])
        answer(turn)
    return session_id


def main() -> None:
    """Record the conversation in both ways and print the ids of the sessions."""
    if "LAYER_APPLICATION_ID" in os.environ:
        layer.init()
    else:
        layer.init(application_name="bicycle-shop", environment="development")
    for session_id in (explicit_calls(), converse()):
        print(session_id)
    layer.shutdown()


if __name__ == "__main__":
    main()
