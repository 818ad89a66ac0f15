"""Delivery in the background: intake that never waits, lanes that keep each session's order, a count of every loss."""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from layer_sdk import _fork
from layer_sdk._drafts import built_of
from layer_sdk._ids import id_of
from layer_sdk._log import guard, warn

from . import _lifecycle
from ._arrivals import lost
from ._carrier import Carrier
from ._flights import PATIENCE, Flights
from ._gate import OPEN
from ._inbox import MOST
from ._lane import Lane
from ._limits import BLOCK, DROP_OLDEST, Limits
from ._record import ABSENT, Note, Record, Waiter

if TYPE_CHECKING:
    from layer_sdk._ids import Session
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._carrier import LateWire
    from ._flights import SessionOf
    from ._journal import Journal
    from ._lane import Flight
    from ._losses import OnDrop
    from ._record import Build

ADOPT_INTERVAL = 60.0  # seconds between two looks for what others left, when there was nothing
ADOPT_BYTES = 4 * 1024 * 1024  # taken over at a time: a host's `init` may wait for it


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
        wire: LateWire,
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
        self._pid = os.getpid()
        self._flights = Flights(
            self._carrier,
            self._session_of,
            self._limits,
            admit=self._admit,
            on_drop=self._on_drop,
            journal=self._journal,
            on_landed=self._adopt,
        )
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

    def append(self, session_id: UUID, request: SessionActionRequest, size: int | None = None) -> None:
        """Take an action of a session."""
        self._accept(session_id, Record(request, size=size))

    def append_later(self, session: Session, size: int, build: Build, *, opens: bool = False, counts: int = 1) -> None:
        """Take what a worker is to put into words; with a spool it is written first, so that has to be done now."""
        flights = self._flights
        inbox = flights.inbox
        is_light = size <= inbox.largest and len(inbox.items) < MOST
        if inbox.is_attended and is_light and self._pid == _fork.pid and flights.door.is_clear():
            inbox.items.append((session, size, build, opens, counts, time.monotonic()))
            if not inbox.is_attended:  # not any more
                self._empty_inbox()  # type: ignore[unreachable]  # (another thread has come between)
            return
        session_id = id_of(session)
        if self._journal is None:
            self._accept(session_id, Record(ABSENT, size=size, build=build, opens=opens, counts=counts))
            return
        built = built_of(build, counts)
        for request, weight in built.weighed:
            self._accept(session_id, Record(request, size=weight))
        for reason in built.discarded:
            self.discard(session_id, reason)

    def _empty_inbox(self) -> None:
        flights = self._flights
        if flights.door.do(flights.take_in):
            self._after_intake(flights)

    def discard(self, session_id: UUID, reason: str) -> None:
        """Count an action that is not to be sent."""
        _fork.check()
        flights = self._flights
        if flights.door.do(flights.discard, session_id, reason):
            flights.tell()

    def has_waiting(self, session_id: UUID) -> bool:
        """Tell whether something of a session is on its way, so that an explicit call has to queue behind it."""
        flights = self._flights
        if flights.door.is_mine or flights.builder.is_mine or self._pid != os.getpid():
            return False  # in the first two cases, to queue would be to wait for itself
        with flights.door.locked():
            flights.take_in()
            return session_id in flights.lanes

    def call(self, session_id: UUID, request: SessionRequest | SessionActionRequest) -> UUID:
        """Send behind what waits in the session's lane and wait for the answer; what goes wrong is raised."""
        flights = self._flights
        if flights.gate.is_shut(time.monotonic()):
            raise lost(f"{flights.gate.state}: what the session recorded before waits as well")
        waiter = Waiter()
        with flights.door.locked():
            flights.callers += 1
        try:
            self._accept(session_id, Record(request, waiter))
            while not waiter.wait(PATIENCE):
                flights.call_workers()
                if flights.gate.is_shut(time.monotonic()):  # it may have been shut before we came in
                    flights.release_callers()
        finally:
            with flights.door.locked():
                flights.callers -= 1
        waiter.result()
        return self.name_of(session_id)

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""
        return self._carrier.name_of(session_id)

    def _accept(self, session_id: UUID, record: Record) -> None:
        # What is asked here, and called, is felt in each call of the host's: it is asked in as few steps as can be.
        _fork.check()
        if not self._is_used:
            self._use()
        flights = self._flights
        if self._journal is not None:
            self._write_ahead(self._journal, session_id, record)
        # A signal handler, a __del__ or a log handler may record while this thread is in there: then it is put off.
        if flights.door.do(self._admit_behind, session_id, record):
            self._after_intake(flights)

    def _after_intake(self, flights: Flights) -> None:
        if flights.losses.untold or flights.account.ended:
            flights.tell()
        if _lifecycle.is_late():
            self._accept_late()

    def _use(self) -> None:
        """Look around before the first record of a process: what has come since `init`?"""
        if self._flights.door.is_mine:
            return
        if self._flights.door.is_outdated:
            self._begin()
        self._is_used = True
        _lifecycle.hook_children()

    def _accept_late(self) -> None:
        """See to it that what was taken is sent, when nobody may come any more to do so."""
        flights = self._flights
        if _lifecycle.is_ending():
            self.end()
        elif not flights.workers.count and not _lifecycle.is_main_alive() and flights.gate.state == OPEN:
            self.flush(self._limits.exit_timeout)  # no thread can be started any more: this one sends

    def _write_ahead(self, journal: Journal, session_id: UUID, record: Record) -> None:
        is_trouble = self._flights.gate.state != OPEN or self._is_half_full(0)
        journal.take(session_id, record, is_trouble=is_trouble, is_quiet=self._flights.door.is_mine)

    def _admit_behind(self, session_id: UUID, record: Record) -> None:
        """Admit a record behind all that came before it."""
        flights = self._flights
        if flights.inbox.items:
            flights.take_in()
        self._admit(session_id, record)
        flights.inbox.mind_room()

    def _admit(self, session_id: UUID, record: Record, came: float | None = None) -> None:
        flights, account = self._flights, self._flights.account
        if record.entry is not None and self._is_half_full(record.size):
            record.park()
        is_full = account.bytes + record.size > self._limits.max_bytes and not record.was_adopted
        reason = self._make_room(record.size) if is_full else None
        try:
            account.accept(record)
            if reason is None and not flights.is_closed:
                flights.lanes.push(session_id, record, came)
            else:
                self._turn_away(session_id, record, reason)
        except BaseException:  # out of a signal handler: what is counted has to be somewhere
            if record.sequence:
                self._save(session_id, record, came)
            raise

    def _save(self, session_id: UUID, record: Record, came: float | None) -> None:
        """See to a record whose admission was interrupted: whoever recorded it earlier has gone on."""
        flights = self._flights
        lane = flights.lanes.get(session_id)
        if lane is not None and record in lane.records:
            flights.lanes.plan(lane)
        elif came is not None:
            flights.lanes.push(session_id, record, came)
        else:
            flights.account.drop((record,), "interrupted")

    def _turn_away(self, session_id: UUID, record: Record, reason: str | None) -> None:
        """Put a record where it goes instead of its lane, unless it comes from what is being built to the end."""
        flights = self._flights
        reason = reason if flights.takes_more else "closed"
        if record.entry is not None and not flights.takes_more:
            flights.account.leave((record,))  # it stays where it is, for the next process
        elif reason is not None:
            lane = flights.lanes.get(session_id) or Lane(session_id)
            flights.lanes.drop(lane, (record,), reason)
        else:
            flights.lanes.push(session_id, record)

    # ---- overflow

    def _make_room(self, size: int) -> str | None:
        """Make room for so many bytes; the reason to drop them where there is none."""
        flights, account = self._flights, self._flights.account
        most = self._limits.max_bytes - size
        if most < 0:
            return "too_large"
        if self._limits.overflow == DROP_OLDEST:
            while account.bytes > most and flights.lanes.drop_oldest():
                pass
        elif self._limits.overflow == BLOCK and not flights.workers.is_mine and not _in_event_loop():
            flights.wait_until(lambda: account.bytes <= most, self._limits.block_timeout)
        return None if account.bytes <= most else "overflow"

    def _is_half_full(self, size: int) -> bool:
        """Tell whether so many more bytes are too many to keep in memory what is on disk as well."""
        return self._flights.account.bytes + size > self._limits.max_bytes // 2

    # ---- what dead processes left

    def _adopt(self) -> None:
        """Take over some of what dead processes left, while there is room; more of it after the next flight."""
        if self._journal is None:
            return
        flights, now = self._flights, time.monotonic()
        with flights.door.locked():
            if self._is_adopting or flights.is_closed or now < self._adopts_at or self._is_half_full(0):
                return
            self._is_adopting = True
        found: list[tuple[UUID, Record | Note]] = []
        try:
            with guard("adopting what a dead process left"):
                found = self._journal.adopt(ADOPT_BYTES)
                while not found and self._journal.has_waiting:
                    found = self._journal.adopt(ADOPT_BYTES)
            with flights.door.locked():
                if not flights.is_closed:  # else it waits on disk for the next process
                    for session_id, each in found:  # all at once: a note comes behind the records that it is about
                        self._take_in(session_id, each)
            flights.tell()
        finally:
            self._adopts_at = now if self._journal.has_waiting else now + ADOPT_INTERVAL
            self._is_adopting = False

    def _take_in(self, session_id: UUID, adopted: Record | Note) -> None:
        if isinstance(adopted, Record):
            self._admit(session_id, adopted)
            return
        lane = self._flights.lanes.get(session_id)
        head = None if lane is None or lane.flight is not None or not lane.records else lane.records[0]
        if lane is None or head is None or head.key != adopted.first:
            self._flights.account.ended.append(adopted.entry)
            return
        if head.note is not None:
            self._flights.account.ended.append(head.note)
        lane.note, head.note = adopted, adopted.entry

    # ---- flush and the end

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything accepted before the call has found its end; False if time ran out, in seconds."""
        _fork.check()
        flights = self._flights
        if flights.door.is_mine or flights.builder.is_mine:
            return False  # in a signal handler that struck in here, or in `before_send`: what it waited for would wait
        with flights.door.locked():
            flights.take_in()
            flights.door.merge()
            ticket = flights.account.ticket()
        try:
            flights.see_off(lambda: ticket.remaining <= 0, math.inf if timeout is None else time.monotonic() + timeout)
        finally:
            with flights.door.locked():
                flights.account.tear(ticket)
            self._settle()
        return ticket.remaining <= 0

    def _settle(self) -> None:
        """See to it that what has found its end is not sent again by another process, even if this one ends now."""
        self._flights.tell()
        if self._journal is not None:
            self._journal.settle()

    def close(self, timeout: float | None = None) -> None:
        """Send what is left, within a budget in seconds; the rest is counted as lost. Nothing is accepted after."""
        self._finish(self._limits.exit_timeout if timeout is None else timeout)
        if self._journal is not None:
            self._journal.close()

    def _finish(self, budget: float) -> None:
        flights, ends = self._flights, time.monotonic() + budget
        flights.drain()
        flights.see_off(lambda: not flights.lanes, ends)
        self._abandon()
        self._settle()

    def _abandon(self) -> None:
        """Count what is left as lost, but for what stands in the spool: the next process sends that."""
        flights, has_kept = self._flights, False
        left = flights.take_back()
        for lane, flight, records in left:
            self._keep(lane.session_id, flight, records)
        with flights.door.locked():
            for lane, _, records in left:
                kept = tuple(record for record in records if record.entry is not None)
                gone = tuple(record for record in records if record.entry is None)
                flights.account.leave(kept)
                has_kept = has_kept or bool(kept)
                if gone:
                    flights.lanes.drop(lane, gone, "shutdown")
        if has_kept:
            warn("Recorded sessions or actions wait in the spool for the next process")

    def _keep(self, session_id: UUID, flight: Flight | None, records: tuple[Record, ...]) -> None:
        """Write what is left of a lane, and how what was sent without an answer is to be repeated."""
        if self._journal is None:
            return
        if flight is not None and not flight.creates:
            flight.records[0].key = flight.key if flight.is_as_written else None
        self._journal.keep_all(session_id, records)
        if flight is not None:
            self._journal.note(session_id, flight)

    def end(self, budget: float = math.inf) -> None:
        """Do what the end of the process asks for: as `close`, but what is recorded afterwards is sent at once.

        All ends of one process have one budget: a server that is away is not waited for again and again.
        """
        _fork.check()
        if self._is_ending or self._flights.is_closed:
            return
        self._is_ending = True
        started = time.monotonic()
        try:
            self._finish(max(0.0, min(self._exit_budget, budget)))
        finally:
            self._exit_budget -= time.monotonic() - started
            self._flights.is_closed = self._flights.is_over = self._is_ending = False

    def after_fork(self) -> None:
        """Begin anew in a forked child: what waits is the parent's to send."""
        self._flights.is_left = True
        self._flights.workers.leave_to_parent()
        self._begin()
        if self._journal is not None:
            self._journal.after_fork()

    def stats(self) -> dict[str, Any]:
        """Account for every record; the counts are of one moment."""
        _fork.check()
        flights = self._flights
        # The spool has a lock of its own, which is never waited for inside. First: what it adopts meanwhile is counted.
        spool = None if self._journal is None else self._journal.stats()
        with flights.door.locked():
            flights.take_in()
            stats = {
                **flights.account.snapshot(),
                "lanes": len(flights.lanes),
                "workers": flights.workers.count,
                "gate": flights.gate.state,
            }
            if spool is not None:
                stats["spool"] = {**spool, "waiting": spool["waiting"] + self._is_adopting}
            return stats


def _in_event_loop() -> bool:
    import asyncio

    return asyncio._get_running_loop() is not None  # noqa: SLF001  (the public one raises, which costs more)
