"""The account of records: each is waiting, under way, sent, or lost for a reason, at every moment."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._record import Record, Records


class Ticket:
    """Counts down what was accepted before a moment, until all of it has found its end."""

    def __init__(self, sequence: int, remaining: int) -> None:
        self.sequence = sequence
        self.remaining = remaining


class Account:
    """Counts so that accepted = sent + queued + in_flight + dropped + dead_lettered. Not thread-safe: the engine locks.

    Attributes:
        bytes: Of what waits or is under way.
        sequence: Of the record that was accepted last.
        ended: Spool entries of records that have found their end, until somebody takes them.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.sequence = 0
        self._states: defaultdict[str, int] = defaultdict(int)  # no Counter, which takes three times as long to count
        self._dropped: defaultdict[str, int] = defaultdict(int)
        self._dead: defaultdict[str, int] = defaultdict(int)
        self._tickets: list[Ticket] = []
        self.ended: list[Any] = []

    def accept(self, record: Record) -> None:
        """Count a record that was handed over."""
        self.sequence += 1
        record.sequence = self.sequence
        self._states["accepted"] += record.counts
        self._states["queued"] += record.counts
        self.bytes += record.size

    def discard(self, reason: str) -> None:
        """Count a record that is not to be sent."""
        self._states["accepted"] += 1
        self._dropped[reason] += 1

    def replace(self, record: Record, others: list[Record]) -> None:
        """Count what a record turned out to be in its place, be it nothing: whoever waits for it waits for that."""
        for other in others:
            other.sequence = record.sequence
            self.bytes += other.size
        for ticket in self._tickets:
            ticket.remaining += len(others) * (0 < record.sequence <= ticket.sequence)
        self._pass((record,))
        for state in ("accepted", "queued"):
            self._states[state] += len(others) - record.counts

    def fly(self, records: Records) -> None:
        """Count records that are under way now."""
        self._move(records, "queued", "in_flight")

    def return_(self, records: Records) -> None:
        """Count records that wait again."""
        self._move(records, "in_flight", "queued")

    def send(self, records: Records) -> int:
        """Count records that the server has; how many they are."""
        return self._end(records, "in_flight", "sent")

    def drop(self, records: Records, reason: str, *, source: str = "queued") -> int:
        """Count records that are lost; how many they are."""
        count = self._end(records, source, None)
        self._dropped[reason] += count
        return count

    def bury(self, records: Records, reason: str, *, source: str = "in_flight") -> int:
        """Count records that the server refuses for what they are; how many they are."""
        count = self._end(records, source, "dead_lettered")
        self._dead[reason] += count
        return count

    def leave(self, records: Records) -> None:
        """Count records that stay on disk when this process has done with them: nobody here waits for them any more."""
        self._pass(records)
        self._move(records, "queued", "left")

    def note(self, event: str) -> None:
        """Count something else, such as a request."""
        self._states[event] += 1

    def ticket(self) -> Ticket:
        """Give a ticket for all that has been accepted and has not ended."""
        ticket = Ticket(self.sequence, self.waiting)
        self._tickets.append(ticket)
        return ticket

    def tear(self, ticket: Ticket) -> None:
        """Give a ticket back."""
        self._tickets.remove(ticket)

    @property
    def waiting(self) -> int:
        """How many records have not ended."""
        return self._states["queued"] + self._states["in_flight"]

    def snapshot(self) -> dict[str, Any]:
        """Give all counts."""
        names = ("accepted", "sent", "queued", "in_flight", "dead_lettered", "requests", "retries")
        return {
            **{name: self._states[name] for name in names},
            "queued": self._states["queued"] + self._states["left"],
            "dropped": {reason: count for reason, count in self._dropped.items() if count},
            "dead_letters": {reason: count for reason, count in self._dead.items() if count},
            "queued_bytes": self.bytes,
        }

    def _move(self, records: Records, source: str, target: str | None) -> int:
        count = sum([record.counts for record in records])
        self._states[source] -= count
        if target is not None:
            self._states[target] += count
        return count

    def _end(self, records: Records, source: str, target: str | None) -> int:
        self._pass(records)
        for record in records:
            if record.entry is not None:
                self.ended.append(record.entry)
            if record.note is not None:
                self.ended.append(record.note)
        return self._move(records, source, target)

    def _pass(self, records: Records) -> None:
        """Take records out of memory's account and of the tickets that wait for them."""
        for record in records:
            self.bytes -= record.size
            for ticket in self._tickets:
                if 0 < record.sequence <= ticket.sequence:
                    ticket.remaining -= record.counts
            record.sequence = 0
