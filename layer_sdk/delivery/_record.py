"""What waits to be delivered: one session or action, frozen when it was recorded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Iterable

if TYPE_CHECKING:
    from layer_sdk.schemas import SessionActionRequest, SessionRequest

OVERHEAD = 400  # bytes that a record costs beside its contents: the objects around it


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

    def wait(self) -> Any:
        """Wait for the end; its value, or its error raised."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._value


class Record:
    """One session or action on its way.

    Attributes:
        request: What is to be sent; nobody but the engine changes it any more.
        size: Its weight in bytes.
        waiter: Who waits for its end, if somebody does.
        counts: 1, or 0 for what the engine adds by itself and nobody accepted.
        sequence: Its place in the order of acceptance, from 1.
        was_cut: Whether its long texts were shortened for a server that found it too large.
        entry: Its number in the spool, if it stands there.
        key: The Idempotency-Key of an append of it, if it has to outlive the process.
    """

    __slots__ = ("counts", "entry", "key", "request", "sequence", "size", "waiter", "was_cut")

    def __init__(
        self,
        request: SessionRequest | SessionActionRequest,
        waiter: Waiter | None = None,
        *,
        counts: int = 1,
    ) -> None:
        self.request = request
        self.size = weight_of(request) + OVERHEAD if counts else 0
        self.waiter = waiter
        self.counts = counts
        self.sequence = 0
        self.was_cut = False
        self.entry: Any = None
        self.key: str | None = None


Records = Iterable[Record]


def tell_waiters(records: Records, value: Any = None, error: BaseException | None = None) -> None:
    """End the wait of whoever waits for one of the records."""
    for record in records:
        if record.waiter is not None:
            record.waiter.end(value, error)


def weight(value: Any) -> int:
    """Estimate the bytes of a JSON value on the wire: near enough to keep a budget, and cheap."""
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else 3 * len(value)
    if kind is dict:
        return 4 * len(value) + sum([len(name) + weight(item) for name, item in value.items()])
    if kind is list:
        return 2 * len(value) + sum(map(weight, value))
    return 8


def weight_of(request: Any) -> int:
    """Estimate the bytes of a request of the contract, or of a part of one."""
    total = 0
    for field in _WEIGHTY:
        part = getattr(request, field, None)
        if not part:  # absent, None, empty or Unset
            continue
        if type(part) is dict or type(part) is str:
            total += weight(part)
        elif type(part) is list:
            total += sum(map(weight_of, part))
        else:
            total += weight_of(part)
    return total


_WEIGHTY = ("attributes", "data", "actions", "scanners", "error", "message", "details")
