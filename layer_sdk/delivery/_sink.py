"""What recording expects of whatever delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk._ids import Session
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._record import Build


class Sink(Protocol):
    """Takes what was recorded and sees to it that it reaches Layer. No method raises for what goes wrong on the way.

    What is handed over belongs to the sink: nobody else keeps a reference that could change it.
    """

    def open_session(self, request: SessionRequest) -> None:
        """Take a session that was begun; `request.session_id` is set."""

    def append(self, session_id: UUID, request: SessionActionRequest, size: int | None = None) -> None:
        """Take an action of a session that was handed over before, here or in another process.

        Args:
            session_id: The session.
            request: The action.
            size: How many bytes of memory its contents take, if they were weighed already.
        """

    def append_later(self, session: Session, size: int, build: Build, *, opens: bool = False, counts: int = 1) -> None:
        """Take what happened in a session, or that it began, to be put into words off the host's thread.

        Whoever calls it has asked `_fork.check` since the process began.

        Args:
            session: The session, which need not have an id yet.
            size: About how many bytes of memory it takes until then.
            build: Gives the requests; called once at most, on any thread. What it holds on to must not change.
            opens: Whether it gives the session's beginning.
            counts: How many sessions and actions it most likely gives.
        """

    def discard(self, session_id: UUID, reason: str) -> None:
        """Count an action that is not to be sent."""

    def has_waiting(self, session_id: UUID) -> bool:
        """Tell whether something of a session is on its way, so that an explicit call has to queue behind it."""

    def call(self, session_id: UUID, request: SessionRequest | SessionActionRequest) -> UUID:
        """Send behind what waits and return when it was answered; what goes wrong is raised."""

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything handed over before the call has found its end; False if time ran out, in seconds."""

    def close(self, timeout: float | None = None) -> None:
        """Flush and stop."""

    def stats(self) -> dict[str, Any]:
        """Account for every record; see `Stats`."""
