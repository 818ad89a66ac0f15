"""What an embedded Layer has, read over its /dev addresses, a piece at a time."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterator, NamedTuple

import requests
from dateutil.parser import isoparse

from ._canonical import Members, NotJsonError, read, value_of
from ._lines import action_line, header_line, session_line

if TYPE_CHECKING:
    from ._canonical import Node

PATIENCE = 30.0
SESSIONS = 200
# How much one answer should hold: more actions are asked for at once where they are small.
WANTED = 1024 * 1024
MOST_ACTIONS = 500
# What the API takes of a session; everything else the server made.
TAKEN = ("application_id", "attributes", "end_time", "session_id", "start_time")


class SourceError(RuntimeError):
    """The embedded Layer does not give what it has; the message says why and what to do."""


class UnreachableError(SourceError):
    """It does not answer at all."""


class Wanted(NamedTuple):
    """Which sessions; all by default.

    Attributes:
        ids: Their ids, where they were named.
        application: The application that they belong to.
        since: The moment from which on they began.
        until: The moment before which they began.
    """

    ids: Collection[str] = ()
    application: str | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None


class Found(NamedTuple):
    """A session, in short."""

    session_id: str
    actions: int


class Source:
    """An embedded Layer that is read from.

    Args:
        url: Where it answers.
        token: What it asks for, where it does.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def find(self, wanted: Wanted) -> list[Found]:
        """Find the sessions that are wanted, oldest first.

        Raises:
            SourceError: If it does not tell, or does not know one that was named.
        """
        if wanted.ids:
            return [self._named(each) for each in dict.fromkeys(each.lower() for each in wanted.ids)]
        found: dict[str, int] = {}
        for session in self.newest():
            if _is_wanted(session, wanted):
                # One that is created meanwhile moves the others along, so that some are seen twice.
                found.setdefault(_text(session, "session_id"), int(session.get("action_count")))
        return [Found(*each) for each in reversed(list(found.items()))]

    def newest(self, limit: int | None = None) -> Iterator[Members]:
        """Give the sessions without their actions, newest first."""
        offset, size = 0, min(limit or SESSIONS, SESSIONS)
        while limit is None or offset < limit:
            page = self._get("", limit=size, offset=offset).get("sessions")
            yield from page
            offset += size
            if len(page) < size:
                return

    def totals(self) -> tuple[int, int]:
        """Give how many sessions and how many actions there are."""
        page = self._get("", limit=0, offset=0)
        return int(page.get("session_total")), int(page.get("action_total"))

    def changes(self, interval: float) -> Iterator[None]:
        """Go on whenever something may have been recorded, at first at once; until the embedded Layer ends it.

        Args:
            interval: Seconds from one to the next, where the embedded Layer is one that does not tell.
        """
        try:
            with self._session.get(f"{self._url}/dev/events", stream=True, timeout=PATIENCE) as events:
                if events.status_code == 200:
                    # Every ten seconds a comment comes, so silence means that nobody is there.
                    yield from (None for line in events.iter_lines(chunk_size=1) if line.startswith(b"event:"))
                    return
        except requests.RequestException as error:
            raise self._silent(error) from error
        while True:
            yield
            time.sleep(interval)

    def session(self, session_id: str) -> Members:
        """Give one session, without its actions."""
        about = self._get(f"/{session_id}", limit=0, offset=0)
        return Members([(name, value) for name, value in about if name != "actions"])

    def actions(self, session_id: str, first: int, last: int) -> Iterator[Members]:
        """Give the actions of a session as they were received, from a position up to another."""
        limit = MOST_ACTIONS // 10
        while first < last:
            limit = min(limit, last - first)
            page, size = self._sized(f"/{session_id}", limit=limit, offset=first)
            actions = page.get("actions")
            if not actions:
                raise SourceError(f"{self._url} has lost actions of session {session_id} since they were counted.")
            # The last member is when the server received it. An action may have a member of that name itself.
            yield from (Members(action[:-1]) for action in actions)
            first += len(actions)
            limit = max(1, min(MOST_ACTIONS, limit * WANTED // size))

    def _named(self, session_id: str) -> Found:
        return Found(session_id, int(self.session(session_id).get("action_count")))

    def _get(self, path: str, **parameters: int) -> Members:
        return self._sized(path, **parameters)[0]

    def _sized(self, path: str, **parameters: int) -> tuple[Members, int]:
        address = f"{self._url}/dev/sessions{path}"
        try:
            answer = self._session.get(address, params=parameters, timeout=PATIENCE)
        except requests.RequestException as error:
            raise self._silent(error) from error
        if answer.status_code != 200:
            raise self._refusal(path, answer.status_code)
        try:
            document = read(answer.content.decode("utf-8"))
        except (NotJsonError, UnicodeDecodeError):
            document = ""
        if not isinstance(document, Members) or not any(name in ("sessions", "session_id") for name, _ in document):
            raise SourceError(f"{self._url} answers, and not as an embedded Layer does. Is it another server?")
        return document, len(answer.content)

    def _silent(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"{self._url} does not answer ({type(error).__name__}). Start an embedded Layer with `layer-sdk dev`, "
            "or give its address with --url."
        )

    def _refusal(self, path: str, status: int) -> SourceError:
        if status == 404 and path:
            return SourceError(f"{self._url} has no session {path[1:]}, or is no embedded Layer.")
        if status == 404:
            return SourceError(
                f"{self._url} has no /dev/sessions: it is no embedded Layer, and only those can be read."
            )
        if status in (401, 403):
            return SourceError(f"{self._url} asks for its token ({status}). Give it with --token.")
        return SourceError(f"{self._url} answered {status} to a request for its sessions. Look at what it printed.")


def export(source: Source, wanted: Wanted, write: Callable[[bytes], Any], tell: Callable[[int, int], None]) -> Found:
    """Write the sessions that are wanted, line by line.

    Args:
        source: Where they are.
        wanted: Which.
        write: Called with each line.
        tell: Called with how many actions were written, and of how many.

    Returns:
        How many sessions, as text, and how many actions.

    Raises:
        SourceError: If the embedded Layer does not give what it has.
    """
    found = source.find(wanted)
    total = sum(each.actions for each in found)
    write(header_line(len(found), total))
    done = 0
    for session_id, count in found:
        write(session_line(_taken(source.session(session_id)), count))
        for action in source.actions(session_id, 0, count):
            write(action_line(action))
            done += 1
            tell(done, total)
    return Found(str(len(found)), total)


def _taken(session: Members) -> Members:
    return Members([(name, value) for name, value in session if name in TAKEN and value != "null"])


def _is_wanted(session: Members, wanted: Wanted) -> bool:
    if wanted.application is not None and _text(session, "application_id") != wanted.application:
        return False
    if wanted.since is None and wanted.until is None:
        return True
    began = _moment(session.get("start_time")) or _moment(session.get("created_at"))
    if began is None:
        return False
    return not (wanted.since and began < wanted.since) and not (wanted.until and began >= wanted.until)


def _moment(node: Node) -> datetime.datetime | None:
    text = value_of(node)
    return None if text is None else moment(text)


def moment(text: str) -> datetime.datetime | None:
    """Read a date or a date-time; one without a zone is taken as UTC. None for what is neither."""
    try:
        read_ = isoparse(text)
    except (ValueError, OverflowError):
        return None
    return read_ if read_.tzinfo else read_.replace(tzinfo=datetime.timezone.utc)


def _text(session: Members, name: str) -> str:
    return str(value_of(session.get(name)))
