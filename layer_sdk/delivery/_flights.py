"""What workers do: take a lane that is due, carry its request to the server, and act on what comes of it."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple
from uuid import UUID, uuid4

from layer_sdk._deadline import within
from layer_sdk._log import warn

from ._account import Account
from ._arrivals import Arrivals, lost
from ._builder import Builder
from ._door import Door
from ._gate import Gate
from ._inbox import Inbox
from ._lane import Lane
from ._lanes import Lanes
from ._limits import BLOCK
from ._losses import Losses
from ._workers import Workers

if TYPE_CHECKING:
    from layer_sdk.schemas import SessionRequest

    from ._builder import Batch, Made
    from ._carrier import Carrier
    from ._inbox import Admit
    from ._journal import Journal
    from ._lane import Flight, Request
    from ._limits import Limits
    from ._losses import OnDrop
    from ._outcome import Outcome
    from ._record import Record

PATIENCE = 0.5  # seconds after which one who waits looks whether there are workers still

ROOMY = 4  # the part of memory that may fill up while delivery gives way to the host
SLOW = 0.005  # seconds that a request takes
RECENT = 8  # requests that the pace is the mean of, about
LOADED = 32  # the part of memory that one lane may load from disk at a time; there are up to eight at it
ON_PURPOSE = ("before_send",)  # reasons to send nothing that are no loss to tell of
NEWEST = ("overflow", "closed", "too_large")  # reasons to lose what has just come

SessionOf = Callable[[UUID], "SessionRequest"]


class Job(NamedTuple):
    """What a worker does next with a lane: carry a flight, or load or build what the next one takes along."""

    lane: Lane
    flight: Flight | None
    is_probe: bool
    unready: list[Record]


class Flights:
    """All that is under way in one process, or waits for it. A forked child begins with a new one.

    Args:
        carrier: Sends.
        session_of: Makes the request that creates a session which the server turns out not to know.
        limits: The bounds.
        admit: Puts a record that has come in into its lane. Called inside.
        on_drop: The host's callback for losses.
        journal: Keeps records on disk.
        on_landed: Called without the lock when a worker has done a job.

    Attributes:
        carrier: Sends.
        callers: How many explicit calls wait in a lane.
        is_closed: Whether nothing is to come any more, but for what is recorded by what is being built.
        is_over: Whether all that was left was given up.
        is_left: Whether this is the parent's: greenlets come along into a forked child.
    """

    def __init__(
        self,
        carrier: Carrier,
        session_of: SessionOf,
        limits: Limits,
        *,
        admit: Admit,
        on_drop: OnDrop | None,
        journal: Journal | None,
        on_landed: Callable[[], None],
    ) -> None:
        chance = random.Random()  # noqa: S311  (jitter)
        self.carrier = carrier
        self._most_loaded = limits.max_bytes // LOADED
        self._roomy = limits.max_bytes // ROOMY
        self._pace = 0.0  # seconds that a request takes
        self._waits: set[Callable[[], bool]] = set()
        self._journal = journal
        self._on_landed = on_landed
        self.door = Door()
        self.gate = Gate(chance)
        self.account = Account()
        self.losses = Losses(on_drop)
        # What is written first, or whoever may have to wait for room, cannot leave it to others.
        is_used = journal is None and limits.overflow != BLOCK
        self.inbox = Inbox(self.account, admit, limits.max_bytes, is_used=is_used)
        self.workers = Workers(self, limits.workers, limits.idle, limits.linger)
        self.builder = Builder(lambda: self.workers.is_mine)
        self.lanes = Lanes(self.account, limits.linger, self.workers.call_for, self._note_loss)
        self._arrivals = Arrivals(self.account, self.gate, session_of, chance, self._note_loss)
        self._nonce = uuid4().hex  # with a number behind it, a key that nobody else makes: cheaper than one anew
        self._numbers = count(1)
        self.callers = 0
        self.is_closed = False
        self.is_over = False
        self.is_left = False

    def _note_loss(self, lane: Lane, count: int, reason: str) -> None:
        if reason in ON_PURPOSE:
            return
        self.lanes.note_gap(lane, count, is_newest=reason in NEWEST)
        self.losses.note(reason, lane.session_id, count)

    # ---- for the workers

    def next_due(self) -> float | None:
        """Tell when there is something to send; None when nothing is planned. Call inside."""
        due = self.lanes.first_due()
        return None if due is None else max(due, self.gate.opens_at)

    def ready_at(self, due: float) -> float:
        """Tell when to begin with what is due: it gives way to the host, unless somebody waits or there is much."""
        if not (self.lanes.hurries or self.callers or self.account.bytes > self._roomy):
            due = self.lanes.after_rush(due)
        return max(due, self.gate.opens_at)

    @property
    def is_slow(self) -> bool:
        """Whether requests take so long of late that those who send must be waiting, rather than working."""
        return self._pace > SLOW

    def take(self) -> Job:
        """Take what is due. Where it is a probe, everybody waits for it. Call inside."""
        return self._job_of(self.lanes.pop())

    def _job_of(self, lane: Lane, *, is_late: bool = False) -> Job:
        unready = lane.to_load(self._most_loaded)
        if unready and not (is_late and lane.records[0].is_ready):
            lane.is_flying = True
            return Job(lane, None, is_probe=False, unready=unready)
        is_new = lane.flight is None
        flight = lane.take_off(f"{self._nonce}-{next(self._numbers)}")
        lane.is_flying = True
        if is_new:
            self.account.fly(flight.records)
        self.account.note("requests")
        return Job(lane, flight, self.gate.enter(), [])

    @property
    def takes_more(self) -> bool:
        """Whether what is recorded now is still to be sent."""
        return not self.is_closed or (self.builder.is_mine and not self.is_over)

    def is_done(self) -> bool:
        """Tell whether workers are no longer needed."""
        return self.is_left or (self.is_closed and not self.lanes)

    def fly(self, job: Job) -> None:
        """Do what a job says, and act on what comes of it. Call without the lock."""
        following: Job | None = job
        while following is not None and following.flight is None:
            following = self._prepare(following.lane, following.unready)
        if following is not None and following.flight is not None:
            self._carry(following, following.flight)
        if self.is_left:
            return
        while self._arrivals.refusals:
            reason = self._arrivals.refusals.pop()
            warn("Layer refuses the credentials (%s); what is recorded waits until it takes them", reason)
        self.tell()
        self._on_landed()

    def _carry(self, job: Job, flight: Flight) -> None:
        lane = job.lane
        if self._journal is not None and not lane.attempts and not flight.was_sent:
            self._journal.note(lane.session_id, flight)
        lane.attempts += 1
        began = time.monotonic()
        given, outcome = self.carrier.carry(lane.session_id, flight)
        if self.is_left:
            return  # a greenlet that came along into a forked child: this flight is the parent's
        self.door.hold(self._land, job, given, outcome, time.monotonic() - began)
        if not isinstance(outcome.error, (Exception, type(None))) and not self.workers.is_mine:
            raise outcome.error  # Ctrl-C, say, while a thread of the host's sent for want of workers

    def _land(self, job: Job, given: UUID | None, outcome: Outcome, seconds: float) -> None:
        """Act on what came of a flight that took so long. Call inside."""
        lane, flight = job.lane, job.flight
        self.gate.leave(was_probe=job.is_probe)
        self._pace += (seconds - self._pace) / RECENT
        lane.is_flying = False
        if given is not None and given != lane.session_id:
            self.carrier.rename(lane.session_id, given)
        try:
            if flight is not None and lane.flight is flight:  # else it was given up while it was under way
                self._arrivals.settle(lane, flight, outcome, is_probe=job.is_probe)
        finally:
            self.lanes.tidy(lane)
        if self.callers and self.gate.is_shut(time.monotonic()):
            self.release_callers(outcome.error)
        self._call_waiting()
        if job.is_probe:
            self.workers.wake()

    def release_callers(self, error: BaseException | None = None) -> None:
        """Let explicit calls go, where the server is not to be reached soon."""
        with self.door.locked():
            for lane in self.lanes:
                self._arrivals.release_callers(lane, error or lost(self.gate.state))
                if lane.is_empty:
                    self.lanes.tidy(lane)

    def _prepare(self, lane: Lane, records: list[Record]) -> Job | None:
        """Load and build; what to do with the lane next, at once: all lanes loaded before one flies is too much."""
        parked = [record for record in records if record.parked]
        found = [] if self._journal is None else self._journal.load(parked)
        builds = {record: record.build for record in records if record.build is not None}
        batch = self.builder.build(builds)
        if self.is_left:
            return None
        following = self.door.hold(self._after_preparing, lane, found, batch)
        if batch.interruption is not None:
            raise batch.interruption
        return following

    def _after_preparing(self, lane: Lane, found: list[tuple[Record, Request | None]], batch: Batch) -> Job | None:
        following = self._take_in(lane, found, batch)
        self._call_waiting()
        return following

    def _take_in(self, lane: Lane, found: list[tuple[Record, Request | None]], batch: Batch) -> Job | None:
        """Put what was loaded and built into its lane; what to do with that next. Call inside."""
        lane.is_flying = False
        if self.lanes.get(lane.session_id) is not lane:
            return None  # it was given up in the meantime
        if found:
            self._put_loaded(lane, found)
        if batch.made:
            self._put(lane, batch.made)
        if lane.records and batch.interruption is None and self.gate.opens_at <= time.monotonic():
            return self._job_of(lane, is_late=batch.is_late)
        self.lanes.tidy(lane)
        return None

    def _put_loaded(self, lane: Lane, found: list[tuple[Record, Request | None]]) -> None:
        """Have what came back from disk take its place; what did not is lost."""
        before = lane.size
        gone = lane.load(found)
        self.account.bytes += lane.size - before + sum(record.size for record in gone)
        if gone:
            self.lanes.drop(lane, gone, "spool_lost")

    def _put(self, lane: Lane, made: dict[Record, Made]) -> None:
        """Have what was made of records take their places. Call inside."""
        for record, (others, discarded) in made.items():
            self.account.replace(record, others)
            for reason in discarded:
                self.account.discard(reason)
                if reason not in ON_PURPOSE:
                    record.gap += 1
                    self.losses.note(reason, lane.session_id, 1)
        gap = lane.put({record: others for record, (others, _) in made.items()})
        if gap:
            self.lanes.note_gap(lane, gap, is_newest=True)

    def take_in(self) -> None:
        """Put what has come in into its lanes. Call inside."""
        if self.inbox.items and not self.is_left:
            self.inbox.empty()

    def discard(self, session_id: UUID, reason: str) -> None:
        """Count an action that is not to be sent. Call inside."""
        self.take_in()
        self.account.discard(reason)
        self._note_loss(Lane(session_id), 1, reason)  # it was the newest: the next one tells of it

    def tell(self) -> None:
        """Tell the host of losses, and the spool of what it need not keep. Call without the lock."""
        self.losses.tell()
        if self.account.ended and self._journal is not None:
            with self.door.locked():  # marked inside: who sees the account with the lock held can settle what it says
                entries, self.account.ended = self.account.ended, []
                self._journal.mark(entries)
            self._journal.settle()

    # ---- for those who wait

    def see_off(self, is_met: Callable[[], bool], ends: float) -> None:
        """Have the workers send what is asked for; where they are short, and none can come, send on this thread."""
        while True:
            with self.door.locked(), self._hurry():
                self.call_workers()
                self.wait_until(lambda: is_met() or self._is_alone, ends - time.monotonic())
                if is_met() or time.monotonic() >= ends:
                    return
            with within(ends):
                self.workers.drain_here(ends, is_met)
            if not self.workers.count:
                return

    @property
    def _is_alone(self) -> bool:
        """Whether whoever waits has to do the work. Call inside."""
        return self.workers.are_short and (not self.workers.count or self.lanes.first_due() is not None)

    def call_workers(self) -> None:
        """See to it that there are workers for what is planned, should the last one have died, or fly."""
        self.door.hold(self.call_for_planned)

    def call_for_planned(self) -> None:
        """Do what `call_workers` does. Call inside."""
        due = self.lanes.first_due()
        if due is not None:
            self.workers.call_for(due)

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        self.lanes.hurries += 1
        self.lanes.plan_all()
        try:
            yield
        finally:
            self.lanes.hurries -= 1

    def wait_until(self, is_met: Callable[[], bool], timeout: float) -> bool:
        """Wait until something is so; False if time ran out, in seconds. Call inside."""
        ends = time.monotonic() + timeout
        try:
            self._waits.add(is_met)
            while not is_met():
                left = ends - time.monotonic()
                if left <= 0:
                    return False
                self.door.wait(self.door.changed, min(left, PATIENCE))
            return True
        finally:
            self._waits.discard(is_met)

    def _call_waiting(self) -> None:
        """Wake those who wait, if there is what one of them waits for: not each time that something has changed."""
        for is_met in self._waits:
            if is_met():
                self.door.changed.notify_all()
                return

    def drain(self) -> None:
        """Nothing more is to come: have everything tried that waits, however often it has failed."""
        with self.door.locked():
            self.inbox.attend(is_possible=False)
            self.take_in()
            self.door.merge()
            self.is_closed = True
            self.gate.drain(time.monotonic())
            self.lanes.forgive()

    def take_back(self) -> list[tuple[Lane, Flight | None, tuple[Record, ...]]]:
        """Give up everything: all that waits or is under way, lane by lane, and what each was about to repeat."""
        with self.door.locked():
            self.is_over = True
            left = []
            for lane in self.lanes:
                flight, lane.flight = lane.flight, None
                if flight is not None:
                    self.account.return_(flight.records)
                    lane.push_back(flight.records)
                left.append((lane, flight if lane.attempts else None, lane.take_all()))
            self.lanes.clear()
            self.workers.wake()
        return left
