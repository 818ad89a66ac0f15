"""A loopback OpenAI whose answers leave in one piece: how much of one has come at some moment is no matter of luck."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai_sdk.loopback_openai import LoopbackOpenAI
from openai_sdk.openai_responses import Responses

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler


class SteadyOpenAI(LoopbackOpenAI):
    """The server. What hangs in the middle of an answer has sent what comes before."""

    def forget(self) -> None:
        """Be as if nothing had been asked."""
        self.release()
        with self._lock:
            self.requests.clear()
            self._attempts.clear()
            self._responses = Responses()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer, base = self, super()._handler()

        class Handler(base):  # type: ignore[misc, valid-type]
            def answer(self) -> None:
                before = len(outer.requests)
                self.wfile: Any = _Patient(self.wfile, lambda: _is_slow(outer, before))
                try:
                    super().answer()
                finally:
                    self.wfile = self.wfile.inner

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  (http.server's names)

        return Handler


class _Patient:
    """A file that is flushed when all was written."""

    def __init__(self, inner: Any, is_hasty: Any) -> None:
        self.inner = inner
        self._is_hasty = is_hasty

    def write(self, octets: bytes) -> int:
        return int(self.inner.write(octets))

    def flush(self) -> None:
        if self._is_hasty():
            self.inner.flush()


def _is_slow(server: LoopbackOpenAI, before: int) -> bool:
    return any(received.fields.get("model") == "slow" for received in server.requests[before:])
