"""What a host process has of the harness: a place to note what was accepted, and a watchdog. Runs on Python 3.8.

`from chaos.chaos_guest import accepted`, then `accepted.note(number)` for each thing that was accepted. What was noted
is in the page cache: it outlives the process, whatever ends it. Each process has a file of its own, a forked child too.

The watchdog (`watch`) ends a process that hangs, and shows what its threads were doing. It has to be lifted before a
fork and set again after it: the child has no watchdog thread, and when it ends would wait for that thread for ever.
"""

from __future__ import annotations

import faulthandler
import itertools
import mmap
import os
import signal
import time
import warnings
from pathlib import Path

FOLDER = "CHAOS_ACCEPTED"
CAPACITY = "CHAOS_CAPACITY"
GUARD = "CHAOS_GUARD"
SESSION_BITS = 24
NUMBER_BITS = 64 - SESSION_BITS


class _File:
    """The slots of one process. A slot holds 0 until it is filled."""

    def __init__(self, path: Path, capacity: int) -> None:
        descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(descriptor, capacity * 8)
        self._slots = memoryview(mmap.mmap(descriptor, capacity * 8)).cast("Q")
        os.close(descriptor)
        self._next = itertools.count()  # `next` of it cannot be interrupted, not even by a signal handler

    def put(self, value: int) -> None:
        self._slots[next(self._next)] = value  # one store of eight bytes: there or not there


class Accepted:
    """Notes what was accepted. Safe in threads, signal handlers and forked children: it has no lock."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}

    def note(self, number: int, session: int = 0) -> None:
        """Write down that this number of this session was accepted; it is safe when this returns."""
        pid = os.getpid()
        file = self._files.get(pid) or self._files.setdefault(pid, self._open(pid))
        file.put((session << NUMBER_BITS) + number + 1)

    @staticmethod
    def _open(pid: int) -> _File:
        return _File(Path(os.environ[FOLDER], str(pid)), int(os.environ[CAPACITY]))


accepted = Accepted()


def watch() -> None:
    """End this process, with the stacks of its threads on stderr, when it has lived too long; show them on SIGUSR1.

    Without a guard of seconds there is no watchdog, for those who fork behind Python's back.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job hands that down
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not float(os.environ.get(GUARD, "60")):
        return
    end = time.monotonic() + float(os.environ.get(GUARD, "60"))

    def arm(share: float = 1.0) -> None:
        faulthandler.dump_traceback_later(max(0.1, share * (end - time.monotonic())), exit=True)

    arm()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    os.register_at_fork(
        before=faulthandler.cancel_dump_traceback_later,
        after_in_parent=arm,
        after_in_child=lambda: arm(0.8),  # its parent is to see it end
    )
    # Python 3.12 and later warn of every fork, because the watchdog is a thread.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
