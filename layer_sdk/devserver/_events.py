"""Who watches is told that something was recorded (server-sent events), and then looks for itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, AsyncIterator

from starlette.responses import StreamingResponse
from starlette.routing import Route

from ._problems import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

_MOST_WATCHERS = 100
_PAUSE = 0.3
_HEARTBEAT = 10.0
# What the page of requests watches in place of a session, see requests.html.
_REQUESTS = "requests"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}


@dataclass(eq=False)
class _Watcher:
    """One open page. It is told that something changed, never what: so nothing piles up for one that is slow."""

    session_id: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Tells open pages of changes."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()
        self._changes = 0
        self._is_closed = False

    def routes(self) -> list[Route]:
        """The route of the events."""
        return [Route("/dev/events", self._events)]

    def tell(self, session_id: str) -> None:
        """Tell who watches all sessions, or this one, that something was recorded in it."""
        self._tell("", session_id)

    def tell_of_request(self) -> None:
        """Tell who watches the requests that there is one more."""
        self._tell(_REQUESTS)

    def _tell(self, *watched: str) -> None:
        self._changes += 1
        for watcher in self._watchers:
            if watcher.session_id in watched:
                watcher.changed.set()

    def close(self) -> None:
        """End all streams, so that a server that stops need not wait for pages that stay open."""
        self._is_closed = True
        for watcher in self._watchers:
            watcher.changed.set()

    async def _events(self, request: Request) -> StreamingResponse:
        if len(self._watchers) >= _MOST_WATCHERS or self._is_closed:
            raise Refusal(503, "Too many pages are open; close some.", headers={"Retry-After": "10"})
        watcher = _Watcher(request.query_params.get("session", "").lower())
        return StreamingResponse(self._stream(request, watcher), 200, _HEADERS, "text/event-stream")

    async def _stream(self, request: Request, watcher: _Watcher) -> AsyncIterator[bytes]:
        self._watchers.add(watcher)
        try:
            # The first event tells a page that came back that it may have missed something.
            yield b"retry: 2000\n" + self._event("hello")
            while not (self._is_closed or await request.is_disconnected()):
                try:
                    await asyncio.wait_for(watcher.changed.wait(), _HEARTBEAT)
                except asyncio.TimeoutError:
                    yield b": still here\n\n"
                    continue
                watcher.changed.clear()
                yield self._event("change")
                await asyncio.sleep(_PAUSE)
        finally:
            self._watchers.discard(watcher)

    def _event(self, name: str) -> bytes:
        return f"event: {name}\ndata: {self._changes}\n\n".encode("ascii")
