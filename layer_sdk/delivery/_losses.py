"""Who is told of what is lost: the log, once a minute, and the host's callback, each time."""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import suppress
from typing import Callable, Iterator, Tuple

from layer_sdk._log import guard, warn

OnDrop = Callable[[str, str, int], object]
Loss = Tuple[str, str, int]  # reason, session id, how many records


class Losses:
    """Collects losses under the engine's lock, and tells of them without it: the host's log handlers have locks, too.

    Args:
        on_drop: The host's callback: reason, session id, count.

    Attributes:
        untold: What is still to be told of.
    """

    def __init__(self, on_drop: OnDrop | None) -> None:
        self._on_drop = on_drop
        self.untold: deque[Loss] = deque()
        self._tellers: set[int] = set()

    def note(self, reason: str, session_id: object, count: int) -> None:
        """Remember to tell of a loss."""
        self.untold.append((reason, str(session_id), count))

    def tell(self) -> None:
        """Tell of what was not told yet. Call with no lock held."""
        me = threading.get_ident()
        if not self.untold or me in self._tellers:
            return  # the latter: a callback whose own records are lost. To tell it of them would never end.
        try:
            self._tellers.add(me)
            untold = list(self._take())
            _log(untold)
            self._call(untold)
        finally:
            self._tellers.discard(me)

    def _take(self) -> Iterator[Loss]:
        """Take what there is one by one: others take and note at the same time."""
        with suppress(IndexError):
            while True:
                yield self.untold.popleft()

    def _call(self, losses: list[Loss]) -> None:
        if self._on_drop is not None:
            for loss in losses:
                with guard("calling on_drop"):
                    self._on_drop(*loss)


def _log(losses: list[Loss]) -> None:
    totals: Counter[str] = Counter()
    for reason, _, count in losses:
        totals[reason] += count
    for reason, count in totals.items():
        if reason == "shutdown":  # a line of its own: there is nobody left to ask for the counts
            warn("%d recorded sessions or actions could not be sent in time before the end", count)
        else:
            warn("Recorded sessions or actions were lost (%s); layer.stats() has the counts", reason)
