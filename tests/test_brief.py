"""The Python blocks of the product brief, as they stand there; only hosts are replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from layer_sdk import layer
from scripted_server import Answer, ScriptedServer

if TYPE_CHECKING:
    from layer_sdk.devserver import Server

BLOCKS = Path(__file__).parent / "brief"
TOKEN_URL = "https://your-keycloak-instance/realms/your-realm/protocol/openid-connect/token"

Recorded = Callable[[str], "dict[str, Any]"]


@pytest.fixture
def run(devserver: Server) -> Callable[..., dict[str, Any]]:
    """Run a block by its name, in a namespace of its own."""

    def run_block(name: str, **hosts: str) -> dict[str, Any]:
        source = (BLOCKS / f"{name}.py").read_text("utf-8")
        for old, new in {"https://api.example.com": devserver.url, **hosts}.items():
            source = source.replace(old, new)
        namespace: dict[str, Any] = {}
        exec(compile(source, f"brief/{name}.py", "exec"), namespace)  # noqa: S102  (the brief's own code)
        return namespace

    return run_block


@pytest.fixture
def configured(devserver: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the options that a block leaves to the environment."""
    monkeypatch.setenv("LAYER_BASE_URL", devserver.url)
    monkeypatch.setenv("LAYER_APPLICATION_ID", "your-application-id")


def test_every_block_is_here() -> None:
    """The blocks of the brief are all there; the one that calls OpenAI is run by tests/openai_sdk."""
    expected = "authentication configuration error_handling function_wrapping openai_calls quick_start retries timeouts"
    assert expected.split() == sorted(path.stem for path in BLOCKS.glob("*.py"))


def test_configuration(run: Callable[..., Any], recorded: Recorded) -> None:
    """The direct configuration initializes, and sessions carry application and environment."""
    run("configuration")
    session = recorded(layer.create_session())
    assert ("your-application-id", "production") == (session["application_id"], session["attributes"]["environment"])


def test_quick_start(run: Callable[..., Any], recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """The quick start creates a session and appends a prompt."""
    run("configuration")
    session_id = run("quick_start")["session_id"]
    session = recorded(session_id)
    assert f"Session ID: {session_id}\n" == capsys.readouterr().out
    assert "user-001" == session["attributes"]["user.id"]
    messages = [{"content": "Hello, how can I help you?", "role": "assistant"}]
    assert [("completion_prompt", {"messages": messages}, {"model.id": "gpt-3.5-turbo-16k"})] == [
        (action["kind"], action["data"], action["attributes"]) for action in session["actions"]
    ]


def test_function_wrapping(run: Callable[..., Any], devserver: Server, recorded: Recorded) -> None:
    """The decorated functions record a session with an action, and their results are what they returned."""
    run("configuration")
    result = run("function_wrapping")["result"]
    data = {"messages": [{"content": "Hello, how can I help you?", "role": "assistant"}]}
    assert (data, None, None) == result
    assert layer.flush(10)
    session = recorded(newest(devserver))
    assert ("user-002", [data]) == (session["attributes"]["user.id"], [a["data"] for a in session["actions"]])


def newest(devserver: Server) -> str:
    sessions = requests.get(f"{devserver.url}/dev/sessions?limit=1", timeout=10).json()["sessions"]
    return str(sessions[0]["session_id"])


def test_authentication(run: Callable[..., Any], scripted: Callable[..., ScriptedServer], recorded: Recorded) -> None:
    """With the brief's provider each request carries the token that the token endpoint gave."""
    tokens = scripted(Answer(200, b'{"access_token": "t1", "token_type": "Bearer", "expires_in": 300}'))
    run("authentication", **{TOKEN_URL: f"{tokens.url}/token"})
    sent: list[str] = []
    assert layer._parts is not None
    layer._parts.connections.session.hooks["response"].append(
        lambda response, **_: sent.append(response.request.headers["Authorization"])
    )
    recorded(layer.create_session())
    assert ["Bearer t1"] == sent


@pytest.mark.usefixtures("configured")
def test_error_handling_without_init(run: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Without init the brief's second handler catches the error, which says what to do."""
    run("error_handling")
    assert "Configuration error: Layer is not initialized: call layer.init" in capsys.readouterr().out


def test_error_handling_of_a_refusal(
    run: Callable[..., Any], scripted: Callable[..., ScriptedServer], capsys: pytest.CaptureFixture[str]
) -> None:
    """A refusal by the server is caught by the brief's first handler, with status and message."""
    server = scripted(Answer(422, b'{"detail": "no such application"}'))
    layer.init(base_url=server.url, application_id="nobody")
    run("error_handling")
    assert "HTTP error occurred: Status 422, Message: create session: no such application\n" == capsys.readouterr().out


@pytest.mark.usefixtures("configured")
def test_retries(run: Callable[..., Any], recorded: Recorded) -> None:
    """The brief's own session with its retry strategy is the one that is used."""
    session = run("retries")["session"]
    statuses: list[int] = []
    session.hooks["response"].append(lambda response, **_: statuses.append(response.status_code))
    recorded(layer.create_session())
    assert [201] == statuses


@pytest.mark.usefixtures("configured")
def test_timeouts(run: Callable[..., Any]) -> None:
    """The brief's timeout is the one that requests are sent with."""
    run("timeouts")
    assert 15.0 == layer.raw.get_httpx_client().timeout.read
