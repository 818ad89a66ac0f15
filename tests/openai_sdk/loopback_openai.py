"""An OpenAI on this machine that answers by rule: what a request gets is decided by its body, mostly by `model`.

    with LoopbackOpenAI() as server:
        client = openai.OpenAI(api_key="k", base_url=server.base_url)

A model answers "You said: ..." with the last text of the user, except:
    err-400 err-401 err-404 err-429 err-500   that status, with an error as JSON
    html-500                                  500 with HTML
    flaky-500                                 500 at the odd attempts with one and the same body
    error-200, choices-null                   200 with {"error": ...}; with choices (output) null
    mid-error, mid-cut                        three pieces of a stream, then an error; then the end of the connection
    slow                                      waits for `release()`: before the answer, or after three pieces
    tools, bad-tools, custom-tool             calls of tools, until the last message is the result of one
    reasoning, refusal, length, json, azure, audio-out

As a program it prints its base_url and serves until its input ends.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from openai_sdk import openai_answers as answers
from openai_sdk import openai_chat as chat
from openai_sdk import openai_media as media
from openai_sdk import openai_responses as responses

POSTS: dict[str, Callable[[answers.Fields], answers.Reply]] = {
    "chat/completions": chat.chat,
    "completions": chat.completions,
    "embeddings": media.embeddings,
    "moderations": media.moderations,
    "responses/compact": responses.compact,
    "responses/input_tokens": responses.count,
    "images/generations": media.generated_images,
    "images/edits": media.edited_images,
    "images/variations": media.edited_images,
    "audio/transcriptions": media.transcriptions,
    "audio/translations": media.translations,
    "audio/speech": media.speech,
}
BELOW = re.compile(r"^/(?:v1|openai/deployments/(?P<deployment>[^/]+)|openai(?:/v1)?)/(?P<target>.+)$")


@dataclass(frozen=True)
class Received:
    """A request that arrived.

    Attributes:
        method: The HTTP method.
        path: The path, with its query.
        headers: The headers, their names in lower case.
        body: The parsed JSON, the bytes of a form, or None.
        fields: What the body says by name; of a form, files are bytes.
        released: Set when what hangs may go on.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    fields: answers.Fields
    released: threading.Event = field(repr=False)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of many threads that connect at once, none is turned away
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # clients that go away are a part of the tests
            super().handle_error(*_)  # type: ignore[arg-type]


class LoopbackOpenAI:
    """The server; a context manager. `requests` has all that arrived, in order."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._lock = threading.Lock()
        self._attempts: Counter[str] = Counter()
        self._responses = responses.Responses()
        self._released = threading.Event()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens; what Azure calls its endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        """What a client of OpenAI takes as its base_url."""
        return f"{self.url}/v1"

    def __enter__(self) -> LoopbackOpenAI:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self.release()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let all answers go on that hang at this moment: those to what is in `requests`."""
        with self._lock:
            self._released.set()
            self._released = threading.Event()

    def _receive(self, method: str, path: str, headers: Mapping[str, str], octets: bytes) -> Received:
        body, fields = _read(headers.get("content-type", ""), octets)
        with self._lock:
            received = Received(method, path, headers, body, fields, self._released)
            self.requests.append(received)
        return received

    def _reply(self, received: Received) -> answers.Reply:
        url = urlsplit(received.path)
        found = BELOW.match(url.path)
        target = unquote(found["target"]) if found else ""
        fields = {"model": found["deployment"] or "" if found else "", **received.fields}
        model = str(fields["model"])
        if received.method == "POST":
            reply = answers.refused(model, self._attempt(received)) or self._post(target, fields)
        else:
            reply = self._get(target, dict(parse_qsl(url.query)))
        return answers.with_fault(model, reply)

    def _attempt(self, received: Received) -> int:
        """Count how often the same was asked for."""
        key = f"{received.path} {received.fields.get('stream')} {answers.digest(received.fields)}"
        with self._lock:
            self._attempts[key] += 1
            return self._attempts[key]

    def _post(self, target: str, fields: answers.Fields) -> answers.Reply:
        if target in POSTS:
            return POSTS[target](fields)
        if target == "responses":
            return self._responses.create(fields)
        cancelled = re.fullmatch("responses/([^/]+)/cancel", target)
        return self._responses.cancel(cancelled.group(1)) if cancelled else _nowhere(target)

    def _get(self, target: str, query: Mapping[str, str]) -> answers.Reply:
        kind, _, name = target.partition("/")
        if kind == "models":
            return media.model(name) if name else media.models()
        return self._responses.retrieve(name, query) if kind == "responses" and name else _nowhere(target)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body go out together

            def setup(self) -> None:
                super().setup()
                with outer._lock:
                    outer._connections.add(self.connection)

            def finish(self) -> None:
                with outer._lock:
                    outer._connections.discard(self.connection)
                super().finish()

            def answer(self) -> None:
                octets = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = outer._receive(self.command, self.path, headers, octets)
                reply = outer._reply(received)
                try:
                    _Writer(self, received).write(reply)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  (http.server's names)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class _Writer:
    """Writes one reply to a connection."""

    def __init__(self, handler: BaseHTTPRequestHandler, received: Received) -> None:
        self._handler = handler
        self._received = received

    def write(self, reply: answers.Reply) -> None:
        """Write head and parts, with the faults between them."""
        parts = list(reply.parts)
        if parts[0] is answers.Fault.HANG:
            self._received.released.wait()
            del parts[0]
        self._head(replace(reply, parts=parts))
        for part in parts:
            if part is answers.Fault.HANG:
                self._received.released.wait()
            elif part is answers.Fault.CUT:
                self._handler.close_connection = True
                return
            elif isinstance(part, bytes):
                self._part(part, chunked=reply.chunked)
        if reply.chunked:
            self._handler.wfile.write(b"0\r\n\r\n")

    def _head(self, reply: answers.Reply) -> None:
        handler = self._handler
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.content_type)
        handler.send_header("x-request-id", f"req_{answers.digest(self._received.fields)}")
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        if reply.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header(
                "Content-Length", str(sum(len(part) for part in reply.parts if isinstance(part, bytes)))
            )
        handler.end_headers()

    def _part(self, part: bytes, *, chunked: bool) -> None:
        if chunked:
            part = b"%x\r\n%s\r\n" % (len(part), part)
        self._handler.wfile.write(part)
        self._handler.wfile.flush()


def _read(content_type: str, octets: bytes) -> tuple[Any, answers.Fields]:
    """Give the body, and its fields by name."""
    if content_type.startswith("multipart/"):
        form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + octets)
        return octets, dict(_field(part) for part in form.get_payload())
    body = json.loads(octets) if octets else None
    return body, body if isinstance(body, dict) else {}


def _field(part: Any) -> tuple[str, str | bytes]:
    name = part.get_param("name", header="content-disposition")
    octets = part.get_payload(decode=True)
    return name, octets if part.get_filename() else octets.decode()


def _nowhere(target: str) -> answers.Reply:
    return answers.error_reply(404, f"Invalid URL ({target})", "invalid_request_error")


def main() -> None:
    """Serve until the input ends."""
    with LoopbackOpenAI() as server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
