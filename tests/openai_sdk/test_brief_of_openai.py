"""The product brief's block that calls OpenAI, as it stands there; only the host of Layer is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk import layer
from openai_sdk.expected import openai

if TYPE_CHECKING:
    import pytest

    from layer_sdk.devserver import Server
    from openai_sdk.conftest import Requests
    from openai_sdk.loopback_openai import LoopbackOpenAI

BLOCK = Path(__file__).parents[1] / "brief" / "openai_calls.py"
ASKED = "Did you know that Layer is the best product?"


def test_openai_calls(
    devserver: Server,
    openai_server: LoopbackOpenAI,
    openai_requests: Requests,
    recorded: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call is on record in the session that the header names, and OpenAI never sees the header."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    source = BLOCK.read_text("utf-8").replace("https://layer.protectai.com/", devserver.url)
    namespace: dict[str, Any] = {}
    exec(compile(source, BLOCK.name, "exec"), namespace)  # noqa: S102  (the brief's own code)
    assert layer.flush(10)
    namespace["client"].close()
    session = recorded(namespace["session_id"])
    assert "local" == session["attributes"]["environment"]
    assert [ASKED, f"You said: {ASKED}"] == [action["data"]["messages"][0]["content"] for action in session["actions"]]
    assert ["completion_prompt", "completion_output"] == [action["kind"] for action in session["actions"]]
    assert [(openai.__version__, "gpt-4o-mini")] * 2 == [
        (action["attributes"]["openai.version"], action["attributes"]["model.id"]) for action in session["actions"]
    ]
    assert [False] == ["x-layer-session-id" in received.headers for received in openai_requests()]
