"""The order in which lanes are looked at."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._lane import Lane


SLACK = 64  # stale places that are too few to care about


class Schedule:
    """A heap of lanes by due time; planning a lane anew leaves its old place behind, for a while. The engine locks."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lane]] = []
        self._tie = 0
        self._planned = 0

    def plan(self, lane: Lane, due: float) -> None:
        """Put a lane at its time, a monotonic one in seconds."""
        self._tie += 1
        heapq.heappush(self._heap, (due, self._tie, lane))  # first: Ctrl-C may strike between any two lines
        lane.place = self._tie
        self._planned += lane.due is None
        lane.due = due
        self._prune()

    def cancel(self, lane: Lane) -> None:
        """Take a lane off."""
        self._planned -= lane.due is not None
        lane.due = None
        lane.place = 0
        self._prune()

    def _prune(self) -> None:
        """Forget the places left behind once they are the most: they would keep the lanes of long ago in memory."""
        if len(self._heap) > 2 * self._planned + SLACK:
            heap = [entry for entry in self._heap if entry[2].place == entry[1]]
            heapq.heapify(heap)
            self._heap, self._planned = heap, len(heap)

    def first(self) -> float | None:
        """Tell when the first lane is due; None when there is none."""
        while self._heap and self._heap[0][2].place != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Lane:
        """Take the first lane off. Call after `first` gave a time."""
        lane = heapq.heappop(self._heap)[2]
        self.cancel(lane)
        return lane
