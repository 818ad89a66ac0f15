"""Each program in examples/ does what it says, in a process of its own, against an embedded Layer."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest
import requests

from openai_sdk.loopback_openai import LoopbackOpenAI

if TYPE_CHECKING:
    from layer_sdk.devserver import Server

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
RUNTIMES = ROOT / ".envs" / "runtimes" / "bin"
PATIENCE = 60.0
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Read = Callable[[str], "dict[str, Any]"]


@pytest.fixture(scope="module")
def openai() -> Iterator[LoopbackOpenAI]:
    """An OpenAI on this machine."""
    with LoopbackOpenAI() as server:
        yield server


@pytest.fixture
def environ(devserver: Server, openai: LoopbackOpenAI) -> dict[str, str]:
    """What the examples' first lines ask for."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}",
        "PYTHONUNBUFFERED": "1",
        "LAYER_BASE_URL": devserver.url,
        "LAYER_FIREWALL_BASE_URL": devserver.url,
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "no key",
    }


def run(name: str, environ: dict[str, str], python: str | Path = sys.executable) -> list[str]:
    """Run an example; the lines that it prints, the last of them ids of sessions."""
    command = [str(python), "-W", "error", name]
    done = subprocess.run(
        command, cwd=EXAMPLES, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.splitlines()


def kinds(session: dict[str, Any]) -> list[str]:
    return [action["kind"].replace("completion_", "") for action in session["actions"]]


def said(action: dict[str, Any]) -> str:
    return str(action["data"]["messages"][-1]["content"])


def test_every_example_is_tested() -> None:
    """No program is here without a test, and README names each."""
    here = Path(__file__).read_text("utf-8")
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in here or f'"{path.stem}' in here or path.stem == "quickstart", path.name
        assert f"examples/{path.name}" in readme, path.name


def test_explicit_calls(environ: dict[str, str], recorded: Read) -> None:
    """What was recorded with and without waiting, and an exception as an error."""
    refused, session_id = run("explicit_calls.py", environ)
    session = recorded(session_id)
    assert "refused: LayerSchemaValidationError" == refused
    assert ["prompt", "output", "output"] == kinds(session)
    assert "The 29 x 2.4 fits." == said(session["actions"][1])
    assert "The model did not answer within 10 seconds." == session["actions"][2]["error"]["message"]


def test_decorators(environ: dict[str, str], recorded: Read) -> None:
    """A session with what a block, a function and a generator recorded."""
    answer, session_id = run("decorators.py", environ)
    session = recorded(session_id)
    assert "rider-311" == session["attributes"]["user.id"]
    assert ["prompt", "tool_call", "output"] == kinds(session)
    assert answer == said(session["actions"][2])


def test_openai_sync(environ: dict[str, str], recorded: Read) -> None:
    """Two calls and one that fails, in one session."""
    *_, failed, session_id = run("openai_sync.py", environ)
    session = recorded(session_id)
    assert "failed with 404" == failed
    assert ["prompt", "output"] * 3 == kinds(session)
    assert "You said: And which tube?" == said(session["actions"][3])
    assert session["actions"][5]["error"]


def test_openai_async(environ: dict[str, str], recorded: Read) -> None:
    """Three sessions, each with the conversation of its own user."""
    session_ids = run("openai_async.py", environ)[-1].split()
    assert 3 == len(set(session_ids))
    for number, session_id in enumerate(session_ids):
        session = recorded(session_id)
        assert f"rider-{number}" == session["attributes"]["user.id"]
        assert f"You said: Hello, I am rider-{number}." == said(session["actions"][1])


def test_openai_stream(environ: dict[str, str], recorded: Read) -> None:
    """A whole answer with its tokens, and one as far as it was read."""
    session = recorded(run("openai_stream.py", environ)[-1])
    assert ["prompt", "output"] * 2 == kinds(session)
    whole, part = session["actions"][1], session["actions"][3]
    assert "You said: Tell me of tubeless tyres." == said(whole)
    assert ["usage"] == [each["name"] for each in whole["scanners"]]
    assert "You said: Tell me of tubes.".startswith(said(part))
    assert "You said: Tell me of tubes." != said(part)


def test_raw_client(environ: dict[str, str], recorded: Read) -> None:
    """The session that the API created, with the action that it was sent."""
    created, decision, session_id = run("raw_client.py", environ)
    assert ("201 application/json", "pass") == (created, decision)
    assert ["prompt"] == kinds(recorded(session_id))


def test_fastapi_app(environ: dict[str, str], recorded: Read) -> None:
    """Two requests of a conversation are in one session, delivered before the server has stopped."""
    pytest.importorskip("fastapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "--log-level", "warning", "--port", str(port), "fastapi_app:app"]
    with subprocess.Popen(command, cwd=EXAMPLES, env=environ, stderr=subprocess.PIPE, text=True) as server:
        try:
            answers = [ask(port, text) for text in ("Hello!", "And again.")]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
    assert ["You said: Hello!", "You said: And again."] == [answer["answer"] for answer in answers]
    assert 1 == len({answer["session_id"] for answer in answers})
    assert ["prompt", "output"] * 2 == kinds(recorded(answers[0]["session_id"]))


def ask(port: int, text: str) -> Any:
    """Ask the application, as soon as it listens."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            message = {"conversation": "thread-77", "text": text}
            answer = requests.post(f"http://127.0.0.1:{port}/messages", json=message, timeout=PATIENCE)
        except requests.ConnectionError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            answer.raise_for_status()
            return json.loads(answer.text)


@pytest.mark.skipif(
    not (RUNTIMES / "celery").exists(),
    reason="there is no .envs/runtimes: make one, and `pip install -r requirements/runtimes.txt` into it",
)
def test_celery_task(environ: dict[str, str], recorded: Read, tmp_path: Path) -> None:
    """What the task recorded in a worker's process is in the session of who asked for it."""
    environ["CELERY_FOLDER"] = str(tmp_path / "messages")
    session_id = run("celery_task.py", environ, RUNTIMES / "python")[-1]
    assert ID.fullmatch(session_id)
    command = [
        str(RUNTIMES / "celery"),
        "--app",
        "celery_task",
        "worker",
        "--concurrency",
        "1",
        "--loglevel",
        "warning",
    ]
    options = ("--without-gossip", "--without-mingle")
    with subprocess.Popen([*command, *options], cwd=EXAMPLES, env=environ, stderr=subprocess.PIPE) as worker:
        try:
            end = time.monotonic() + PATIENCE
            while len(recorded(session_id)["actions"]) < 2:
                assert time.monotonic() < end
                time.sleep(0.1)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=PATIENCE)
    session = recorded(session_id)
    assert ["prompt", "output"] == kinds(session)
    assert "In short: Tubeless," == said(session["actions"][1])
