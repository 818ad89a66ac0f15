"""All lanes, when each is to be looked at, and which gives way when memory is used up."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Callable, Iterator

from ._arrivals import lost
from ._lane import Lane
from ._record import tell_waiters
from ._schedule import Schedule

if TYPE_CHECKING:
    from uuid import UUID

    from ._account import Account
    from ._record import Record

MAX_GAPS = 10_000  # sessions with a loss that the next record is to tell of, remembered

# As parts of the time that a new session lingers:
PAUSE = 0.1  # without a new record, after which the host is taken to do something else, most likely to wait
RUSH = 9.0  # that what is due waits for such a pause

OnLoss = Callable[[Lane, int, str], None]


class Lanes:
    """The lanes that are not empty, by session, the oldest first. Not thread-safe: the engine locks.

    Args:
        account: Counts.
        linger: Seconds that a new session waits for company.
        on_due: Told when somebody has to look, a monotonic time.
        on_loss: Told of each loss: lane, count, reason.

    Attributes:
        hurries: How many there are who cannot wait for company to come.
    """

    def __init__(self, account: Account, linger: float, on_due: Callable[[float], None], on_loss: OnLoss) -> None:
        self._account = account
        self._linger = linger
        self._on_due = on_due
        self._on_loss = on_loss
        self._lanes: OrderedDict[int, Lane] = OrderedDict()  # by the number that a UUID is: to hash that costs less
        self._schedule = Schedule()
        self._lingering: dict[Lane, None] = {}
        self._gaps: OrderedDict[UUID, int] = OrderedDict()
        self._pushed = 0.0
        self.hurries = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def __contains__(self, session_id: UUID) -> bool:
        return session_id.int in self._lanes

    def __iter__(self) -> Iterator[Lane]:
        """Go through the lanes of this moment."""
        return iter(list(self._lanes.values()))

    def get(self, session_id: UUID) -> Lane | None:
        """Give the lane of a session, if something waits in it or is under way."""
        return self._lanes.get(session_id.int)

    def push(self, session_id: UUID, record: Record, came: float | None = None) -> None:
        """Put a record at the end of its session's lane.

        Args:
            session_id: The session.
            record: The record.
            came: When it came, monotonic, if not now.
        """
        lane = self._lanes.get(session_id.int)
        if lane is None:
            lane = self._lanes[session_id.int] = Lane(session_id)
        if self._gaps:
            record.gap += self._gaps.pop(session_id, 0)
        lane.push(record)
        self._pushed = now = time.monotonic() if came is None else came
        if not lane.is_flying and (lane.due is None or lane.due > now):
            self.plan(lane, now)

    def plan(self, lane: Lane, now: float | None = None) -> None:
        """See to it that a lane is looked at when it is time."""
        now = time.monotonic() if now is None else now
        due = max(now, lane.not_before)
        if not self.hurries and lane.lingers:
            if lane.due is not None:
                return  # it lingers already
            self._lingering[lane] = None
            due = max(due, now + self._linger)
        elif lane.due is not None and lane.due <= due:
            return
        self._schedule.plan(lane, due)
        self._on_due(due)

    def plan_all(self) -> None:
        """Plan anew what lingers, for whoever cannot wait."""
        lingering, self._lingering = self._lingering, {}
        for lane in lingering:
            if not lane.is_flying and not lane.is_empty:
                self.plan(lane)

    def forgive(self) -> None:
        """Have every lane that waits after a failure tried now."""
        for lane in self:
            lane.not_before = 0.0
            if not lane.is_flying:
                self.plan(lane)

    def note_rush(self, now: float) -> None:
        """Take the host to be busy, though it has not recorded."""
        self._pushed = now

    def after_rush(self, due: float) -> float:
        """Tell when what is due goes if it gives way to a host that records: when that pauses, or never does."""
        return max(due, min(self._pushed + PAUSE * self._linger, due + RUSH * self._linger))

    def first_due(self) -> float | None:
        """Tell when the first lane is due; None when there is none."""
        return self._schedule.first()

    def pop(self) -> Lane:
        """Take the first lane off the schedule. Call after `first_due` gave a time."""
        lane = self._schedule.pop()
        self._lingering.pop(lane, None)
        return lane

    def tidy(self, lane: Lane) -> None:
        """Plan a lane that has come to rest, or forget it when it is empty."""
        if not lane.is_empty:
            self.plan(lane)
        elif self._lanes.get(lane.session_id.int) is lane:
            self._schedule.cancel(lane)
            self._lingering.pop(lane, None)
            del self._lanes[lane.session_id.int]

    def clear(self) -> None:
        """Forget all."""
        for lane in self._lanes.values():
            self._schedule.cancel(lane)
        self._lanes.clear()
        self._lingering.clear()

    def drop(self, lane: Lane, records: tuple[Record, ...], reason: str) -> None:
        """Count records as lost that wait, or that were to wait, in a lane."""
        count = self._account.drop(records, reason)
        tell_waiters(records, error=lost(reason))
        self._on_loss(lane, count, reason)

    def note_gap(self, lane: Lane, count: int, *, is_newest: bool) -> None:
        """Remember a loss for the record behind it: the first that waits or, where the newest was lost, the next."""
        if lane.records and not is_newest:
            lane.records[0].gap += count
            return
        self._gaps[lane.session_id] = self._gaps.get(lane.session_id, 0) + count
        if len(self._gaps) > MAX_GAPS:
            self._gaps.popitem(last=False)

    def drop_oldest(self) -> bool:
        """Drop all that waits in the lane that is oldest, rather than a record out of the middle of several."""
        for lane in self._lanes.values():
            if lane.records and lane.flight is None and not lane.is_flying:
                self.drop(lane, lane.take_all(), "overflow")
                self.tidy(lane)
                return True
        return False
