"""Delivery in the background: intake that never waits, lanes that keep each session's order, a count of every loss."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple
from uuid import UUID, uuid4

from layer_sdk import _fork
from layer_sdk._http import within
from layer_sdk._log import guard, warn

from . import _lifecycle
from ._account import Account
from ._arrivals import Arrivals, lost
from ._carrier import Carrier
from ._gate import OPEN, Gate
from ._lane import Lane
from ._lanes import Lanes
from ._limits import BLOCK, DROP_OLDEST, Limits
from ._losses import Losses
from ._record import Note, Record, Waiter
from ._workers import Workers

if TYPE_CHECKING:
    from layer_sdk._wire import Wire
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._journal import Journal
    from ._lane import Flight
    from ._losses import OnDrop

PATIENCE = 0.5  # seconds after which one who waits looks whether there are workers still
ADOPT_INTERVAL = 60.0  # seconds between two looks for what others left, when there was nothing
ADOPT_BYTES = 4 * 1024 * 1024  # taken over at a time: a host's `init` may wait for it

SessionOf = Callable[[UUID], "SessionRequest"]


class Job(NamedTuple):
    """What a worker does next with a lane: carry a flight, or load from disk what the next one takes along."""

    lane: Lane
    flight: Flight | None
    is_probe: bool
    parked: list[Record]


class BackgroundDelivery:
    """A `Sink` whose workers send what it was given, when the server can take it.

    Args:
        wire: Says it to Layer, with no retries of its own: the schedule is here.
        session_of: Makes the request that creates a session which the server turns out not to know.
        limits: The bounds.
        on_drop: Told of every loss, from any thread: reason, session id, how many records.
        journal: Keeps records on disk across the end of the process.
    """

    def __init__(
        self,
        wire: Wire,
        session_of: SessionOf,
        limits: Limits | None = None,
        on_drop: OnDrop | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._journal = journal
        self._limits = limits or Limits()
        self._carrier = Carrier(wire)
        self._session_of = session_of
        self._on_drop = on_drop
        self._begin()
        _lifecycle.watch(self)
        self._adopt()

    def _begin(self) -> None:
        """Begin empty: at the start, and in a forked child, whose inherited locks may be held by threads it has not."""
        chance = random.Random()  # noqa: S311  (jitter)
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside: int | None = None
        self._side: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._gate = Gate(chance)
        self._account = Account()
        self._losses = Losses(self._on_drop)
        self._arrivals = Arrivals(self._account, self._gate, self._session_of, chance, self._note_loss)
        self._workers = Workers(self, self._lock, self._limits.workers, self._limits.idle)
        self._lanes = Lanes(self._account, self._limits.linger, self._workers.call_for, self._note_loss)
        self._callers = 0
        self._is_closed = False
        self._adopts_at = 0.0
        self._is_adopting = False
        self._is_used = False
        self._is_ending = False
        self._exit_budget = self._limits.exit_timeout

    # ---- intake, on the host's threads

    def open_session(self, request: SessionRequest) -> None:
        """Take a session that was begun."""
        if isinstance(request.session_id, UUID):
            self._accept(request.session_id, Record(request))

    def append(self, session_id: UUID, request: SessionActionRequest) -> None:
        """Take an action of a session."""
        self._accept(session_id, Record(request))

    def discard(self, session_id: UUID, reason: str) -> None:  # noqa: ARG002  (the signature of a Sink)
        """Count an action that is not to be sent."""
        _fork.check()
        if self._inside == threading.get_ident():
            self._side.put(partial(self._account.discard, reason))
            return
        with self.locked():
            self._account.discard(reason)

    def has_waiting(self, session_id: UUID) -> bool:
        """Tell whether something of a session is on its way, so that an explicit call has to queue behind it."""
        is_outside = self._inside != threading.get_ident()  # inside, waiting would be waiting for ourselves
        return is_outside and session_id in self._lanes and self._pid == os.getpid()

    def call(self, session_id: UUID, request: SessionRequest | SessionActionRequest) -> UUID:
        """Send behind what waits in the session's lane and wait for the answer; what goes wrong is raised."""
        if self._gate.state != OPEN:
            raise lost(f"{self._gate.state}: what the session recorded before waits as well")
        waiter = Waiter()
        with self.locked():
            self._callers += 1
        try:
            self._accept(session_id, Record(request, waiter))
            while not waiter.wait(PATIENCE):
                self._call_workers()
        finally:
            with self.locked():
                self._callers -= 1
        waiter.result()
        return self.name_of(session_id)

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""
        return self._carrier.name_of(session_id)

    def _accept(self, session_id: UUID, record: Record) -> None:
        _fork.check()
        me = threading.get_ident()
        if self._inside == me:
            # A signal handler, a __del__ or a log handler that records while this very thread is in here.
            self._write_ahead(session_id, record, is_quiet=True)
            self._side.put(partial(self._admit, session_id, record))
            return
        if not self._is_used:
            if type(self._lock) is not type(threading.RLock()):
                self._begin()  # gevent came in between: under its locks other greenlets go on, under ours none would
            self._is_used = True
            _lifecycle.hook_children()
        self._write_ahead(session_id, record)
        with self._lock:  # as `locked` does, without the price of a context manager on the host's path
            self._inside = me
            try:
                self._admit(session_id, record)
            finally:
                self._leave()
        self._losses.tell()
        if self._journal is not None:
            self._settle_entries()
        if _lifecycle.is_ending():
            self.end()
        elif not self._workers.count and not _lifecycle.is_main_alive() and self._gate.state == OPEN:
            self.flush(self._limits.exit_timeout)  # no thread can be started any more: this one sends

    def _write_ahead(self, session_id: UUID, record: Record, *, is_quiet: bool = False) -> None:
        if self._journal is not None:
            is_trouble = self._gate.state != OPEN or self._is_half_full(0)
            self._journal.take(session_id, record, is_trouble=is_trouble, is_quiet=is_quiet)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; what this thread records meanwhile is admitted before it is let go."""
        with self._lock:
            outer, self._inside = self._inside, threading.get_ident()
            try:
                yield
            finally:
                if outer is None:
                    self._leave()
                self._inside = outer

    def _leave(self) -> None:
        """Admit what this thread recorded while it was in here; what it records from now on finds the door open."""
        self._inside = None
        while not self._side.empty():
            self._inside = threading.get_ident()
            try:
                self._merge()
            finally:
                self._inside = None

    def _merge(self) -> None:
        while not self._side.empty():
            self._side.get()()

    def _admit(self, session_id: UUID, record: Record) -> None:
        if record.entry is not None:
            if self._is_closed:  # it stays where it is, for the next process
                self._account.accept(record)
                return
            if self._is_half_full(record.size):
                record.park()
        reason = None
        if self._is_closed or not record.was_adopted:
            reason = "closed" if self._is_closed else self._make_room(record.size)
        self._account.accept(record)
        if reason is None:
            self._lanes.push(session_id, record)
        else:
            self._lanes.drop(self._lanes.get(session_id) or Lane(session_id), (record,), reason)

    # ---- overflow

    def _make_room(self, size: int) -> str | None:
        """Make room for so many bytes; the reason to drop them where there is none."""
        most = self._limits.max_bytes - size
        if self._account.bytes <= most:
            return None
        if most < 0:
            return "too_large"
        if self._limits.overflow == DROP_OLDEST:
            while self._account.bytes > most and self._lanes.drop_oldest():
                pass
        elif self._limits.overflow == BLOCK and not _in_event_loop():
            self._wait_until(lambda: self._account.bytes <= most, self._limits.block_timeout)
        return None if self._account.bytes <= most else "overflow"

    def _is_half_full(self, size: int) -> bool:
        """Tell whether so many more bytes are too many to keep in memory what is on disk as well."""
        return self._account.bytes + size > self._limits.max_bytes // 2

    def _note_loss(self, lane: Lane, count: int, reason: str) -> None:
        lane.dropped += count
        self._losses.note(reason, lane.session_id, count)

    # ---- for the workers; call with the lock held unless it says otherwise

    def next_due(self) -> float | None:
        """Tell when there is something to send; None when nothing is planned."""
        due = self._lanes.first_due()
        return None if due is None else max(due, self._gate.opens_at)

    def take(self) -> Job:
        """Take what is due. Where it is a probe, everybody waits for it."""
        lane = self._lanes.pop()
        parked = lane.to_load()
        if parked:
            lane.is_flying = True
            return Job(lane, None, is_probe=False, parked=parked)
        is_new = lane.flight is None
        flight = lane.take_off(str(uuid4()))
        lane.is_flying = True
        if is_new:
            self._account.fly(flight.records)
        self._account.note("requests")
        return Job(lane, flight, self._gate.enter(), [])

    def is_served_by(self, workers: Workers) -> bool:
        """Tell whether these are the workers of this process."""
        return self._workers is workers

    def is_done(self) -> bool:
        """Tell whether workers are no longer needed."""
        return self._is_closed and not self._lanes

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition of the engine's lock."""
        outer, self._inside = self._inside, None
        try:
            if self._side.empty():  # else something that came in meanwhile may be due earlier
                condition.wait(seconds)
        finally:
            self._inside = outer
            self._merge()

    def fly(self, job: Job) -> None:
        """Do what a job says, and act on what comes of it. Call without the lock."""
        workers = self._workers
        if job.flight is None:
            self._load(job, workers)
        else:
            self._carry(job.lane, job.flight, workers, is_probe=job.is_probe)
        if not self.is_served_by(workers):
            return
        while self._arrivals.refusals:
            reason = self._arrivals.refusals.pop()
            warn("Layer refuses the credentials (%s); what is recorded waits until it takes them", reason)
        self._losses.tell()
        if self._journal is not None:
            self._settle_entries()
            self._adopt()

    def _carry(self, lane: Lane, flight: Flight, workers: Workers, *, is_probe: bool) -> None:
        if self._journal is not None and flight.creates and not lane.attempts:
            self._journal.note(lane.session_id, flight)
        lane.attempts += 1
        given, outcome = self._carrier.carry(lane.session_id, flight)
        if not self.is_served_by(workers):
            return  # a greenlet that came along into a forked child: this flight is the parent's
        with self.locked():
            self._gate.leave(was_probe=is_probe)
            lane.is_flying = False
            if given is not None and given != lane.session_id:
                self._carrier.rename(lane.session_id, given)
            if lane.flight is flight:  # else it was given up while it was under way
                self._arrivals.settle(lane, flight, outcome, is_probe=is_probe)
                self._lanes.tidy(lane)
                if self._callers and self._gate.state != OPEN:
                    self._release_callers(outcome.error)
            self._changed.notify_all()
            if is_probe:
                self._workers.wake()

    def _release_callers(self, error: BaseException | None) -> None:
        for lane in self._lanes:
            self._arrivals.release_callers(lane, error)
            if lane.is_empty:
                self._lanes.tidy(lane)

    # ---- the spool

    def _load(self, job: Job, workers: Workers) -> None:
        lane = job.lane
        found = [] if self._journal is None else self._journal.load(job.parked)
        if not self.is_served_by(workers):
            return
        with self.locked():
            lane.is_flying = False
            if self._lanes.get(lane.session_id) is lane:  # else it was given up in the meantime
                before = lane.size
                gone = lane.load(found)
                self._account.bytes += lane.size - before + sum(record.size for record in gone)
                if gone:
                    self._lanes.drop(lane, gone, "spool_lost")
                self._lanes.tidy(lane)
            self._changed.notify_all()

    def _settle_entries(self) -> None:
        if self._account.ended and self._journal is not None:
            with self._lock:
                entries, self._account.ended = self._account.ended, []
            self._journal.settle(entries)

    def _adopt(self) -> None:
        """Take over some of what dead processes left, while there is room; more of it after the next flight."""
        if self._journal is None:
            return
        now = time.monotonic()
        with self.locked():
            if self._is_adopting or self._is_closed or now < self._adopts_at or self._is_half_full(0):
                return
            self._is_adopting = True
        found: list[tuple[UUID, Record | Note]] = []
        try:
            with guard("adopting what a dead process left"):
                found = self._journal.adopt(ADOPT_BYTES)
                while not found and self._journal.has_waiting:
                    found = self._journal.adopt(ADOPT_BYTES)
            with self.locked():
                if not self._is_closed:  # else it waits on disk for the next process
                    for session_id, each in found:  # all at once: a note comes behind the records that it is about
                        self._take_in(session_id, each)
        finally:
            self._adopts_at = now if self._journal.has_waiting else now + ADOPT_INTERVAL
            self._is_adopting = False

    def _take_in(self, session_id: UUID, adopted: Record | Note) -> None:
        if isinstance(adopted, Record):
            self._admit(session_id, adopted)
            return
        lane = self._lanes.get(session_id)
        head = None if lane is None or lane.flight is not None or not lane.records else lane.records[0]
        if lane is None or head is None or head.key != adopted.first:
            self._account.ended.append(adopted.entry)
            return
        if head.note is not None:
            self._account.ended.append(head.note)
        lane.note, head.note = adopted, adopted.entry

    # ---- flush and the end

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything accepted before the call has found its end; False if time ran out, in seconds."""
        _fork.check()
        if self._inside == threading.get_ident():
            return False  # in a signal handler that struck in here: what it waited for would wait for it
        with self.locked():
            self._merge()
            ticket = self._account.ticket()
        try:
            self._see_off(lambda: ticket.remaining <= 0, math.inf if timeout is None else time.monotonic() + timeout)
        finally:
            with self.locked():
                self._account.tear(ticket)
        return ticket.remaining <= 0

    def _see_off(self, is_met: Callable[[], bool], ends: float) -> None:
        """Have the workers send what is asked for; where there are none, and cannot be, send it on this thread."""
        while True:
            with self.locked(), self._hurry():
                self._call_workers()
                if self._workers.count:
                    self._wait_until(lambda: is_met() or not self._workers.count, ends - time.monotonic())
                if is_met() or time.monotonic() >= ends:
                    return
                is_alone = not self._workers.count
            if is_alone:
                with within(ends):
                    self._workers.drain_here(ends, is_met)
                return

    def _call_workers(self) -> None:
        """See to it that there are workers, should the last one have died."""
        with self.locked():
            due = self.next_due()
            if due is not None:
                self._workers.call_for(due)

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        self._lanes.hurries += 1
        self._lanes.plan_all()
        try:
            yield
        finally:
            self._lanes.hurries -= 1

    def _wait_until(self, is_met: Callable[[], bool], timeout: float | None) -> bool:
        ends = float("inf") if timeout is None else time.monotonic() + timeout
        while not is_met():
            left = ends - time.monotonic()
            if left <= 0:
                return False
            self.wait(self._changed, min(left, PATIENCE))
        return True

    def close(self, timeout: float | None = None) -> None:
        """Send what is left, within a budget in seconds; the rest is counted as lost. Nothing is accepted after."""
        self._finish(timeout)
        if self._journal is not None:
            self._journal.close()

    def _finish(self, timeout: float | None = None) -> None:
        budget = self._limits.exit_timeout if timeout is None else timeout
        ends = time.monotonic() + budget
        with self.locked():
            self._is_closed = True
            self._gate.drain(time.monotonic())
        self._see_off(lambda: not self._lanes, ends)
        self._abandon()
        if self._journal is not None:
            self._settle_entries()

    def _abandon(self) -> None:
        """Count what is left as lost, but for what stands in the spool: the next process sends that."""
        with self.locked():
            left = [(lane, self._take_back(lane)) for lane in self._lanes]
            self._lanes.clear()
            self._workers.wake()
        if self._journal is not None:
            for lane, records in left:
                for record in records:
                    self._journal.keep(lane.session_id, record)
        with self.locked():
            for lane, records in left:
                lost_ones = tuple(record for record in records if record.entry is None)
                if lost_ones:
                    self._lanes.drop(lane, lost_ones, "shutdown")
        if any(record.entry is not None for _, records in left for record in records):
            warn("Recorded sessions or actions wait in the spool for the next process")
        self._losses.tell()

    def _take_back(self, lane: Lane) -> tuple[Record, ...]:
        if lane.flight is not None:
            self._account.return_(lane.flight.records)
            lane.push_back(lane.flight.records)
            lane.flight = None
        return lane.take_all()

    def end(self) -> None:
        """Do what the end of the process asks for: as `close`, but what is recorded afterwards is sent at once.

        All ends of one process have one budget: a server that is away is not waited for again and again.
        """
        _fork.check()
        if self._is_ending or self._is_closed:
            return
        self._is_ending = True
        started = time.monotonic()
        try:
            self._finish(max(0.0, self._exit_budget))
        finally:
            self._exit_budget -= time.monotonic() - started
            self._is_closed = self._is_ending = False

    def after_fork(self) -> None:
        """Begin anew in a forked child: what waits is the parent's to send."""
        self._workers.leave_to_parent()
        self._begin()
        if self._journal is not None:
            self._journal.after_fork()

    def stats(self) -> dict[str, Any]:
        """Account for every record; the counts are of one moment."""
        _fork.check()
        with self.locked():
            stats = {
                **self._account.snapshot(),
                "lanes": len(self._lanes),
                "workers": self._workers.count,
                "gate": self._gate.state,
            }
            if self._journal is not None:
                stats["spool"] = self._journal.stats()
                stats["spool"]["waiting"] += self._is_adopting
            return stats


def _in_event_loop() -> bool:
    import asyncio

    return asyncio._get_running_loop() is not None  # noqa: SLF001  (the public one raises, which costs more)
