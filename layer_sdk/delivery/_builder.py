"""Puts into words what was recorded as it was, on the threads that send. What it calls may be the host's own code."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from layer_sdk._drafts import NOT_BUILT, built_of

from ._record import Record

if TYPE_CHECKING:
    from ._record import Build

TURN = 0.2  # seconds after which what is built goes, rather than wait for all that one request could take along


class Made(NamedTuple):
    """What a record turned out to be.

    Attributes:
        records: What takes its place, in order.
        discarded: For each action that is not to be sent, the reason.
    """

    records: list[Record]
    discarded: list[str]


class Batch(NamedTuple):
    """What was built at a time.

    Attributes:
        made: What each record turned out to be.
        is_late: Whether time ran out, so that some are left to be built.
        interruption: What struck meanwhile on a thread of the host's, say Ctrl-C, to be raised there.
    """

    made: dict[Record, Made]
    is_late: bool = False
    interruption: BaseException | None = None


class Builder:
    """Builds, and knows the threads that do: one of them that waited for what is recorded would wait for itself.

    Args:
        is_worker: Tells whether this thread is a worker.
    """

    def __init__(self, is_worker: Callable[[], bool]) -> None:
        self._is_worker = is_worker
        self._threads: set[int] = set()

    @property
    def is_mine(self) -> bool:
        """Whether this very thread is in the middle of building."""
        return threading.get_ident() in self._threads

    def build(self, builds: dict[Record, Build]) -> Batch:
        """Build as many as there is time for, one at least. Call without the lock."""
        me, ends = threading.get_ident(), time.monotonic() + TURN
        # SystemExit, say, out of a `before_send`, is not to end a worker that serves others as well.
        caught = BaseException if self._is_worker() else Exception
        made: dict[Record, Made] = {}
        self._threads.add(me)
        try:
            for record, build in builds.items():
                if made and time.monotonic() >= ends:
                    return Batch(made, is_late=True)
                made[record] = Made([], [NOT_BUILT] * record.counts)  # unless it comes back
                built = built_of(build, record.counts, caught)
                records = [Record(request, None, 1, size) for request, size in built.weighed]
                made[record] = Made(records, built.discarded)
        except BaseException as error:  # noqa: BLE001  (what is built is not to be lost by it)
            return Batch(made, interruption=error)
        finally:
            self._threads.discard(me)
        return Batch(made)
