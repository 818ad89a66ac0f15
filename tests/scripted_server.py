"""A real HTTP server that answers as a test tells it to and remembers what it was asked."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping

from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True)
class Answer:
    """What to answer with.

    Attributes:
        status: The HTTP status.
        body: The body, as it goes over the wire.
        headers: The headers; Content-Length is added unless it is there.
        delay: Seconds to wait before answering.
        cut: Close the connection instead of answering.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """A request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client: tuple[str, int]


SESSION = "2ed6657d-e927-568b-95e1-2665a8aea6a2"
CREATED = Answer(201, b'{"session_id": "%s"}' % SESSION.encode(), {"Content-Type": "application/json"})
ACCEPTED = Answer(202)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of many threads that connect at once, none is turned away
    daemon_threads = True


class ScriptedServer:
    """Answers the requests one after the other with `answers`, the last one again and again.

    Args:
        answers: Answers in order, or one function from the request to its answer.
    """

    def __init__(self, *answers: Answer | Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self.connections: set[tuple[str, int]] = set()
        self._answers = list(answers)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _next(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            self.connections.add(asked.client)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer if isinstance(answer, Answer) else answer(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are written one after the other

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(
                    self.command, self.path, CaseInsensitiveDict(self.headers.items()), body, self.client_address
                )
                answer = outer._next(asked)
                end = time.monotonic() + answer.delay
                while time.monotonic() < end and not outer._stopping.wait(0.02):
                    pass
                if answer.cut:
                    self.close_connection = True
                    return
                with suppress(OSError):
                    self._write(answer)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  (http.server's names)

            def _write(self, answer: Answer) -> None:
                headers = dict(answer.headers)
                (self.send_response_only if "Date" in headers else self.send_response)(answer.status)
                if not {"content-length", "transfer-encoding"} & {name.lower() for name in headers}:
                    headers["Content-Length"] = str(len(answer.body))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
