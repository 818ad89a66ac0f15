"""What waits to be delivered: one session or action, frozen when it was recorded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple

from layer_sdk import schemas
from layer_sdk._drafts import Built
from layer_sdk._plain import weigh

if TYPE_CHECKING:
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

OVERHEAD = 450  # bytes of memory that a record takes beside its contents: the objects around it
LANE = 950  # and what the lane takes that a new session begins

Build = Callable[[], Built]


class Waiter:
    """Carries the end of one record to the thread that waits for it."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._value: Any = None

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        """Tell how it ended."""
        self._value, self._error = value, error
        self._ended.set()

    def wait(self, timeout: float) -> bool:
        """Wait for the end so many seconds at most; tell whether it came."""
        return self._ended.wait(timeout)

    def result(self) -> Any:
        """Give the value that it ended with, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._value


class Record:
    """One session or action on its way.

    Attributes:
        request: What is to be sent; nobody but the engine changes it any more. None while it is on disk alone, or has
            still to be built.
        build: Makes the requests that take its place, on a worker; None where the request is there.
        size: The bytes of memory that it takes.
        opens: Whether it is a session's beginning.
        waiter: Who waits for its end, if somebody does.
        counts: How many it is: 0 for what the engine adds by itself and nobody accepted, 2 where it is still to be
            built and will be a session's beginning and an action.
        sequence: Its place in the order of acceptance, from 1; 0 before it, and when it has found its end.
        was_cut: Whether its long texts were shortened for a server that found it too large.
        entry: Its number in the spool, if it stands there.
        key: The Idempotency-Key of an append of it, if it has to outlive the process.
        note: In the spool, what the request was that took the session along; see `Note`.
        gap: How many records were lost right before it.
        was_adopted: Whether a dead process had it, which may have sent it.
        parked: The bytes that it takes when it is in memory, while it is on disk alone; else 0.
    """

    __slots__ = (
        "build",
        "counts",
        "entry",
        "gap",
        "key",
        "note",
        "opens",
        "parked",
        "request",
        "sequence",
        "size",
        "waiter",
        "was_adopted",
        "was_cut",
    )

    # By their places where there are many: names take half as long again.
    def __init__(  # noqa: PLR0917
        self,
        request: SessionRequest | SessionActionRequest,
        waiter: Waiter | None = None,
        counts: int = 1,
        size: int | None = None,
        build: Build | None = None,
        opens: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        self.request = request
        self.build = build
        self.opens = opens or (request is not None and isinstance(request, schemas.SessionRequest))
        self.size = (weigh_request(request) if size is None else size) + OVERHEAD + LANE * self.opens if counts else 0
        self.waiter = waiter
        self.counts = counts
        self.sequence = 0
        self.was_cut = False
        self.entry: Any = None
        self.key: str | None = None
        self.note: Any = None
        self.gap = 0
        self.was_adopted = False
        self.parked = 0

    @property
    def overhead(self) -> int:
        """The bytes of memory that it takes beside its contents."""
        return OVERHEAD + LANE * self.opens

    @property
    def is_ready(self) -> bool:
        """Whether the request is there."""
        return self.request is not None

    def park(self) -> None:
        """Leave memory: the spool has it."""
        self.parked, self.size = self.size, self.overhead
        self.request = ABSENT

    def unpark(self, request: SessionRequest | SessionActionRequest) -> None:
        """Come back into memory."""
        self.request = request
        self.parked, self.size = 0, weigh_request(request) + self.overhead


ABSENT: Any = None


class Note(NamedTuple):
    """What a request was that created a session, kept in the spool: sent again by another process it is the same.

    Attributes:
        key: Its Idempotency-Key.
        first: The key of the session's record.
        last: The key of the last action's record that it took along.
        actions: How many those were.
        entry: The note's own number in the spool.
    """

    key: str
    first: str
    last: str
    actions: int
    entry: Any = None


Records = Iterable[Record]


def tell_waiters(records: Records, value: Any = None, error: BaseException | None = None) -> None:
    """End the wait of whoever waits for one of the records."""
    for record in records:
        if record.waiter is not None:
            record.waiter.end(value, error)


def weigh_request(request: Any) -> int:
    """Give the bytes of memory that the contents of a request of the contract take, or of a part of one."""
    total = 0
    for field in _WEIGHTY:
        part = getattr(request, field, None)
        if not part:  # absent, None, empty or Unset
            continue
        if type(part) is dict or type(part) is str:
            total += weigh(part)
        elif type(part) is list:
            total += sum([weigh_request(each) for each in part])
        else:
            total += weigh_request(part)
    return total


_WEIGHTY = ("data", "attributes", "error", "scanners", "actions", "message", "details")
