"""The two servers that the benchmarks talk to: a fake OpenAI, and a sink that takes the telemetry of every peer.

Each runs in a process of its own (`python servers.py openai`, or `sink`), prints its address and ends when its standard
input is closed. They read no more of a request than they must, so that they do not set the pace.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
import re
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NamedTuple

from records import records_in

CHUNKS = 50
DIMENSIONS = 1536
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
GZIP = re.compile(rb"content-encoding: *gzip", re.IGNORECASE)
SESSION_ID = re.compile(rb'"session_id": ?"([^"]+)"')
STREAM = re.compile(rb'"stream": ?true')


class Request(NamedTuple):
    """What the servers know of a request."""

    path: str
    head: bytes
    body: bytes


class Connection(asyncio.Protocol):
    """Whole requests in, prepared bytes out."""

    def __init__(self, answer: Callable[[Request], bytes]) -> None:
        self._answer = answer
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (request := self._next()) is not None:
            self._transport.write(self._answer(request))

    def _next(self) -> Request | None:
        end = self._received.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        head = bytes(self._received[:end])
        length = LENGTH.search(head)
        whole = end + (int(length[1]) if length else 0)
        if len(self._received) < whole:
            return None
        body = bytes(self._received[end:whole])
        del self._received[:whole]
        return Request(head.split(b" ", 2)[1].decode(), head, body)


def answer_of(status: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """Write an answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class OpenAI:
    """Answers at once, always the same."""

    def __init__(self) -> None:
        self._chat = answer_of("200 OK", json.dumps(chat()).encode())
        self._stream = stream()
        self._embeddings = answer_of("200 OK", json.dumps(embeddings()).encode())

    def __call__(self, request: Request) -> bytes:
        """Choose by path, and by whether a stream is wanted."""
        if request.path.endswith("/embeddings"):
            return self._embeddings
        return self._stream if STREAM.search(request.body) else self._chat


def chat() -> dict[str, Any]:
    """Write the answer of a chat: a thousand characters or so."""
    message = {"role": "assistant", "content": "Your order left our warehouse this morning. " * 24, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 230, "completion_tokens": 210, "total_tokens": 440}
    return {**about("chat.completion"), "choices": [choice], "usage": usage}


def about(kind: str) -> dict[str, Any]:
    """Write what answers and chunks begin with."""
    return {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": kind,
        "created": 1772443800,
        "model": "gpt-4o-mini",
    }


def stream() -> bytes:
    """Write a streamed answer, each event an HTTP chunk."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    deltas = [{"role": "assistant", "content": ""}, *[{"content": " and then"}] * (CHUNKS - 2), {}]
    events = [json.dumps(chunk(delta)) for delta in deltas] + ["[DONE]"]
    parts = [f"data: {event}\n\n".encode() for event in events]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


def chunk(delta: dict[str, str]) -> dict[str, Any]:
    """Write one chunk; the one that adds nothing is the last."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if delta else "stop"}
    return {**about("chat.completion.chunk"), "choices": [choice]}


def embeddings() -> dict[str, Any]:
    """Write an embedding as the client asks for it, in base64."""
    chance = random.Random(7)  # noqa: S311 (numbers to fill a vector with)
    vector = struct.pack(f"<{DIMENSIONS}f", *[chance.uniform(-0.1, 0.1) for _ in range(DIMENSIONS)])
    item = {"object": "embedding", "index": 0, "embedding": base64.b64encode(vector).decode()}
    usage = {"prompt_tokens": 230, "total_tokens": 230}
    return {"object": "list", "data": [item], "model": "text-embedding-3-small", "usage": usage}


class Sink:
    """Takes what the peers send, each under a path of its own; counts when it is asked, not while one measures."""

    def __init__(self) -> None:
        self._taken: dict[str, list[Request]] = defaultdict(list)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def __call__(self, request: Request) -> bytes:
        """Say to each peer what it hopes to hear."""
        if request.path == "/counts":
            return answer_of("200 OK", json.dumps(self._count()).encode())
        peer, _, path = request.path.lstrip("/").partition("/")
        self._taken[peer].append(request._replace(path=path))
        if path == "v1/sessions":
            found = SESSION_ID.search(request.body)
            return answer_of("201 Created", b'{"session_id": "%s"}' % found[1] if found else b"{}")
        if path.startswith("v1/sessions/"):
            return answer_of("202 Accepted")
        if path.endswith("v1/traces"):
            return answer_of("200 OK", kind="application/x-protobuf")
        if path.endswith("api/public/ingestion"):
            return answer_of("207 Multi-Status", b'{"successes": [], "errors": []}')
        return answer_of("404 Not Found", b"{}")

    def _count(self) -> dict[str, Counter[str]]:
        for peer, requests in self._taken.items():
            for _, head, body in requests:
                self._counts[peer].update(requests=1, bytes=len(head) + len(body))
            for path, head, body in requests:
                self._counts[peer].update(records_in(path, gzip.decompress(body) if GZIP.search(head) else body))
            requests.clear()
        return self._counts


async def serve(answer: Callable[[Request], bytes]) -> None:
    """Listen on a free port, say which, and end with the standard input."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


@contextmanager
def running(name: str) -> Iterator[str]:
    """Run one of the servers in a process of its own; its address."""
    command = [sys.executable, __file__, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


if __name__ == "__main__":
    asyncio.run(serve(OpenAI() if sys.argv[1] == "openai" else Sink()))
