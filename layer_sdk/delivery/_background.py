"""Delivery in the background: intake that never waits, lanes that keep each session's order, a count of every loss."""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Callable, Iterator
from uuid import UUID, uuid4

from layer_sdk import _fork
from layer_sdk._http import within
from layer_sdk._log import guard, warn
from layer_sdk.schemas import SessionRequest

from . import _lifecycle
from ._account import Account
from ._arrivals import Arrivals, lost
from ._gate import OPEN, Gate
from ._lane import Lane
from ._limits import BLOCK, DROP_OLDEST, Limits
from ._outcome import DONE, RETRY, Outcome, judge
from ._record import Record, Waiter, tell_waiters
from ._schedule import Schedule
from ._workers import Workers

if TYPE_CHECKING:
    from layer_sdk._wire import Wire
    from layer_sdk.schemas import SessionActionRequest

    from ._journal import Journal
    from ._lane import Flight

PATIENCE = 0.5  # seconds after which one who waits looks whether there are workers still
ADOPT_INTERVAL = 60.0  # seconds between two looks for what others left
MAX_NAMES = 100_000  # sessions that the server knows by another id than ours, remembered

SessionOf = Callable[[UUID], SessionRequest]
OnDrop = Callable[[str, str, int], None]


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
        self._wire = wire
        self._session_of = session_of
        self._on_drop = on_drop
        self._names: OrderedDict[UUID, UUID] = OrderedDict()
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
        self._lanes: OrderedDict[UUID, Lane] = OrderedDict()
        self._schedule = Schedule()
        self._gate = Gate(chance)
        self._account = Account()
        self._arrivals = Arrivals(self._account, self._gate, self._session_of, chance, self._note_loss)
        self._losses: list[tuple[str, str, int]] = []
        self._hurries = 0
        self._callers = 0
        self._is_closed = False
        self._adopts_at = 0.0
        self._is_used = False
        self._is_ending = False
        self._exit_budget = self._limits.exit_timeout
        self._reporter: int | None = None
        self._workers = Workers(self, self._lock, self._limits.workers, self._limits.idle)

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
        self._callers += 1
        try:
            self._accept(session_id, Record(request, waiter))
            waiter.wait()
        finally:
            self._callers -= 1
        return self.name_of(session_id)

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""
        return self._names.get(session_id, session_id)

    def _accept(self, session_id: UUID, record: Record) -> None:
        _fork.check()
        me = threading.get_ident()
        if self._inside == me:
            # A signal handler, a __del__ or a log handler that records while this very thread is in here.
            self._side.put(partial(self._admit, session_id, record))
            return
        if not self._is_used:
            if type(self._lock) is not type(threading.RLock()):
                self._begin()  # gevent came in between: under its locks other greenlets go on, under ours none would
            self._is_used = True
            _lifecycle.hook_children()
        if self._journal is not None:
            self._journal.take(session_id, record, is_trouble=self._gate.state != OPEN)
        with self._lock:  # as `locked` does, without the price of a context manager on the host's path
            self._inside = me
            try:
                self._admit(session_id, record)
            finally:
                self._leave()
        if self._losses:
            self._report()
        if self._journal is not None:
            self._settle_entries()
        if _lifecycle.is_ending():
            self.end()
        elif not self._workers.count and not _lifecycle.is_main_alive() and self._gate.state == OPEN:
            self.flush(self._limits.exit_timeout)  # no thread can be started any more: this one sends

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
        reason = "closed" if self._is_closed else self._make_room(record.size)
        self._account.accept(record)
        lane = self._lanes.get(session_id)
        if reason is not None:
            self._drop(lane or Lane(session_id), (record,), reason)
            return
        if lane is None:
            lane = self._lanes[session_id] = Lane(session_id)
        lane.push(record)
        if not lane.is_flying:
            self._plan(lane)

    # ---- overflow

    def _make_room(self, size: int) -> str | None:
        """Make room for so many bytes; the reason to drop them where there is none."""
        most = self._limits.max_bytes - size
        if self._account.bytes <= most:
            return None
        if most < 0:
            return "too_large"
        if self._limits.overflow == DROP_OLDEST:
            while self._account.bytes > most and self._drop_oldest():
                pass
        elif self._limits.overflow == BLOCK and not _in_event_loop():
            self._wait_until(lambda: self._account.bytes <= most, self._limits.block_timeout)
        return None if self._account.bytes <= most else "overflow"

    def _drop_oldest(self) -> bool:
        """Drop all that waits in the lane that is oldest, rather than a record out of the middle of several."""
        for lane in self._lanes.values():
            if lane.records and lane.flight is None:
                self._drop(lane, lane.take_all(), "overflow")
                self._schedule.cancel(lane)
                del self._lanes[lane.session_id]
                return True
        return False

    def _drop(self, lane: Lane, records: tuple[Record, ...], reason: str) -> None:
        count = self._account.drop(records, reason)
        tell_waiters(records, error=lost(reason))
        self._note_loss(lane, count, reason)

    def _note_loss(self, lane: Lane, count: int, reason: str) -> None:
        lane.dropped += count
        self._losses.append((reason, str(lane.session_id), count))

    def _report(self) -> None:
        """Tell of losses, with no lock held: one line a minute in the log, and the host's callback for each."""
        if self._reporter == threading.get_ident():
            return  # a callback whose own records are lost: to tell it of them would never end
        with self._lock:
            losses, self._losses = self._losses, []
        outer, self._reporter = self._reporter, threading.get_ident()
        try:
            self._tell(losses)
        finally:
            self._reporter = outer

    def _tell(self, losses: list[tuple[str, str, int]]) -> None:
        totals: Counter[str] = Counter()
        for reason, _, count in losses:
            totals[reason] += count
        for reason, count in totals.items():
            if reason == "shutdown":  # a line of its own: there is nobody left to ask for the counts
                warn("%d recorded sessions or actions could not be sent in time before the end", count)
            else:
                warn("Recorded sessions or actions were lost (%s); layer.stats() has the counts", reason)
        for reason, session_id, count in losses:
            if self._on_drop is not None:
                with guard("calling on_drop"):
                    self._on_drop(reason, session_id, count)

    # ---- the schedule, for the workers; call with the lock held

    def _plan(self, lane: Lane) -> None:
        now = time.monotonic()
        waits = lane.lingers and not self._hurries and not self._is_closed
        due = max(now, lane.not_before)
        if waits:
            if lane.due is not None:
                return  # it lingers already
            due = max(due, now + self._limits.linger)
        elif lane.due is not None and lane.due <= due:
            return
        self._schedule.plan(lane, due)
        self._workers.call_for(due)

    def next_due(self) -> float | None:
        """Tell when there is something to send; None when nothing is planned."""
        due = self._schedule.first()
        return None if due is None else max(due, self._gate.opens_at)

    def take(self) -> tuple[Lane, Flight, bool]:
        """Take what is due; the flight, its lane, and whether it is the probe that everybody waits for."""
        lane = self._schedule.pop()
        is_new = lane.flight is None
        flight = lane.take_off(str(uuid4()))
        lane.is_flying = True
        if is_new:
            self._account.fly(flight.records)
        self._account.note("requests")
        return lane, flight, self._gate.enter()

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

    def fly(self, lane: Lane, flight: Flight, is_probe: bool) -> None:  # noqa: FBT001  (one of three that `take` gives)
        """Send a flight and act on what comes of it. Call without the lock."""
        lane.attempts += 1
        workers = self._workers
        given, outcome = self._attempt(flight, self.name_of(lane.session_id))
        if not self.is_served_by(workers):
            return  # a greenlet that came along into a forked child: this flight is the parent's
        with self.locked():
            self._gate.leave(was_probe=is_probe)
            lane.is_flying = False
            if given is not None and given != lane.session_id:
                self._rename(lane.session_id, given)
            if lane.flight is flight:  # else it was given up while it was under way
                self._arrivals.settle(lane, flight, outcome, is_probe=is_probe)
                self._tidy(lane)
                if self._callers and self._gate.state != OPEN:
                    self._release_callers(outcome.error)
            self._changed.notify_all()
            if is_probe:
                self._workers.wake()
        while self._arrivals.refusals:
            reason = self._arrivals.refusals.pop()
            warn("Layer refuses the credentials (%s); what is recorded waits until it takes them", reason)
        if self._losses:
            self._report()
        if self._journal is not None:
            self._settle_entries()
            self._adopt()

    def _tidy(self, lane: Lane) -> None:
        if not lane.is_empty:
            self._plan(lane)
        elif self._lanes.get(lane.session_id) is lane:
            del self._lanes[lane.session_id]

    def _release_callers(self, error: BaseException | None) -> None:
        for lane in list(self._lanes.values()):
            self._arrivals.release_callers(lane, error)
            if lane.is_empty:
                self._schedule.cancel(lane)
                del self._lanes[lane.session_id]

    def _attempt(self, flight: Flight, session_id: UUID) -> tuple[UUID | None, Outcome]:
        try:
            return self._say(flight, session_id), Outcome(DONE)
        except Exception as error:  # noqa: BLE001  (every error has its row in the table)
            return None, judge(error)
        except BaseException as error:  # noqa: BLE001  (every error has its row in the table)
            return None, Outcome(RETRY, type(error).__name__, error)

    def _say(self, flight: Flight, session_id: UUID) -> UUID:
        if isinstance(flight.request, SessionRequest):
            return self._wire.create_session(flight.request, flight.key)
        self._wire.append_action(session_id, flight.request, flight.key)
        return session_id

    def _rename(self, ours: UUID, theirs: UUID) -> None:
        self._names[ours] = theirs
        while len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    # ---- the spool

    def _settle_entries(self) -> None:
        if self._account.ended and self._journal is not None:
            with self._lock:
                entries, self._account.ended = self._account.ended, []
            self._journal.settle(entries)

    def _adopt(self) -> None:
        """Take over what dead processes left, at the start and once a minute."""
        now = time.monotonic()
        if self._journal is None or now < self._adopts_at:
            return
        self._adopts_at = now + ADOPT_INTERVAL
        with guard("adopting what a dead process left"):
            for session_id, record in self._journal.adopt():
                with self.locked():
                    self._admit(session_id, record)

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
                due = self.next_due()
                if due is not None:
                    self._workers.call_for(due)
                if self._workers.count:
                    self._wait_until(lambda: is_met() or not self._workers.count, ends - time.monotonic())
                if is_met() or time.monotonic() >= ends:
                    return
                is_alone = not self._workers.count
            if is_alone:
                with within(ends):
                    self._workers.drain_here(ends, is_met)
                return

    @contextmanager
    def _hurry(self) -> Iterator[None]:
        self._hurries += 1
        for lane in list(self._lanes.values()):
            if not lane.is_flying:
                self._plan(lane)
        try:
            yield
        finally:
            self._hurries -= 1

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
        with self.locked():
            for lane in list(self._lanes.values()):
                if lane.flight is not None:
                    self._account.return_(lane.flight.records)
                    lane.push_back(lane.flight.records)
                    lane.flight = None
                self._give_up(lane)
                self._schedule.cancel(lane)
            self._lanes.clear()
            self._workers.wake()
        self._report()

    def _give_up(self, lane: Lane) -> None:
        """Count what is left of a lane as lost, but for what stands in the spool: the next process sends that."""
        records = lane.take_all()
        if self._journal is not None:
            kept = [record for record in records if self._journal.keep(lane.session_id, record)]
            records = tuple(record for record in records if record.entry is None)
            if kept:
                warn("Recorded sessions or actions wait in the spool for the next process")
        if records:
            self._drop(lane, records, "shutdown")

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
            return {
                **self._account.snapshot(),
                "lanes": len(self._lanes),
                "workers": self._workers.count,
                "gate": self._gate.state,
                **({} if self._journal is None else {"spool": self._journal.stats()}),
            }


def _in_event_loop() -> bool:
    import asyncio

    return asyncio._get_running_loop() is not None  # noqa: SLF001  (the public one raises, which costs more)
