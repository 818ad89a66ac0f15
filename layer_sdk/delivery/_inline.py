"""Delivery on the caller's thread, for batch jobs and tests: when a call returns, the server has answered."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Callable
from uuid import UUID

from layer_sdk import _fork, schemas
from layer_sdk._drafts import built_of
from layer_sdk._ids import id_of
from layer_sdk._log import swallow, warn
from layer_sdk.exceptions import LayerHTTPError, LayerSDKException

from ._stats import Stats, reason

if TYPE_CHECKING:
    from layer_sdk._ids import Session
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._carrier import Wire
    from ._record import Build

CONFLICT = 409
MAX_RENAMED = 10_000


class _Turn(threading.local):
    """What one thread has to send.

    Signal handlers, and generators that the garbage collector closes, record wherever the thread stands. Where that is
    inside of a sending, with locks held that are not ours, what they record has its turn when the sending is over.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[str, Callable[[], None]]] = deque()
        self.is_sending = False


class InlineDelivery:
    """A `Sink` that sends what it is given before it returns, and counts what could not be sent.

    Args:
        wire: Says it to Layer.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._stats = Stats()
        self._turn = _Turn()
        self._lock = _fork.Lock()
        self._renamed: dict[UUID, UUID] = {}

    def open_session(self, request: SessionRequest) -> None:
        """Create the session now."""
        self._send("session", lambda: self._create(request))

    def append(self, session_id: UUID, request: SessionActionRequest, size: int | None = None) -> None:  # noqa: ARG002  (the signature of a Sink)
        """Append the action now."""
        self._send("action", lambda: self._wire.append_action(self.name_of(session_id), request))

    def append_later(self, session: Session, size: int, build: Build, *, opens: bool = False, counts: int = 1) -> None:  # noqa: ARG002  (the signature of a Sink)
        """Build it and send it now."""
        session_id, built = id_of(session), built_of(build, counts)
        for request in built.requests:
            if isinstance(request, schemas.SessionRequest):
                self.open_session(request)
            else:
                self.append(session_id, request)
        for why in built.discarded:
            self.discard(session_id, why)

    def discard(self, session_id: UUID, reason: str) -> None:  # noqa: ARG002  (the signature of a Sink)
        """Count an action that is not to be sent."""
        self._stats.discard(reason)

    def has_waiting(self, session_id: UUID) -> bool:  # noqa: ARG002  (the signature of a Sink)
        """Nothing waits, but an explicit call is a sending as well, during which others have to wait."""
        return True

    def call(self, session_id: UUID, request: SessionRequest | SessionActionRequest) -> UUID:
        """Send now; what goes wrong is raised."""
        turn = self._turn
        was_sending, turn.is_sending = turn.is_sending, True
        try:
            return self._say(session_id, request)
        finally:
            turn.is_sending = was_sending
            self._send_waiting()

    def _say(self, session_id: UUID, request: SessionRequest | SessionActionRequest) -> UUID:
        if isinstance(request, schemas.SessionRequest):
            return self._wire.create_session(request)
        self._wire.append_action(self.name_of(session_id), request)
        return session_id

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""
        return self._renamed.get(session_id, session_id)

    def flush(self, timeout: float | None = None) -> bool:  # noqa: ARG002  (the signature of a Sink)
        """Nothing waits."""
        return True

    def close(self, timeout: float | None = None) -> None:
        """Nothing runs."""

    def stats(self) -> dict[str, Any]:
        """Account for every record."""
        return self._stats.snapshot()

    def _send(self, what: str, send: Callable[[], None]) -> None:
        _fork.check()
        self._turn.waiting.append((what, send))
        self._send_waiting()

    def _send_waiting(self) -> None:
        turn = self._turn
        while turn.waiting and not turn.is_sending:
            turn.is_sending = True
            try:
                while turn.waiting:
                    self._deliver(*turn.waiting.popleft())
            finally:
                turn.is_sending = False

    def _deliver(self, what: str, send: Callable[[], None]) -> None:
        try:
            with self._stats.sending():
                send()
        except LayerSDKException as error:
            warn("A recorded %s did not reach Layer: %s", what, reason(error))
        except Exception as error:  # noqa: BLE001  (the host comes first)
            swallow(f"sending a recorded {what}", error)

    def _create(self, request: SessionRequest) -> None:
        chosen = request.session_id
        try:
            given = self._wire.create_session(request)
        except LayerHTTPError as error:
            if error.status_code != CONFLICT:
                raise
            return  # the session is there: made by another process, or by an attempt whose answer was lost
        if isinstance(chosen, UUID) and given != chosen:
            self._rename(chosen, given)

    def _rename(self, chosen: UUID, given: UUID) -> None:
        with self._lock:
            self._renamed[chosen] = given
            if len(self._renamed) > MAX_RENAMED:
                del self._renamed[next(iter(self._renamed))]
