"""The threads that send: started at the first record, more of them while the network is slow, gone when idle."""

from __future__ import annotations

import _thread
import math
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk._log import swallow

from . import _lifecycle

if TYPE_CHECKING:
    from ._flights import Flights, Job

# Seconds that a lane may be overdue before a further worker takes it. Where answers are slow, or none of those that fly
# has come back meanwhile, they wait, and one more is of use; where answers are quick, it is in the way of the others.
GRACE = 0.02
LONG_GRACE = 0.2
GLANCE = 0.005  # seconds, over less of which it says little how busy the process was
BUSY = 0.5  # the part of one processor's time that it takes then


class Workers:
    """Daemon threads that fly; all state is guarded by the engine's lock.

    One worker takes what is due at once; another, the spare, waits beside it and takes only what is overdue, which
    happens when the first is held up by the network. Whoever leaves the spare's place makes room for the next one. All
    others rest until they are called: there is one alone that wakes to look.

    Args:
        flights: What they fly.
        limit: How many there may be.
        idle: Seconds after which one without work ends.
        attention: Seconds that what comes in may wait to be looked at.
    """

    def __init__(self, flights: Flights, limit: int, idle: float, attention: float) -> None:
        self._flights = flights
        self._work = flights.door.condition()
        self._limit = limit
        self._idle = idle
        self._attention = attention
        self._alive: set[threading.Thread] = set()
        self._idents: set[int] = set()
        self._flying = 0
        self._cannot_start = False
        self._is_looking = False  # whether one empties the inbox: it sees by itself what is due then
        self._seen = 0.0, 0.0  # the processor's time and the clock's, when somebody looked last
        self._joined = 0.0  # when one that had rested took something
        self._taken = 0.0  # when anybody did
        self._wakes: list[float] = []
        self._greenlets: list[Any] = []

    @property
    def count(self) -> int:
        """How many threads there are."""
        return len(self._alive)

    @property
    def are_short(self) -> bool:
        """Whether nobody is there to take what is planned, and nobody can come: Python may be ending."""
        return not self._alive or (self._cannot_start and self._flying == len(self._alive))

    @property
    def is_mine(self) -> bool:
        """Whether this very thread is one of them."""
        return threading.get_ident() in self._idents  # `current_thread` may take a lock of Python's

    def attend(self, *wakes: float) -> bool:
        """Say whether a worker will look into the inbox soon, in passing. Call with the lock held.

        Args:
            wakes: When those wake who are about to go to sleep, beside those that sleep.

        Returns:
            Whether that will do; else somebody has to look into it now.
        """
        soon = time.monotonic() + self._attention
        is_watched = any(wakes_at <= soon for wakes_at in (*wakes, *self._wakes))
        is_over = self._flights.is_closed or _lifecycle.is_late()
        return self._flights.inbox.attend(is_possible=is_watched and not is_over)

    def call_for(self, due: float) -> None:
        """See to it that somebody looks at what is due then. Call with the lock held."""
        if self._is_looking:
            return
        if self._wakes:
            first = min(self._wakes)
            if due < first and self._time_for(due) < first:  # the latter is no earlier, and takes longer to tell
                self._work.notify()
        elif len(self._alive) < self._limit and self._flying == len(self._alive):
            self._start()

    def wake(self) -> None:
        """Have every waiting worker look again. Call with the lock held."""
        self._work.notify_all()

    def _start(self) -> None:
        """Have a worker started, without waiting for it.

        `Thread.start` takes locks of Python's and waits for the new thread. The garbage collector may strike in that
        one before it runs, and a finalizer that records there waits for the lock that we hold; or it has struck while
        this thread holds Python's.
        """
        self._alive = {thread for thread in self._alive if thread.ident is None or thread.is_alive()}
        thread = threading.Thread(target=self._run, name=f"layer-sdk-{len(self._alive) + 1}", daemon=True)
        try:
            _thread.start_new_thread(self._bring_up, (thread,))
        except RuntimeError:  # the interpreter is ending: what waits is sent by whoever ends it
            self._cannot_start = True
            return
        self._cannot_start = False
        self._alive.add(thread)

    def _bring_up(self, thread: threading.Thread) -> None:
        """Start a worker, on a thread that holds no lock and that nobody waits for."""
        try:
            with suppress(RuntimeError):
                thread.start()
        finally:
            if thread.ident is None:
                with self._flights.door.locked():
                    self._cannot_start = True
                    self._alive.discard(thread)
                    self._flights.door.changed.notify_all()

    def leave_to_parent(self) -> None:
        """Be of a process that was forked: threads stay behind, but gevent's greenlets come along, and have to end."""
        for greenlet in self._greenlets:
            greenlet.kill(block=False)

    def _run(self) -> None:
        has_flown = False
        me = threading.get_ident()
        self._idents.add(me)
        try:
            if "gevent" in sys.modules and sys.modules["gevent"].monkey.is_module_patched("threading"):
                self._greenlets.append(sys.modules["gevent"].getcurrent())
            while self._turn(is_hot=has_flown):
                has_flown = True
        except Exception as error:  # noqa: BLE001  (a worker that dies of our mistake; the next record starts another)
            swallow("delivering", error)
        finally:
            with self._flights.door.locked():
                self._alive.discard(threading.current_thread())
                self._idents.discard(me)
                self._greenlets = [each for each in self._greenlets if each]
                self._leave()
                if has_flown:  # one that dies of its first job is not replaced at once: the next would die, too
                    self._flights.call_workers()

    def _turn(self, *, is_hot: bool) -> bool:
        door = self._flights.door
        is_needed, job = door.hold(self._next_job, is_hot)
        if job is None:
            if is_needed:
                self._flights.carrier.load()  # before anything is taken: it may be given up in the meantime
            return is_needed
        try:
            self._flights.fly(job)
        finally:
            door.hold(self._land)
        return True

    def _next_job(self, is_hot: bool) -> tuple[bool, Job | None]:  # noqa: FBT001  (what `hold` is given)
        """Wait for work, and take it; whether this worker is needed any more, and what it is to do. Call inside."""
        if self._flights.is_left or not ((is_hot and self._goes_on()) or self._wait_for_work()):
            # Now, with the lock held since it was seen that there is nothing to do: what comes next starts another.
            self._alive.discard(threading.current_thread())
            self._leave()
            return False, None
        return True, self._take() if self._flights.carrier.is_loaded else None

    def _land(self) -> None:
        self._flying -= 1

    def _take(self) -> Job:
        job = self._flights.take()
        self._taken = time.monotonic()
        self._flying += 1
        self._leave()
        self._flights.call_for_planned()  # somebody has to wait, so that whatever becomes due meanwhile is seen
        return job

    def _leave(self) -> None:
        """See to what has come in, where this thread was the only one to do so."""
        if not self.attend():
            self._flights.take_in()

    def _time_for(self, due: float) -> float:
        """Tell when a worker that rests takes what is due: while others fly, one of them may land in time."""
        if self._flying:
            patient = max(due, self._joined) + (GRACE if self._flights.is_slow else LONG_GRACE)
            due = min(patient, max(due, self._taken) + GRACE)
        return self._flights.ready_at(due)

    def _look(self) -> None:
        """Look into the inbox, and at whether the host is busy: who records in many tasks pauses between two waves."""
        self._is_looking = True
        try:
            self._flights.take_in()
        finally:
            self._is_looking = False
        cpu, now = time.process_time(), time.monotonic()
        worked, went_by = cpu - self._seen[0], now - self._seen[1]
        if went_by > GLANCE:
            self._seen = cpu, now
            if worked > BUSY * went_by:
                self._flights.lanes.note_rush(now)

    def _goes_on(self) -> bool:
        """Tell whether there is work for a worker that has just landed: much at a time costs less than one by one."""
        self._look()
        due = self._flights.next_due()
        return due is not None and due <= time.monotonic()

    def _wait_for_work(self) -> bool:
        """Wait until a lane is due; False when this worker is no longer needed."""
        ends = time.monotonic() + self._idle
        while True:
            self._look()
            due, now = self._flights.lanes.first_due(), time.monotonic()
            looks_at = math.inf if due is None else self._time_for(due)
            if looks_at <= now:
                self._joined = now
                return True
            if due is None and self._flying:
                looks_at = now + GRACE  # a lane that lands may be due again: cheaper than to be called each time
            is_spare = any(wakes_at <= looks_at for wakes_at in self._wakes)
            if self._flights.is_done():
                return False
            if now >= ends:
                if (due is None or is_spare) and (self._wakes or _lifecycle.is_main_alive()):
                    return False
                ends = now + self._idle  # the last one stays: there may be no way to start another
            # While a probe is under way, nothing is due for ever, and no lock can wait that long.
            self._sleep(ends if is_spare else min(ends, looks_at))

    def _sleep(self, until: float) -> None:
        if not self.attend(until):
            return
        self._wakes.append(until)
        try:
            self._flights.door.wait(self._work, until - time.monotonic())
        finally:
            self._wakes.remove(until)

    def drain_here(self, until: float, is_done: Callable[[], bool]) -> None:
        """Send on this thread what is due, for want of workers, until a monotonic time."""
        while time.monotonic() < until:
            with self._flights.door.locked():
                self._flights.take_in()
                if is_done():
                    return
                due = self._flights.next_due()
                job = self._flights.take() if due is not None and due <= time.monotonic() else None
            if job is not None:
                self._flights.fly(job)
            elif due is None:
                return
            else:
                time.sleep(min(0.01, max(0.0, due - time.monotonic())))
