"""The servers that the benchmarks talk to: a fake OpenAI, a sink that takes the telemetry of every peer, and a hole.

Each runs in a process of its own (`python servers.py openai`, `sink` or `hole`), prints its address and ends when its
standard input is closed. They read no more of a request than they must, so that they do not set the pace.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import socket
import struct
import subprocess
import sys
import urllib.request
from collections import Counter, defaultdict
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NamedTuple

from environments import interpreter
from records import plain, records_in

CHUNKS = 50
DIMENSIONS = 1536
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"transfer-encoding: *chunked", re.IGNORECASE)
SESSION_ID = re.compile(rb'"session_id": ?"([^"]+)"')
STREAM = re.compile(rb'"stream": ?true')
SESSION = b"6a0f5f0e-8a0c-5d0a-9a52-3c1c1c1c1c1c"


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
        if CHUNKED.search(head):
            body, whole = unchunked(self._received, end)
        else:
            length = LENGTH.search(head)
            whole = end + (int(length[1]) if length else 0)
            body = bytes(self._received[end:whole])
        if not whole or len(self._received) < whole:
            return None
        del self._received[:whole]
        return Request(head.split(b" ", 2)[1].decode(), head, body)


def unchunked(received: bytearray, at: int) -> tuple[bytes, int]:
    """Read a body that comes in chunks; it, and where it ends, or 0 where the end is not there yet."""
    parts = []
    while (line := received.find(b"\r\n", at)) >= 0:
        size = int(received[at:line], 16)
        parts.append(bytes(received[line + 2 : line + 2 + size]))
        at = line + 2 + size + 2
        if size == 0:
            return b"".join(parts), at
    return b"", 0


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
    return head + b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in [*events(), b""])


def events() -> list[bytes]:
    """Write the events of a streamed answer."""
    deltas = [{"role": "assistant", "content": ""}, *[{"content": " and then"}] * (CHUNKS - 2), {}]
    texts = [json.dumps(chunk(delta)) for delta in deltas] + ["[DONE]"]
    return [f"data: {text}\n\n".encode() for text in texts]


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


# What LangSmith's server says of itself when it is asked: that it takes runs in zstd, and in which batches.
LANGSMITH = {
    "version": "0.13.0",
    "instance_flags": {"zstd_compression_enabled": True},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": 100,
        "size_limit_bytes": 20971520,
    },
}
LOGFIRE = {"project_name": "bench", "project_url": "http://127.0.0.1/bench"}


class Sink:
    """Takes what the peers send, each under a path of its own; counts when it is asked, not while one measures."""

    def __init__(self) -> None:
        self._taken: dict[str, list[Request]] = defaultdict(list)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def __call__(self, request: Request) -> bytes:
        """Say to each peer what it hopes to hear."""
        if request.path == "/counts":
            return answer_of("200 OK", json.dumps(self._count()).encode())
        # Logfire puts its paths after the host, whatever path it was given.
        path = request.path.replace("/v1/", "/logfire/v1/", 1) if request.path.startswith("/v1/") else request.path
        peer, _, path = path.lstrip("/").partition("/")
        self._taken[peer].append(request._replace(path=path))
        if path == "v1/sessions":
            found = SESSION_ID.search(request.body)
            # Whoever chooses no id is given one; any will do.
            return answer_of("201 Created", b'{"session_id": "%s"}' % (found[1] if found else SESSION))
        if path.startswith("v1/sessions/"):
            return answer_of("202 Accepted")
        if path.endswith(("v1/traces", "v1/metrics", "v1/logs")):
            return answer_of("200 OK", kind="application/x-protobuf")
        if path.endswith("/info"):
            return answer_of("200 OK", json.dumps(LOGFIRE if peer == "logfire" else LANGSMITH).encode())
        return answer_of("200 OK", b"{}")

    def _count(self) -> dict[str, Counter[str]]:
        for peer, requests in self._taken.items():
            for path, head, body in requests:
                self._counts[peer].update(requests=1, bytes=len(head) + len(body))
                self._counts[peer].update(records_in(path, plain(head, body)))
            requests.clear()
        return self._counts


def hole(_request: Request) -> bytes:
    """Take a request, and never answer."""
    return b""


async def serve(answer: Callable[[Request], bytes]) -> None:
    """Listen on a free port, say which, and end with the standard input."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer), "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


@contextmanager
def running(name: str) -> Iterator[str]:
    """Run one of the servers in a process of its own; its address."""
    command = [interpreter("servers"), __file__, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


@contextmanager
def nobody() -> Iterator[str]:
    """Give an address that refuses connections."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


def counted(sink_url: str) -> dict[str, Counter[str]]:
    """Have the sink count what it has got by now."""
    with urllib.request.urlopen(f"{sink_url}/counts") as answer:  # noqa: S310 (a server of this script)
        return {peer: Counter(counts) for peer, counts in json.load(answer).items()}


if __name__ == "__main__":
    answers: dict[str, Callable[[Request], bytes]] = {"openai": OpenAI(), "sink": Sink(), "hole": hole}
    asyncio.run(serve(answers[sys.argv[1]]))
