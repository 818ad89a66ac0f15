"""The journal on disk of what waits for delivery: what a process leaves behind when it dies, the next one sends.

Each process appends to segments of its own, which it keeps locked for life. A segment that can be locked is that of a
dead process: whoever locks it adopts its records. In the folder that the host names, every scope has one of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Iterable, NamedTuple

from ._ledger import Entry, Ledger, Token
from ._news import News
from ._segment import (
    ACKNOWLEDGEMENT_ROOM,
    FRAME,
    HEADER,
    RECORD,
    Found,
    Listed,
    Segment,
    SpoolError,
    close_strays,
    create,
    entries,
    new_owner,
    open_scope,
    owner_of,
    purge,
    sizes,
)

__all__ = ["Adopted", "Entry", "Listed", "Spool", "SpoolError", "Token", "entries", "purge"]

MAX_BYTES = 256 * 1024 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024
LOOK = 0.05  # seconds between two looks whether the file is still in its folder
RETRY = 30.0  # seconds between two tries of a spool that cannot be written

# What passes by itself. Everything else that keeps us from opening a folder is a mistake in the settings.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


class Adopted(NamedTuple):
    """A record that a dead process left, and the token that `Spool.release` takes when its end is found."""

    payload: bytes
    token: Token

    def __repr__(self) -> str:
        return f"<{len(self.payload)} bytes of {self.token}>"  # what they say is nobody's to see


class Spool:
    """Keeps payloads on disk until they are settled. Once it is open, no method raises. Thread-safe.

    A thread that comes back in the middle of a method, as a signal handler or a finalizer does, is turned away.
    A warning is logged on the caller's thread: hold no lock that a handler of the host's logging could wait for.

    Args:
        directory: The folder of all scopes; it is made if it is missing.
        scope: What a process must share with a dead one to adopt its records, such as server and application.
        max_bytes: The most that the scope may take on disk.
        fsync: `none` outlives the process; `always` waits for the disk at every write and outlives the machine.
        clock: A monotonic clock in seconds.

    Raises:
        SpoolError: The folder cannot be used, or is not private.
    """

    def __init__(
        self,
        directory: Path,
        scope: str,
        max_bytes: int = MAX_BYTES,
        *,
        fsync: str = "none",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(directory).absolute() / hashlib.sha256(scope.encode()).hexdigest()[:32]
        self._max_bytes = max_bytes
        # Room comes back a segment at a time, so there are to be several below the cap.
        self._segment_bytes = min(SEGMENT_BYTES, max_bytes // 8)
        self._is_synced = fsync == "always"
        self._clock = clock
        self._folder = -1
        self._next = 1
        self._stamp = 0
        self._is_closed = False
        self._strange: set[str] = set()
        self._start_over()
        try:
            self._reopen()
        except SpoolError:
            raise
        except OSError as error:
            if error.errno not in _PASSING:
                raise SpoolError(f"The spool folder {self._path} cannot be opened: {_why(error)}") from error
            self._fail(error)
            self._news.tell()

    def _start_over(self) -> None:
        self._owner = new_owner()
        self._lock = threading.RLock()
        self._is_inside = False
        self._is_opening = False
        self._segments: dict[str, Segment] = {}
        self._ledger = Ledger()
        self._current: Segment | None = None
        self._held = self._others = self._other_segments = self._waiting = 0
        self._counts = dict.fromkeys(("written", "adopted", "torn_tails", "errors"), 0)
        self._state, self._reason = "ok", ""
        self._retry_at = self._looks_at = float("-inf")
        self._news = News()

    def write(self, payload: bytes, kind: int = RECORD, *, is_quiet: bool = False) -> int | None:
        """Append a record, or a note about records.

        Args:
            payload: What it holds.
            kind: `RECORD` or `NOTE`.
            is_quiet: The caller holds a lock: leave a warning to the next call that may log, and wait for no thread.

        Returns:
            Its number, for `settle`; None where it cannot be written now.
        """
        number = None
        try:
            if is_quiet:
                return self._write_at_once(payload, kind)
            with self._lock:
                number = self._write(payload, kind)
        except Exception as error:  # noqa: BLE001  (the host comes first)
            self._news.add_error("writing to the spool", error)
        if not is_quiet:
            self._news.tell()
        return number

    def mark(self, entries: Iterable[Entry]) -> None:
        """Say that records have found their end, for the next `settle`. Does no I/O."""
        self._ledger.done.extend(entries)

    def settle(self, entries: Iterable[Entry] = ()) -> None:
        """Forget records that have found their end, by the numbers of `write` and the tokens of `adopt`.

        It logs nothing, as the caller may hold a lock; what cannot be noted now is noted by the next call.
        """
        try:
            self._ledger.done.extend(entries)
            with self._lock:
                finished = self._settle()
            if finished:
                self._remove(finished)
        except Exception as error:  # noqa: BLE001  (the host comes first)
            self._news.add_error("settling in the spool", error)

    def release(self, *tokens: Token) -> None:
        """Forget adopted records that have found their end."""
        self.settle(tokens)

    def read(self, entries: Iterable[Entry]) -> list[bytes | None]:
        """Read records again that are not settled; None stands for one that cannot be read."""
        found: list[bytes | None] = []
        for entry in entries:
            payload = None
            try:
                with self._lock:  # one at a time: a host's call that writes is not to wait for all of them
                    segment, offset, _ = self._ledger.homes[entry]
                    payload = segment.read(offset, entry if isinstance(entry, int) else entry[1])
            except (KeyError, OSError):
                self._counts["errors"] += 1
            found.append(payload)
        return found

    def adopt(self, max_bytes: int | None = None) -> list[Adopted]:
        """Take over what dead processes left, the oldest first. It is ours alone until it is released, or we die.

        What one process left goes to one adopter in its order: where the first of its segments is somebody's, or
        cannot be read for the moment, the later ones are left alone, too.

        Args:
            max_bytes: Take no further segment once so much is taken; the rest is for the next call, or for others.
        """
        adopted: list[Adopted] = []
        taken = waiting = 0
        barred: set[str] = set()
        try:
            names = self._left_behind()
            for name in names:
                if owner_of(name) in barred:
                    continue
                if max_bytes is not None and taken >= max_bytes:
                    waiting += 1
                    continue
                found = self._adopt(name)
                if found is None:
                    barred.add(owner_of(name))
                    continue
                adopted += found
                taken += sum(len(each.payload) for each in found)
            if names:
                with self._lock:
                    self._measure()
        except OSError:
            self._counts["errors"] += 1
        except Exception as error:  # noqa: BLE001  (the host comes first)
            self._news.add_error("adopting from the spool", error)
        # Who asks as long as something waits would ask for ever, if what cannot be taken now were counted.
        self._waiting = waiting if adopted else 0
        self._news.tell()
        return adopted

    def after_fork_in_child(self) -> None:
        """Leave everything to the parent. Takes no lock: the thread that holds it is not here to give it back."""
        inherited, was_opening = list(self._segments.values()), self._is_opening
        self._start_over()
        for segment in inherited:
            segment.close()
        if was_opening:
            close_strays(self._path)

    def stats(self) -> dict[str, Any]:
        """Account for it: bytes and segments are those of the scope, as far as known; the rest is of this process.

        What waits are segments of dead processes that nobody has adopted yet, when the last look was taken.
        The state is `ok`, `full`, `broken` (the reason says why) or `closed`.
        """
        with self._lock:
            return {
                "state": "closed" if self._is_closed else self._state,
                "reason": self._reason,
                "bytes": self._held + self._others,
                "segments": len(self._segments) + self._other_segments,
                "waiting": self._waiting,
                "settled": self._ledger.settled,
                **self._counts,
            }

    def close(self) -> None:
        """Leave what is not settled to the next process."""
        self.settle(())
        with self._lock:
            self._is_closed = True
            if self._is_inside:
                return  # in the middle of a write: its descriptor could become that of somebody else's file
            self._remove([segment for segment in self._segments.values() if not segment.pending])
            for segment in list(self._segments.values()):
                self._forget(segment)
            self._ledger.homes.clear()
            self._current = None
            folder, self._folder = self._folder, -1
            with suppress(OSError):
                os.close(folder)
        self._news.tell()

    def _write_at_once(self, payload: bytes, kind: int) -> int | None:
        if not self._lock.acquire(blocking=False):
            return None  # whoever has it may wait for what our caller has
        try:
            return self._write(payload, kind)
        finally:
            self._lock.release()

    def _write(self, payload: bytes, kind: int) -> int | None:
        if self._is_inside:
            return None
        self._is_inside = True
        try:
            if self._accepts(len(payload)):
                return self._append(payload, kind)
        except OSError as error:
            self._fail(error)
        finally:
            self._is_inside = False
        return None

    def _accepts(self, size: int) -> bool:
        if self._is_closed or (self._state == "broken" and self._clock() < self._retry_at):
            return False
        if not self._has_room(size) and self._clock() >= self._retry_at:
            self._retry_at = self._clock() + RETRY
            self._measure()
        if self._has_room(size):
            return True
        if self._state != "full":
            self._state, self._reason = "full", f"{self._max_bytes} bytes"
            self._news.add("The spool is full (%s): until it is emptied, records are in memory only", self._reason)
        return False

    def _has_room(self, size: int) -> bool:
        # What will settle each record must fit, too: otherwise a full spool could not be emptied.
        needed = len(HEADER) + FRAME + size + ACKNOWLEDGEMENT_ROOM * (1 + len(self._ledger))
        return self._held + self._others + needed <= self._max_bytes

    def _append(self, payload: bytes, kind: int) -> int:
        segment = self._current
        if segment is None or segment.size >= self._segment_bytes:
            segment = self._begin()
        elif self._clock() >= self._looks_at:  # not each time: it costs a third of a write
            if not segment.is_linked:
                raise FileNotFoundError(errno.ENOENT, "the folder or its files were deleted")
            self._looks_at = self._clock() + LOOK
        number, offset = self._next, segment.size
        self._held += segment.append(kind, number, payload)
        if self._is_synced:
            segment.sync()
        self._next = number + 1
        self._ledger.homes[number] = segment, offset, kind
        segment.pending += 1
        self._counts["written"] += kind == RECORD
        self._state, self._reason = "ok", ""
        return number

    def _begin(self) -> Segment:
        self._current = None
        if self._folder < 0 or self._state == "broken":
            self._reopen()
        self._measure()
        self._is_opening = True
        self._stamp, segment = create(self._folder, self._stamp, self._owner)
        self._hold(segment)
        self._is_opening = False
        self._current = segment
        if self._is_synced:
            os.fsync(self._folder)
        return segment

    def _reopen(self) -> None:
        previous, self._folder = self._folder, open_scope(self._path)
        if previous >= 0:
            os.close(previous)

    def _measure(self) -> None:
        others = [size for name, size in sizes(self._folder).items() if name not in self._segments]
        self._others, self._other_segments = sum(others), len(others)
        self._held = sum(segment.size for segment in self._segments.values())

    def _fail(self, error: OSError) -> None:
        self._counts["errors"] += 1
        self._retry_at = self._clock() + RETRY
        current, self._current = self._current, None  # the next try is on a new file
        if current is not None and not current.pending:
            self._remove([current])
        if self._state != "broken":
            self._news.add("The spool cannot be written (%s): records are in memory only", _why(error))
        self._state, self._reason = "broken", _why(error)

    def _settle(self) -> list[Segment]:
        """Note what is done, and give the segments to delete."""
        if self._is_inside:
            return []  # the next call sees to it
        self._is_inside = True
        try:
            return [segment for segment in self._ledger.collect() if self._mark(segment)]
        finally:
            self._is_inside = False

    def _mark(self, segment: Segment) -> bool:
        before = segment.size
        try:
            self._ledger.pay(segment, is_current=segment is self._current)
        except OSError:
            self._counts["errors"] += 1
            if segment is self._current:
                self._current = None
        self._held += segment.size - before
        return not segment.pending and segment is not self._current

    def _remove(self, finished: list[Segment]) -> None:
        for segment in finished:  # `settle` does it without the lock, as it may take milliseconds
            try:
                segment.remove(self._folder)
            except OSError:
                self._counts["errors"] += 1
                with suppress(OSError):
                    segment.empty()
        with self._lock:
            for segment in finished:
                self._forget(segment)

    def _hold(self, segment: Segment) -> None:
        self._segments[segment.name] = segment
        self._held += segment.size

    def _forget(self, segment: Segment) -> None:
        # In this order: a child that is forked in between must not close what is another file's descriptor by then.
        if self._segments.pop(segment.name, None) is not None:
            self._held -= segment.size
            self._ledger.forget(segment)
            segment.let_go()

    def _left_behind(self) -> list[str]:
        with self._lock:
            if self._is_inside or self._is_closed:
                return []
            return [name for name in sizes(self._folder) if name not in self._segments and name not in self._strange]

    def _adopt(self, name: str) -> list[Adopted] | None:
        """Adopt one segment; None where the later ones of its owner have to wait."""
        segment = None
        try:
            with self._lock:
                self._is_opening = True
                segment = Segment.seize(self._folder, name)
                if segment is not None:
                    self._hold(segment)
                self._is_opening = False
            if segment is None:
                return None
            records, lost = segment.recover()  # without the lock, as it reads megabytes
        except OSError as error:
            self._leave_alone(name, segment, error)
            return None if error.errno in _PASSING else []
        if not self._take_in(segment, records, lost):
            return []
        return [Adopted(found.payload, (name, number)) for number, found in records.items()]

    def _take_in(self, segment: Segment, records: dict[int, Found], lost: int) -> bool:
        with self._lock:
            if segment.name not in self._segments:
                return False  # closed in the meantime
            for number, found in records.items():
                self._ledger.homes[segment.name, number] = segment, found.offset, found.kind
                self._counts["adopted"] += found.kind == RECORD
            self._counts["torn_tails"] += lost > 0
        if lost:
            self._news.add("The end of a spool segment was damaged: %d bytes were cut", lost)
        if not segment.pending:
            self._remove([segment])
        return True

    def _leave_alone(self, name: str, segment: Segment | None, error: OSError) -> None:
        with self._lock:
            self._counts["errors"] += 1
            if segment is not None:
                self._forget(segment)
            if error.errno not in _PASSING:
                self._counts["torn_tails"] += segment is not None
                self._strange.add(name)
        self._news.add("A file in the spool was left alone (%s): %s", _why(error), name)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
