"""What delivery takes: the processor beside that of bare posts of the same bytes, and actions a second.

A script: run with the address of a sink, it prints rows as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any, Callable, NamedTuple
from uuid import UUID

import requests
from figures import Row, spread

from layer_api.api.sessions import append_action
from layer_sdk import Layer
from layer_sdk.schemas import SessionActionRequest

CALLS = 200
TURNS = 12
SESSIONS, ACTIONS = 200, 100
RUNS = 6  # of which the first has all to load and to learn
DATA = {"messages": [{"role": "user", "content": ("Where is my order? " * 56)[:1024]}]}
ACTION: dict[str, Any] = {"kind": "completion_prompt", "attributes": {"model.id": "gpt-4o-mini"}, "data": DATA}


class Post(NamedTuple):
    """A request as it went out."""

    url: str
    headers: dict[str, str]
    body: bytes


class Keeping(requests.Session):
    """Keeps what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[Post] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Keep, and send."""
        body = request.body or b""
        self.posts.append(
            Post(str(request.url), dict(request.headers), body.encode() if isinstance(body, str) else bytes(body))
        )
        return super().send(request, **options)


class Ways:
    """The ways to make one request, and bare posts of the same bytes.

    Args:
        sink: Where they go.
    """

    def __init__(self, sink: str) -> None:
        keeping, self._bare = Keeping(), requests.Session()
        self._layer = started(sink)
        model = SessionActionRequest.from_dict({**ACTION, "start_time": MOMENT, "end_time": MOMENT})
        self._session_id = UUID(self._layer.create_session())
        raw = self._layer.raw
        self.named: dict[str, Callable[[], object]] = {
            "append_action": lambda: self._layer.append_action(self._session_id, **ACTION),
            "generated client": lambda: append_action.sync_detailed(self._session_id, client=raw, body=model),
            "background, a session each": self._record,
        }
        watched = started(sink, http_session=keeping)
        first = watched.create_session(wait=False)
        watched.append_action(first, **ACTION, wait=False)
        watched.flush()
        watched.append_action(first, **ACTION)
        watched.shutdown()
        create, append = keeping.posts
        self.posts = {name: create if name.startswith("background") else append for name in self.named}

    def _record(self) -> None:
        session_id = self._layer.create_session(wait=False)
        self._layer.append_action(session_id, **ACTION, wait=False)

    def cpu(self, name: str) -> float:
        """Make some requests; microseconds of the processor for each."""
        call, began = self.named[name], time.process_time()
        for _ in range(CALLS):
            call()
        self._layer.flush()
        return (time.process_time() - began) / CALLS * 1e6

    def cpu_bare(self, name: str) -> float:
        """Post the same bytes as often."""
        post, began = self.posts[name], time.process_time()
        for _ in range(CALLS):
            self._bare.post(post.url, data=post.body, headers=post.headers)
        return (time.process_time() - began) / CALLS * 1e6


MOMENT = "2026-03-02T09:30:00.000000Z"


def started(sink: str, **options: Any) -> Layer:
    """Start a Layer of its own."""
    mine = Layer()
    mine.init(base_url=f"{sink}/throughput", application_id="bench", max_queue_bytes=1 << 30, **options)
    return mine


def beside_bare(sink: str) -> list[Row]:
    """Take blocks in turns."""
    ways = Ways(sink)
    rows = []
    for name in ways.named:
        ways.cpu(name), ways.cpu_bare(name)
        pairs = [(ways.cpu(name), ways.cpu_bare(name)) for _ in range(TURNS)]
        rows.append(
            {
                "way": name,
                "cpu": statistics.median(cpu for cpu, _ in pairs),
                "bare": statistics.median(bare for _, bare in pairs),
                "ratio": spread([cpu / bare for cpu, bare in pairs]),
            }
        )
    return rows


def rate(sink: str) -> Row:
    """Record many actions in sessions that may travel whole; actions a second until the last has arrived."""
    mine, rates = started(sink), []
    for _ in range(RUNS):
        began = time.perf_counter()
        for _ in range(SESSIONS):
            session_id = mine.create_session(wait=False)
            for _ in range(ACTIONS):
                mine.append_action(session_id, **ACTION, wait=False)
        mine.flush()
        rates.append(SESSIONS * ACTIONS / (time.perf_counter() - began))
    sent = mine.stats()["sent"]
    made = RUNS * SESSIONS
    # All that was sent before went out twice, bare as well, and one of each as a sample.
    before = 2 * 3 * CALLS * (TURNS + 1) + 2
    actions = before + made * ACTIONS
    return {"way": "rate", "rates": rates[1:], "sent": sent, "made": made * (ACTIONS + 1), "actions": actions}


if __name__ == "__main__":
    print(json.dumps([*beside_bare(sys.argv[1]), rate(sys.argv[1])]))
