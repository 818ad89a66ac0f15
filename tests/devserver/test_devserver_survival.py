from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable

import httpx
import pytest

from layer_sdk.devserver import Server, Settings, StartError, run

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 3
ROUNDS = 5
Launch = Callable[..., "tuple[subprocess.Popen[str], str]"]


def action(number: int) -> dict[str, Any]:
    """An action that can be told from others."""
    return {
        "kind": "embeddings",
        "start_time": "2026-03-02T09:30:00Z",
        "end_time": "2026-03-02T09:30:00Z",
        "attributes": {"number": number},
    }


def append(client: httpx.Client, session_id: str, number: int) -> None:
    """Append an action under a key that goes with its number."""
    headers = {"Idempotency-Key": f"{session_id}-{number}"}
    answer = client.post(f"/v1/sessions/{session_id}/actions", json=action(number), headers=headers)
    assert 202 == answer.status_code


def append_until_it_dies(url: str, session_id: str, first: int, enough: Callable[[], None]) -> int:
    """Append one action after the other, and give the number of the one that was not acknowledged."""
    number = first
    with httpx.Client(base_url=url) as client:
        try:
            while True:
                append(client, session_id, number)
                number += 1
                enough()
        except httpx.TransportError:
            return number


def recorded_numbers(url: str, session_id: str) -> list[int]:
    """The numbers of the actions that a session has, in recorded order."""
    actions = httpx.get(f"{url}/dev/sessions/{session_id}").raise_for_status().json()["actions"]
    return [one["attributes"]["number"] for one in actions]


def test_what_was_acknowledged_survives_a_kill(launch: Launch, tmp_path: Path, new_id: Callable[[], str]) -> None:
    """However often the server is killed, all acknowledged actions are there exactly once and in order.

    So is the one that was under way, once its client has repeated it with its key.
    """
    settings = Settings(database=tmp_path / "layer.db")
    sessions = [new_id() for _ in range(CLIENTS)]
    reached = [0] * CLIENTS
    process, url = launch(settings)
    for session_id in sessions:
        httpx.post(f"{url}/v1/sessions", json={"application_id": "shop", "session_id": session_id})
    for _ in range(ROUNDS):
        left = threading.Semaphore(random.randint(20, 150))  # noqa: S311 - it is no secret

        def enough(left: threading.Semaphore = left, process: subprocess.Popen[str] = process) -> None:
            if not left.acquire(blocking=False):
                process.kill()

        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(append_until_it_dies, url, *one, enough) for one in zip(sessions, reached)]
            reached = [client.result() for client in clients]
        process.wait()
        process, url = launch(settings)
        for session_id, number in zip(sessions, reached):
            survived = recorded_numbers(url, session_id)
            assert list(range(number)) == survived[:number]
            assert survived[number:] in ([], [number])
    with httpx.Client(base_url=url) as client:
        for session_id, number in zip(sessions, reached):
            append(client, session_id, number)
            assert list(range(number + 1)) == recorded_numbers(url, session_id)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_in_order(launch: Launch, tmp_path: Path, number: signal.Signals) -> None:
    """A server in a process of its own answers, and after a signal it closes its database and ends without an error."""
    file = tmp_path / "layer.db"
    process, url = launch(Settings(database=file))
    ready = httpx.get(f"{url}/readyz").json()
    process.send_signal(number)
    assert ({"status": "ready"}, 0) == (ready, process.wait(20))
    assert [file] == list(tmp_path.iterdir())


def test_a_temporary_database_is_removed(launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database file, nothing is left behind when the server stops."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process, url = launch(Settings())
    during = [file.name for file in tmp_path.rglob("layer.db")]
    httpx.get(f"{url}/readyz").raise_for_status()
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert (["layer.db"], []) == (during, list(tmp_path.iterdir()))


def test_a_temporary_database_is_removed_when_nobody_stops_the_server(tmp_path: Path) -> None:
    """A program that ends without stopping its server leaves nothing behind, either, and is not held up."""
    program = "from layer_sdk.devserver import Server; print(Server().start().url)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, timeout=20, check=True
    )
    assert b"http://127.0.0.1:" in ended.stdout
    assert [] == list(tmp_path.iterdir())


def test_a_server_can_be_stopped_and_started_again(tmp_path: Path, new_id: Callable[[], str]) -> None:
    """A server object starts as often as it was stopped, and finds what it recorded."""
    server, session_id = Server(Settings(database=tmp_path / "layer.db")), new_id()
    with server:
        httpx.post(f"{server.url}/v1/sessions", json={"application_id": "shop", "session_id": session_id})
        with pytest.raises(RuntimeError, match="runs already"):
            server.start()
    server.stop()
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = server.url
    with server:
        assert [] == recorded_numbers(server.url, session_id)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Where the port is taken, the start fails with a message that says so, and leaves nothing open."""
    settings = Settings(database=tmp_path / "layer.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"can not listen on 127.0.0.1 port {port}.*Choose another port"):
            Server(Settings(port=port, database=settings.database)).start()
    with Server(settings) as server:
        assert 200 == httpx.get(f"{server.url}/readyz").status_code


def test_a_host_that_is_none() -> None:
    """An address that is not of this machine fails the start with a message that says so."""
    with pytest.raises(StartError, match=r"can not listen on 192\.0\.2\.1"):
        Server(Settings(host="192.0.2.1")).start()


def test_a_server_that_listens_everywhere_has_a_url_that_works() -> None:
    """The URL of a server on all addresses is one that can be reached."""
    with Server(Settings(host="0.0.0.0")) as server:  # noqa: S104
        assert 200 == httpx.get(f"{server.url}/readyz").status_code


def foreign(file: Path, *statements: str) -> Path:
    """A database that somebody else made."""
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return file


def test_a_database_that_can_not_be_used(tmp_path: Path) -> None:
    """A file that is missing its folder, no database, or one of something else fails the start, and stays as it is."""
    text = tmp_path / "notes.txt"
    text.write_text("These are notes and no database at all.\n" * 50, "utf-8")
    other = foreign(tmp_path / "other.db", "CREATE TABLE t (x)")
    numbered = foreign(tmp_path / "numbered.db", "PRAGMA user_version = 7")
    cases = {
        tmp_path / "none" / "layer.db": r"none/layer\.db does not exist\. Make it first",
        tmp_path: "can not be used: unable to open database file",
        text: "can not be used: file is not a database",
        text / "layer.db": "does not exist",
        other: "is a database of something else",
        numbered: "is a database of something else",
    }
    before = {file: file.read_bytes() for file in (text, other, numbered)}
    for file, message in cases.items():
        with pytest.raises(StartError, match=message) as caught:
            Server(Settings(database=file)).start()
        assert str(file) in str(caught.value)
    assert before == {file: file.read_bytes() for file in (text, other, numbered)}


def test_a_database_of_a_newer_release(tmp_path: Path) -> None:
    """A database with a newer schema fails the start, with a message that names both versions."""
    file = tmp_path / "layer.db"
    with Server(Settings(database=file)):
        pass
    foreign(file, "PRAGMA user_version = 99")
    with pytest.raises(StartError, match="has schema version 99, this release knows version 2"):
        Server(Settings(database=file)).start()


def test_a_database_that_is_in_use(tmp_path: Path) -> None:
    """A second server on the same file fails to start, and the first goes on."""
    settings = Settings(database=tmp_path / "layer.db")
    with Server(settings) as server:
        with pytest.raises(StartError, match="no other embedded Layer has open"):
            Server(settings).start()
        assert 200 == httpx.get(f"{server.url}/readyz").status_code


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_database_that_can_not_grow(tmp_path: Path, launch: Launch, new_id: Callable[[], str]) -> None:
    """Where the disk is full, requests are answered with 503, and all that was acknowledged is kept."""
    settings, session_id, number = Settings(database=tmp_path / "layer.db"), new_id(), 0
    process, url = launch(settings, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))")
    with httpx.Client(base_url=url) as client:
        client.post("/v1/sessions", json={"application_id": "shop", "session_id": session_id})
        while (answer := client.post(f"/v1/sessions/{session_id}/actions", json=action(number))).is_success:
            number += 1
        again = client.post(f"/v1/sessions/{session_id}/actions", json=action(number))
        during = recorded_numbers(url, session_id)
    process.kill()
    process.wait()
    _, url = launch(settings)
    assert [503, 503] == [answer.status_code, again.status_code]
    assert "nothing of this request is recorded" in answer.json()["detail"]
    assert [list(range(number))] * 2 == [during, recorded_numbers(url, session_id)]


def test_a_program_may_go_on_after_its_server() -> None:
    """A signal stops the server and is then over; the handlers that the program had are in place again."""
    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: caught.append(number))
    try:
        run(on_ready=lambda _url: signal.raise_signal(signal.SIGTERM))
        assert [] == caught
        signal.raise_signal(signal.SIGTERM)
        assert [signal.SIGTERM] == caught
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("chosen", [{"status_on_create": 200}, {"port": -1}, {"port": 65536}, {"max_body": 0}])
def test_settings_that_are_impossible(chosen: dict[str, int]) -> None:
    """Settings that can not be are refused when they are made, with a message that names them."""
    with pytest.raises(ValueError, match=next(iter(chosen))):
        Settings(**chosen)  # type: ignore[arg-type]
