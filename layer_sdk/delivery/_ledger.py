"""The account of what stands in the spool: where it stands, what has found its end, what is not noted on disk yet."""

from __future__ import annotations

from collections import deque
from typing import Tuple, Union

from ._segment import RECORD, Segment

Token = Tuple[str, int]
Entry = Union[int, Token]  # its number in our segments, or segment and number in an adopted one


class Ledger:
    """Knows the records and notes that are not settled. Not thread-safe, but for `done`.

    Attributes:
        homes: Where each stands, and its kind.
        done: What has found its end; a thread may add to it at any time.
        due: The numbers that a segment has to acknowledge. They stay until it did: a full disk may be emptied.
        settled: How many records have left; notes do not count.
    """

    def __init__(self) -> None:
        self.homes: dict[Entry, tuple[Segment, int, int]] = {}
        self.done: deque[Entry] = deque()
        self.due: dict[Segment, list[int]] = {}
        self.settled = 0

    def __len__(self) -> int:
        """How many acknowledgements are to come."""
        return len(self.homes) + sum(map(len, self.due.values()))

    def collect(self) -> list[Segment]:
        """Make what is done due, and give the segments that have something to acknowledge."""
        while self.done:
            entry = self.done.popleft()
            home = self.homes.pop(entry, None)
            if home is not None:
                segment, _, kind = home
                segment.pending -= 1
                self.settled += kind == RECORD
                self.due.setdefault(segment, []).append(entry if isinstance(entry, int) else entry[1])
        return list(self.due)

    def pay(self, segment: Segment, *, is_current: bool) -> None:
        """Note in a segment what is due there; OSError if that cannot be done now."""
        if segment.pending:
            segment.acknowledge(self.due[segment])
        elif is_current:
            segment.empty()  # a fifth of the cost of a new file, which the next record would have to bear
        self.due.pop(segment, None)

    def forget(self, segment: Segment) -> None:
        """Expect no acknowledgement of a segment that is no longer ours."""
        self.due.pop(segment, None)
