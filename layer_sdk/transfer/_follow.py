"""What arrives at an embedded Layer, as it arrives: when the server says so, or by looking now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple

from ._canonical import value_of
from ._source import UnreachableError

if TYPE_CHECKING:
    from ._canonical import Members
    from ._source import Source

BETWEEN_LOOKS = 0.5
BETWEEN_ATTEMPTS = 2.0


class Arrival(NamedTuple):
    """A session that is new, or an action of one.

    Attributes:
        session_id: The session's id.
        session: The session, without its actions.
        action: The action, or None where the session itself is new.
    """

    session_id: str
    session: Members
    action: Members | None


class Follow:
    """Follows an embedded Layer.

    Args:
        source: The embedded Layer.
        session_id: The one session to follow; by default all.
    """

    def __init__(self, source: Source, session_id: str | None = None) -> None:
        self._source = source
        self._only = session_id and session_id.lower()
        # By session, how many of its actions were seen.
        self._seen: dict[str, int] = {}
        self._totals = (0, 0)

    def skip(self) -> None:
        """Take what is there already as seen."""
        self._totals = self._source.totals()
        for session in self._source.newest():
            self._seen[_id(session)] = int(session.get("action_count"))

    def look(self) -> Iterator[Arrival]:
        """Give what arrived since the last look, session by session, oldest first."""
        totals = self._source.totals()
        if totals == self._totals:
            return
        if totals < self._totals:
            self._seen.clear()  # another database than before
        self._totals = totals
        for session in reversed(self._changed(sum(totals) - sum(self._seen.values()) - len(self._seen))):
            yield from self._arrived(session)

    def run(self, on_trouble: Callable[[str], object]) -> Iterator[Arrival]:
        """Give what arrives, without end; an embedded Layer that goes away is waited for.

        Args:
            on_trouble: Called with what is wrong when the embedded Layer is away, and with "" when it is back.
        """
        is_away = False
        while True:
            try:
                for _ in self._source.changes(BETWEEN_LOOKS):
                    yield from self.look()
                    if is_away:
                        is_away = False
                        on_trouble("")
            except UnreachableError as error:
                if not is_away:
                    is_away = True
                    on_trouble(str(error))
            time.sleep(BETWEEN_ATTEMPTS if is_away else BETWEEN_LOOKS)

    def _changed(self, missing: int) -> list[Members]:
        """Find the sessions with something new, newest first, until all that is new is found."""
        found = []
        for session in self._source.newest():
            if missing <= 0:
                break
            before = self._seen.get(_id(session), -1)
            news = int(session.get("action_count")) - before
            if news > 0:
                found.append(session)
                missing -= news
        return found

    def _arrived(self, session: Members) -> Iterator[Arrival]:
        session_id, count = _id(session), int(session.get("action_count"))
        is_told = self._only in (None, session_id)
        before = self._seen.get(session_id, -1)
        if before < 0 and is_told:
            yield Arrival(session_id, session, None)
        self._seen[session_id] = max(before, 0)
        if is_told:
            for number, action in enumerate(
                self._source.actions(session_id, max(before, 0), count), max(before, 0) + 1
            ):
                yield Arrival(session_id, session, action)
                self._seen[session_id] = number
        self._seen[session_id] = count


def _id(session: Members) -> str:
    return str(value_of(session.get("session_id")))
