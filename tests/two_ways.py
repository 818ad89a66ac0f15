"""The same requests over a `requests.Session` the short way and the long way, and all that can be told of each."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Callable, ClassVar, Mapping, Sequence

import requests
from urllib3.exceptions import HTTPError

from layer_sdk._sender import CONFINED, Sender
from layer_sdk._shortcut import Asking, Shortcut
from scripted_server import Answer, Asked, ScriptedServer

SECONDS = (5.0, 5.0)
PATH = "/v1/sessions/2ed6657d/actions"


class LongSession(requests.Session):
    """A session that goes the long way: it is of a class of its own."""


class RawServer:
    """Answers each request with bytes as they are, but for marks in them that have it do something.

    CLOSE at the end closes the connection, RESET breaks it off, PAUSE waits long enough for what is before to be read
    alone, and LATE for longer than any case has time. EARLY at the beginning answers a request whose body is not read.

    Args:
        answers: The answers in order, the last one again and again.
        host: Where it listens.
    """

    CLOSE, RESET = b"<close>", b"<reset>"
    PAUSE, LATE, EARLY = b"<pause>", b"<late>", b"<early>"
    WAITS: ClassVar = {PAUSE: 0.01, LATE: 0.6}

    def __init__(self, *answers: bytes, host: str = "127.0.0.1") -> None:
        self.asked: list[Asked] = []
        self.connections: set[Any] = set()
        self._answers = list(answers)
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> RawServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, client = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection, client), daemon=True).start()

    def _serve(self, connection: socket.socket, client: Any) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while line := stream.readline():
                headers = {}
                while field_line := stream.readline().strip():
                    name, _, value = field_line.decode("latin-1").partition(": ")
                    headers[name] = value
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                is_read = not answer.startswith(self.EARLY)
                body = stream.read(int(headers.get("Content-Length", "0"))) if is_read else b""
                method, path, _ = line.decode().split()
                self.asked.append(Asked(method, path, headers, body, client))
                self.connections.add(client)
                if not self._answer(connection, answer):
                    return

    def _answer(self, connection: socket.socket, answer: bytes) -> bool:
        """Send an answer; False where the connection is of no more use."""
        for part in re.split(b"(<[a-z]+>)", answer):
            if part == self.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if part in {self.CLOSE, self.RESET}:
                return False
            if part in self.WAITS:
                time.sleep(self.WAITS[part])
            elif part != self.EARLY:
                connection.sendall(part)
        return True


def nothing(_: requests.Session) -> None:
    """Leave a session as it is."""


@dataclass(frozen=True)
class Case:
    """What to ask, over which session, and what is answered.

    Attributes:
        answers: What the server answers: bytes for a `RawServer`, else for a `ScriptedServer`.
        method: The method of each request.
        path: What follows the server's address.
        headers: The request's headers.
        body: Its body.
        times: How often it is sent.
        prepare: Sets the session up.
        between: Is called with the session after each request.
        confined: Whether the headers are credentials, which stay with the origin.
        is_retried: Whether the session's adapters may retry.
        timeout: Seconds to connect, and to wait for an answer.
        is_short: Whether the short way is right for it.
    """

    answers: Sequence[bytes | Answer | Callable[[Asked], Answer]] = (Answer(202),)
    method: str = "POST"
    path: str = PATH
    headers: Mapping[str, str] = field(default_factory=lambda: {"Accept": "application/json", "X-Mine": "1"})
    body: bytes | None = b'{"a": 1}'
    times: int = 1
    prepare: Callable[[requests.Session], object] = nothing
    between: Callable[[requests.Session], object] = nothing
    confined: bool = False
    is_retried: bool = True
    timeout: tuple[float | None, float | None] = SECONDS
    is_short: bool = True

    def server(self) -> Any:
        """Make the server."""
        kind: Any = RawServer if isinstance(self.answers[0], bytes) else ScriptedServer
        return kind(*self.answers)

    def asking(self, url: str) -> Asking:
        """Make the request to a server."""
        asking = Asking(self.method, url + self.path, dict(self.headers), self.body, self.timeout)
        asking.extensions = {CONFINED: True} if self.confined else {}
        return asking


def told(case: Case, session: requests.Session) -> dict[str, Any]:
    """Give all that can be told of a case: by the server, by who asked, and by the session afterwards."""
    case.prepare(session)
    sender = Sender(session, is_retried=case.is_retried)
    with case.server() as server:
        answers = []
        for _ in range(case.times):
            answers.append(outcome(lambda: sender.exchange(case.asking(server.url))))
            case.between(session)
        found = {
            "asked": [(each.method, each.path, list(each.headers.items()), each.body) for each in server.asked],
            "answers": answers,
            "connections": len(server.connections),
            "cookies": [str(each) for each in session.cookies],
            "pools": _pools(session),
        }
        session.close()
        return dict(without_chance(found, server.url.rpartition(":")[2]))


def both(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell a case the short way and the long way."""
    return told(case, requests.Session()), told(case, LongSession())


def goes_short(case: Case, session: requests.Session) -> bool:
    """Tell whether a case goes the short way, whatever is answered; else nothing must have been sent."""
    case.prepare(session)
    with case.server() as server:
        try:
            was_sent = Shortcut(session).send(case.asking(server.url), case.timeout) is not None
        except (requests.RequestException, HTTPError):
            return True
        assert was_sent or not server.asked
        return was_sent


def outcome(ask: Callable[[], Any]) -> Any:
    """Give what came back, or what was raised."""
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is compared)
        return _chain(error)
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "date"]
    return answer.status_code, headers, answer.content, answer.reason


def _chain(error: BaseException) -> list[Any]:
    """Give an error, its cause, and urllib3's error in that, with what requests has with it."""
    found: list[Any] = [type(error), str(error)]
    cause = error.__cause__
    if cause is not None:
        inner = cause.args[0] if cause.args else None
        found += [type(cause), str(cause), type(inner), type(getattr(inner, "reason", None))]
        request = getattr(cause, "request", None)
        if request is not None:
            found += [request.method, request.url, list(request.headers.items()), request.body]
    return found


def _pools(session: requests.Session) -> list[Any]:
    pools: Any = [vars(adapter)["poolmanager"].pools for adapter in session.adapters.values() if vars(adapter)]
    each = [manager[key] for manager in pools for key in manager.keys()]  # noqa: SIM118  (no dict)
    return sorted(
        (pool.num_connections, pool.num_requests, pool.pool.qsize(), sum(conn is not None for conn in pool.pool.queue))
        for pool in each
    )


def without_chance(found: Any, port: str = "PORT") -> Any:
    """Take out what differs by chance: the server's port, and where objects lie."""
    if isinstance(found, str):
        return re.sub("0x[0-9a-f]+", "0x", found.replace(port, "PORT"))
    if isinstance(found, dict):
        return {name: without_chance(value, port) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return [without_chance(each, port) for each in found]
    return found


def recorder(original: Any, calls: list[Any]) -> Any:
    """Wrap a function or a property as instrumentation does, with its name and its module."""
    if isinstance(original, property):
        return property(recorder(original.fget, calls))

    @wraps(original)
    def recording(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return original(*arguments, **options)

    return recording
