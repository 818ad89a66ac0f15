"""`layer-sdk tail` as a program: what arrives is printed as it arrives."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Iterator

import pytest
import requests

from layer_sdk.devserver import Server, Settings

ROOT = Path(__file__).resolve().parent.parent
TIMES = {"start_time": "2026-03-02T09:30:00Z", "end_time": "2026-03-02T09:30:02Z"}


@pytest.fixture
def server() -> Iterator[Server]:
    """An embedded Layer that has nothing."""
    with Server() as server:
        yield server


def post(url: str, path: str, body: Any) -> None:
    requests.post(url + path, json=body, timeout=10).raise_for_status()


def a_session(url: str, *texts: str) -> str:
    session_id = str(uuid.uuid5(uuid.uuid4(), "session"))
    actions = [an_action(text) for text in texts]
    post(url, "/v1/sessions", {"application_id": "shop", "session_id": session_id, "actions": actions})
    return session_id


def an_action(text: str) -> dict[str, Any]:
    return {"kind": "completion_prompt", "data": {"messages": [{"role": "user", "content": text}]}, **TIMES}


@contextmanager
def tail(url: str, *words: str, out: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Run the command; it is to be ended by Ctrl-C."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": "generated:.", "LAYER_BASE_URL": url, "TERM": "xterm"}
    command = [sys.executable, "-u", "-W", "error", "-m", "layer_sdk", "tail", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().rstrip("\n")


def test_prints_a_line_for_what_arrives(server: Server) -> None:
    """What is there and what comes: the session, then its actions, each once; Ctrl-C ends it with 0."""
    first = a_session(server.url, "one")
    with tail(server.url, "--all") as running:
        assert f"{first}  session                       application shop" == line(running.stdout)
        assert f"{first}  completion_prompt             one" == line(running.stdout)
        post(server.url, f"/v1/sessions/{first}/actions", an_action("two"))
        assert f"{first}  completion_prompt             two" == line(running.stdout)
        second = a_session(server.url)
        assert f"{second}  session                       application shop" == line(running.stdout)
        running.send_signal(signal.SIGINT)
        assert (0, "", "") == (running.wait(20), *map(str, (running.stdout.read(), running.stderr.read())))  # type: ignore[union-attr]


def test_begins_with_what_comes(server: Server) -> None:
    """Without --all, what was there before is not printed; an old session that grows is."""
    old = a_session(server.url, "one")
    a_session(server.url, "one")
    with tail(server.url, "--json") as running:
        # It is there when it follows; what is recorded until then may be seen or not.
        while not told(server.url, old, running):
            pass


def told(url: str, session_id: str, running: subprocess.Popen[str]) -> bool:
    """Record until the first line is printed, and look at it."""
    assert running.stdout is not None
    post(url, f"/v1/sessions/{session_id}/actions", an_action("more"))
    if not select.select([running.stdout.fileno()], [], [], 0.2)[0]:
        return False
    document = json.loads(line(running.stdout))
    assert (session_id, "more") == (document["session_id"], document["action"]["data"]["messages"][0]["content"])
    return True


def test_json_has_all_that_was_received(server: Server) -> None:
    """With --json each line is an object, with the numbers as they were written; --session leaves others out."""
    a_session(server.url, "other")
    wanted = a_session(server.url, "one")
    with tail(server.url, "--json", "--all", "--session", wanted.upper()) as running:
        session, action = (json.loads(line(running.stdout)) for _ in range(2))
        assert (wanted, "shop") == (session["session_id"], session["session"]["application_id"])
        assert {"action": an_action("one"), "session_id": wanted} == action


def test_nothing_that_was_recorded_steers_the_terminal(server: Server) -> None:
    """Escapes, line ends, bells and marks of direction are shown as what they are not: letters."""
    session_id = a_session(server.url, "\x1b]0;title\x07 \x9b31m a\r\nb \u202e [bold]x[/bold] \x00")
    mark = "\N{REPLACEMENT CHARACTER}"
    with tail(server.url, "--all") as running:
        line(running.stdout)
        assert f"{mark}]0;title{mark} {mark}31m a b {mark} [bold]x[/bold] {mark}" in line(running.stdout)
    main, other = pty.openpty()
    with tail(server.url, "--all", out=other) as running:
        os.close(other)
        seen = b""
        while b"[/bold]" not in seen:
            seen += os.read(main, 1000)
    os.close(main)
    assert session_id.encode() in seen
    assert [] == [each for each in (b"\x1b]", b"\x07", b"\x9b31", b"\x00", "\u202e".encode()) if each in seen]


def test_waits_for_a_server_that_goes_away(tmp_path: Path) -> None:
    """It says so once, and goes on where it was when the server is back."""
    database = tmp_path / "layer.db"
    server = Server(Settings(database=database)).start()
    port = int(server.url.rpartition(":")[2])
    session_id = a_session(server.url, "before")
    with tail(server.url, "--all", "--json") as running:
        assert [session_id] * 2 == [json.loads(line(running.stdout))["session_id"] for _ in range(2)]
        server.stop()
        assert "does not answer" in line(running.stderr)
        with Server(Settings(database=database, port=port)) as again:
            post(again.url, f"/v1/sessions/{session_id}/actions", an_action("after"))
            document = json.loads(line(running.stdout))
            assert "after" == document["action"]["data"]["messages"][0]["content"]


def test_server_that_comes_back_with_less_is_another_one(tmp_path: Path) -> None:
    """An embedded Layer that kept nothing begins anew: what it receives is shown, be it less than was seen before."""
    server = Server(Settings(database=tmp_path / "layer.db")).start()
    port = int(server.url.rpartition(":")[2])
    a_session(server.url, "one", "two", "three")
    with tail(server.url, "--all", "--json") as running:
        for _ in range(4):
            assert line(running.stdout)
        server.stop()
        assert "does not answer" in line(running.stderr)
        with Server(Settings(database=tmp_path / "another.db", port=port)) as another:
            session_id = a_session(another.url, "one")
            assert [session_id] * 2 == [json.loads(line(running.stdout))["session_id"] for _ in range(2)]


def test_no_server_is_an_error() -> None:
    """Without a server to begin with, a line says what to do, and the status is 1."""
    with tail("http://127.0.0.1:9") as running:
        assert 1 == running.wait(20)
        assert "Start an embedded Layer with `layer-sdk dev`" in line(running.stderr)
