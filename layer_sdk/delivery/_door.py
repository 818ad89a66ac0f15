"""The engine's lock, for threads that may come upon it again while they are inside."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, Callable, Iterator, TypeVar

T = TypeVar("T")


class Door:
    """One lock, and a place for what comes in by surprise while its thread holds it.

    A signal handler, a finalizer or a log handler runs wherever its thread stands: in the middle of a change, too. What
    it brings is put aside, and has its turn before the lock is let go.

    Attributes:
        changed: Notified when something has found its end.
        is_clear: Tells whether nothing is put aside.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside: int | None = None
        self._side: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.is_clear = self._side.empty
        self.changed = threading.Condition(self._lock)

    @property
    def is_outdated(self) -> bool:
        """Whether gevent came since: under its locks other greenlets go on, under those of before none would."""
        return type(self._lock) is not type(threading.RLock())

    @property
    def is_mine(self) -> bool:
        """Whether this very thread is inside: to wait would be to wait for itself."""
        # An exception out of a signal handler may have left the mark behind: then the lock is free.
        return self._inside == threading.get_ident() and self._lock._is_owned()  # type: ignore[attr-defined]  # noqa: SLF001

    def condition(self) -> threading.Condition:
        """Make a condition of the lock."""
        return threading.Condition(self._lock)

    def do(self, work: Callable[..., None], *arguments: Any) -> bool:
        """Do something inside: as `locked` does, without the price of a context manager on the host's path.

        Returns:
            Whether it is done; else this thread is inside already, and does it before it comes out.
        """
        me = threading.get_ident()
        if self._inside == me and self.is_mine:
            self._side.put(partial(work, *arguments))
            return False
        with self._lock:
            self._inside = me
            try:
                work(*arguments)
            finally:
                self._inside = None
                if not self._side.empty():
                    self._leave()
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; what this thread puts aside meanwhile is done before it is let go."""
        with self._lock:
            me = threading.get_ident()
            outer, self._inside = self._inside if self._inside == me else None, me
            try:
                yield
            finally:
                if outer is None:
                    self._leave()
                self._inside = outer

    def hold(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something with the lock held, and give what it gives: as `locked` does, at a fifth of its price."""
        with self._lock:
            me = threading.get_ident()
            outer, self._inside = self._inside if self._inside == me else None, me
            try:
                return work(*arguments)
            finally:
                if outer is None:
                    self._leave()
                self._inside = outer

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait on a condition of the lock, which this thread holds."""
        outer, self._inside = self._inside, None
        try:
            if self._side.empty():  # else something that came in meanwhile may be due earlier
                condition.wait(seconds)
        finally:
            self._inside = outer
            self.merge()

    def merge(self) -> None:
        """Do what was put aside. Call inside."""
        while not self._side.empty():
            self._side.get()()

    def _leave(self) -> None:
        """Do what was put aside while this thread was in here; what it brings from now on finds the door open."""
        self._inside = None
        while not self._side.empty():
            self._inside = threading.get_ident()
            try:
                self.merge()
            finally:
                self._inside = None
