"""The order in which lanes are looked at."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._lane import Lane


class Schedule:
    """A heap of lanes by due time; planning a lane anew leaves its old place behind. The engine locks."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lane]] = []
        self._tie = 0

    def plan(self, lane: Lane, due: float) -> None:
        """Put a lane at its time, a monotonic one in seconds."""
        self._tie += 1
        heapq.heappush(self._heap, (due, self._tie, lane))  # first: Ctrl-C may strike between any two lines
        lane.place = self._tie
        lane.due = due

    def cancel(self, lane: Lane) -> None:
        """Take a lane off."""
        lane.due = None
        lane.place = 0

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
