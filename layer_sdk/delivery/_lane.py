"""The lane of one session: its records in order, and at most one request under way."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Mapping, NamedTuple, Union

from layer_sdk import schemas

from ._record import OVERHEAD, Record

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._record import Note

Request = Union["SessionRequest", "SessionActionRequest"]

MAX_ACTIONS = 256  # that travel with a create request
MAX_BYTES = 512 * 1024


class Flight(NamedTuple):
    """A request on its way. It stays what it is, with its key, until there is a definite answer."""

    records: tuple[Record, ...]
    request: Request
    key: str
    was_sent: bool = False  # by a dead process, perhaps

    @property
    def creates(self) -> bool:
        """Whether it creates the session."""
        return isinstance(self.request, schemas.SessionRequest)

    @property
    def is_as_written(self) -> bool:
        """Whether all of it is as it stands in the spool."""
        return not any(record.gap or record.was_cut for record in self.records)

    def __repr__(self) -> str:
        return f"<Flight {self.key}: {len(self.records)} records>"  # what they hold is nobody's to see


class Lane:
    """What waits for one session. Not thread-safe: the engine locks.

    Attributes:
        session_id: The session's id, as we made it.
        records: What waits, in order.
        flight: The request that is under way, or is to be repeated as it is.
        is_flying: Whether it is under way now.
        attempts: How often it was sent.
        was_sent: Whether an attempt without an answer may have reached the server.
        max_actions: How many actions a create request may take along; less after the server refused more.
        was_recreated: Whether the session was created anew because the server did not know it.
        note: What a dead process's request was that took along the session at the front.
        due: When the lane is to be looked at, monotonic; None while it is not planned.
        place: Its place in the schedule; 0 while it is not planned.
        not_before: When it may be looked at at the earliest, after a failure.
        unready: How many records have no request yet: they are on disk alone, or have still to be built.
        size: The bytes of what waits.
    """

    __slots__ = (
        "attempts",
        "due",
        "flight",
        "is_flying",
        "max_actions",
        "not_before",
        "note",
        "place",
        "records",
        "session_id",
        "size",
        "unready",
        "was_recreated",
        "was_sent",
    )

    def __init__(self, session_id: UUID) -> None:
        self.session_id = session_id
        self.records: deque[Record] = deque()
        self.flight: Flight | None = None
        self.is_flying = False
        self.attempts = 0
        self.was_sent = False
        self.max_actions = MAX_ACTIONS
        self.was_recreated = False
        self.due: float | None = None
        self.place = 0
        self.not_before = 0.0
        self.size = 0
        self.unready = 0
        self.note: Note | None = None

    @property
    def lingers(self) -> bool:
        """Whether waiting a little could save a request: the session is not created and there is room for more."""
        if self.flight is not None or not self.records or not self.records[0].opens:
            return False
        return len(self.records) <= MAX_ACTIONS and self.size < MAX_BYTES

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self.records and self.flight is None

    def push(self, record: Record) -> None:
        """Put a record at the end."""
        self.records.append(record)
        self.size += record.size
        self.unready += record.request is None

    def push_back(self, records: tuple[Record, ...]) -> None:
        """Put records that were taken off back to the front."""
        self.records.extendleft(reversed(records))
        self.size += sum([record.size for record in records])

    def take_all(self) -> tuple[Record, ...]:
        """Take everything that waits."""
        records = tuple(self.records)
        self.records.clear()
        self.size = self.unready = 0
        return records

    def take_callers(self) -> tuple[Record, ...]:
        """Take what explicit calls wait for, and leave the rest in its order."""
        callers = tuple(record for record in self.records if record.waiter is not None)
        if callers:
            self.records = deque(record for record in self.records if record.waiter is None)
            self.size -= sum(record.size for record in callers)
        return callers

    def to_load(self, most: int) -> list[Record]:
        """List what has to be loaded or built before the next request can be made, of so many bytes at most."""
        if not self.unready or self.flight is not None:
            return []
        found: list[Record] = []
        size = 0
        for place, record in enumerate(islice(self.records, 1 + self._most_actions())):
            size += record.parked or record.size
            if place and size > min(most, MAX_BYTES) and self.note is None:
                break
            if not record.is_ready:
                found.append(record)
        return found

    def _most_actions(self) -> int:
        """How many actions the next request may take along: as many as a dead process's did, where it is repeated."""
        if not self.records[0].opens:
            return 0
        return self.max_actions if self.note is None else self.note.actions

    def load(self, found: list[tuple[Record, Request | None]]) -> tuple[Record, ...]:
        """Take what came back from disk, and give those that did not: they are no longer in the lane."""
        gone: dict[Record, None] = {}
        for record, request in found:
            self.size -= record.size
            self.unready -= 1
            if request is None:
                gone[record] = None
            else:
                record.unpark(request)
                self.size += record.size
        if gone:
            self.records = deque(record for record in self.records if record not in gone)
        return tuple(gone)

    def put(self, made: Mapping[Record, list[Record]]) -> int:
        """Have what was made of records near the front take their places, be it nothing.

        Returns:
            How many records are missing at the end, for the next one that comes to tell of.
        """
        front: list[Record] = []
        left, gap = len(made), 0
        while self.records and (left or gap):
            record = self._pop()
            taken = [record]
            if record in made:
                left -= 1
                self.unready -= 1
                gap += record.gap
                taken = made[record]
            if taken:
                taken[0].gap += gap
                gap = 0
            front += taken
        self.push_back(tuple(front))
        return gap

    def take_off(self, key: str) -> Flight:
        """Give the request to send now: the one under repetition, or a new one from the front."""
        if self.flight is None:
            self.flight = self._next(key)
            self.attempts, self.was_sent = 0, self.flight.was_sent
        return self.flight

    def land(self) -> None:
        """The request found its end."""
        self.flight = None
        self.attempts = 0
        self.not_before = 0.0

    def _next(self, key: str) -> Flight:
        note = self._matching_note()
        first = self._pop()
        if not isinstance(first.request, schemas.SessionRequest):
            # With the mark of a gap it is not what stands on disk under the record's key.
            written = None if first.gap else first.key
            _mark(first)
            return Flight((first,), first.request, written or key, first.was_adopted)
        taken, size = [first], first.size
        while len(taken) <= note.actions if note else self._may_come_along(len(taken) - 1, size):
            taken.append(self._pop())
            size += taken[-1].size
        actions = [record.request for record in taken[1:] if isinstance(record.request, schemas.SessionActionRequest)]
        request = first.request
        if actions:
            for record in taken:
                _mark(record)
            own = request.actions if isinstance(request.actions, list) else []
            request = _with_actions(request, [*own, *actions])
        return Flight(tuple(taken), request, note.key if note else key, note is not None)

    def _matching_note(self) -> Note | None:
        """Give the note if what it tells of is still what stands at the front."""
        note, self.note = self.note, None
        if note is None or len(self.records) <= note.actions:
            return None
        is_same = (note.first, note.last) == (self.records[0].key, self.records[note.actions].key)
        front = islice(self.records, 1 + note.actions)
        return note if is_same and not any(record.parked for record in front) else None

    def _may_come_along(self, count: int, size: int) -> bool:
        if count >= self.max_actions or not self.records:
            return False
        following = self.records[0]
        is_action = isinstance(following.request, schemas.SessionActionRequest)
        return is_action and following.waiter is None and size + following.size <= MAX_BYTES

    def _pop(self) -> Record:
        record = self.records.popleft()
        self.size -= record.size
        return record


def _mark(record: Record) -> None:
    """Let a gap before an action be seen in Layer: no order gets a hole unnoticed."""
    request = record.request
    if record.gap and isinstance(request, schemas.SessionActionRequest):
        attributes = request.attributes if isinstance(request.attributes, dict) else {}
        request.attributes = {**attributes, "layer.dropped_before": record.gap}


def _with_actions(request: SessionRequest, actions: list[SessionActionRequest]) -> SessionRequest:
    return schemas.SessionRequest(
        application_id=request.application_id,
        session_id=request.session_id,
        attributes=request.attributes,
        start_time=request.start_time,
        end_time=request.end_time,
        actions=actions,
    )


def cut(record: Record) -> bool:
    """Shorten the long texts of an action that the server found too large; False if that was done already."""
    request = record.request
    if record.was_cut or not isinstance(request, schemas.SessionActionRequest) or not isinstance(request.data, dict):
        return False
    record.was_cut = True
    record.key = None  # under which the server had it whole
    limit = max(256, (record.size - OVERHEAD) // 8)
    request.data = {name: _cut(value, limit) for name, value in request.data.items()}
    attributes = request.attributes if isinstance(request.attributes, dict) else {}
    request.attributes = {**attributes, "layer.truncated": True}
    return True


def _cut(value: object, limit: int) -> object:
    if isinstance(value, str) and len(value) > limit:
        return value[:limit] + "..."
    if isinstance(value, dict):
        return {name: _cut(item, limit) for name, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, limit) for item in value[:limit]]
    return value
