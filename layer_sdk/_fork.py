"""Who has to begin anew in a forked child: its locks may be held by threads that it has not, its sockets are shared."""

from __future__ import annotations

import logging  # noqa: F401  (its hook locks it while a fork goes on: it must be older than ours, which then runs first)
import os
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import Any, Callable, Iterator, Protocol


class Forkable(Protocol):
    """Something that begins anew in a forked child."""

    def after_fork(self) -> None:
        """Replace locks and whatever the parent goes on using. Must not block, lock, log or start a thread."""


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_hooked: list[bool] = []
pid = os.getpid()  # of this process, as far as is known: to ask for it is a call of the system's
PATIENCE = 10.0
_gate = threading.RLock()  # held for a glance, and by a thread that forks
_forking: list[int] = []  # the thread that forks, while it has `_gate`
_importing: list[int] = []  # the threads whose imports a fork waits for


def watch(thing: Forkable) -> None:
    """Call the thing's `after_fork` in every child forked from now on, for as long as the thing is used."""
    _watched.add(thing)
    if not _hooked and hasattr(os, "register_at_fork"):  # one hook a process: it cannot be taken back
        _hooked.append(True)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)


def check() -> None:
    """Begin anew in a child whose parent forked behind Python's back, as uWSGI does. Elsewhere it costs nothing."""
    if pid != os.getpid():
        _after_fork()


@contextmanager
def postponed() -> Iterator[None]:
    """Let forks wait while something is imported inside: a child would wait for ever for a module half imported.

    Those who import do not wait for one another: a thread that records in the middle of an import of the host's, as a
    finalizer may, could hold up what the other one waits for.
    """
    me = threading.get_ident()
    if me in _importing:  # a fork that waits for this thread has the gate
        _importing.append(me)
    else:
        with _gate:
            _importing.append(me)
    try:
        yield
    finally:
        _importing.remove(me)


def _before_fork() -> None:
    me, ends = threading.get_ident(), time.monotonic() + PATIENCE
    if _gate.acquire(timeout=PATIENCE):
        _forking.append(me)
        while {*_importing} - {me} and time.monotonic() < ends:
            time.sleep(0.001)


def _after_fork_in_parent() -> None:
    me = threading.get_ident()
    if me in _forking:
        _forking.remove(me)
        _gate.release()


def _after_fork() -> None:
    global pid, _gate  # noqa: PLW0603  (there is one process)
    pid = os.getpid()
    _gate = threading.RLock()
    _forking.clear()
    _importing[:] = [each for each in _importing if each == threading.get_ident()]
    for thing in list(_watched):
        with suppress(Exception):  # one that cannot, say a host's adapter of a peculiar kind, is not to stop the others
            thing.after_fork()


class Lock:
    """A lock that is free in a forked child, whoever held it in the parent, and gevent's where gevent has come since.

    A context manager.

    Args:
        kind: `Lock` or `RLock`.
    """

    def __init__(self, kind: str = "Lock") -> None:
        self._kind = kind
        self._renew()
        watch(self)

    def _renew(self) -> None:
        self._make: Callable[[], Any] = getattr(threading, self._kind)
        self._lock = self._make()

    def after_fork(self) -> None:
        """Be free."""
        self._renew()

    def __enter__(self) -> None:
        if getattr(threading, self._kind) is not self._make:
            self._renew()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
