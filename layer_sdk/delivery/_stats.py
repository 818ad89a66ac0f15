"""The account of records: what was accepted is sent, waiting, under way or lost for a reason, and nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import Any, Iterator
from typing import Counter as CounterOf

from layer_sdk.exceptions import LayerHTTPError


class Stats:
    """Counts records, and every one of them at every moment.

    accepted = sent + queued + in_flight + all of dropped + dead_lettered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: CounterOf[str] = Counter()
        self._dropped: CounterOf[str] = Counter()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count one record from its acceptance to its end; an exception's `reason` says why it was dropped."""
        with self._lock:
            self._counts.update(accepted=1, in_flight=1)
        try:
            yield
        except BaseException as error:
            why = reason(error)
            with self._lock:
                self._counts.update(in_flight=-1)
                self._dropped[why] += 1
            raise
        with self._lock:
            self._counts.update(in_flight=-1, sent=1)

    def discard(self, why: str) -> None:
        """Count a record that is not to be sent."""
        with self._lock:
            self._counts.update(accepted=1)
            self._dropped[why] += 1

    def snapshot(self) -> dict[str, Any]:
        """Give all counts of one moment."""
        with self._lock:
            return {
                **{name: self._counts[name] for name in ("accepted", "sent", "queued", "in_flight", "dead_lettered")},
                "dropped": dict(self._dropped),
            }


def reason(error: BaseException) -> str:
    """Name the class of a loss, for counts and logs: never the text of the error."""
    status = error.status_code if isinstance(error, LayerHTTPError) else None
    return type(error).__name__ if status is None else f"http_{int(status)}"
