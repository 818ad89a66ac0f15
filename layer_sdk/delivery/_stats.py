"""The account of records: what was accepted is sent, waiting, under way or lost for a reason, and nothing else."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import Any, Iterator
from typing import Counter as CounterOf

from layer_sdk import _fork
from layer_sdk.exceptions import LayerHTTPError

from ._door import Door


class Stats:
    """Counts records, and every one of them at every moment.

    accepted = sent + queued + in_flight + all of dropped + dead_lettered.
    """

    def __init__(self) -> None:
        self._door = Door()
        self._counts: CounterOf[str] = Counter()
        self._dropped: CounterOf[str] = Counter()
        _fork.watch(self)

    def after_fork(self) -> None:
        """Be free in a forked child, whichever thread of the parent was in here."""
        self._door = Door()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count one record from its acceptance to its end; an exception's `reason` says why it was dropped."""
        self._note(accepted=1, in_flight=1)
        try:
            yield
        except BaseException as error:
            self._note(reason(error), in_flight=-1)
            raise
        self._note(in_flight=-1, sent=1)

    def discard(self, why: str) -> None:
        """Count a record that is not to be sent."""
        self._note(why, accepted=1)

    def snapshot(self) -> dict[str, Any]:
        """Give all counts of one moment."""
        with self._door.locked():
            return {
                **{name: self._counts[name] for name in ("accepted", "sent", "queued", "in_flight", "dead_lettered")},
                "dropped": dict(self._dropped),
            }

    def _note(self, dropped: str | None = None, **changes: int) -> None:
        """Change counts; where a finalizer or a signal handler comes in while this thread is at it, right after."""
        self._door.do(self._change, dropped, changes)

    def _change(self, dropped: str | None, changes: dict[str, int]) -> None:
        self._counts.update(changes)
        if dropped is not None:
            self._dropped[dropped] += 1


def reason(error: BaseException) -> str:
    """Name the class of a loss, for counts and logs: never the text of the error."""
    status = error.status_code if isinstance(error, LayerHTTPError) else None
    return type(error).__name__ if status is None else f"http_{int(status)}"
