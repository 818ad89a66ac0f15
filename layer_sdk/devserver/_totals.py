"""Totals over time: counted with every action that is received, so that reading them takes no look at actions."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Iterable, Mapping

from ._moments import now

if TYPE_CHECKING:
    import sqlite3

    from ._digest import Digest

# Each step is a tenth longer than the one before: so a percentile is right to a tenth, however many actions there are.
_GROWTH = math.log(1.1)
_SHORTEST = 0.0001
_MOST_PERIODS = 60
_PERIODS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 30 * 1440, 90 * 1440)


@dataclass
class Period:
    """What was received in a stretch of minutes."""

    minute: int
    actions: int = 0
    tokens: int = 0
    errors: int = 0
    steps: Counter[int] = field(default_factory=Counter)

    def percentile(self, share: float) -> float | None:
        """The seconds that a share of the timed actions took at most; None where none was timed."""
        return _percentile(self.steps, share)


@dataclass(frozen=True)
class Totals:
    """Periods of one length, from the oldest to the newest, none left out."""

    minutes: int
    periods: tuple[Period, ...]

    def together(self) -> Period:
        """All periods as one."""
        steps: Counter[int] = Counter()
        for period in self.periods:
            steps.update(period.steps)
        return Period(
            self.periods[0].minute if self.periods else 0,
            sum(period.actions for period in self.periods),
            sum(period.tokens for period in self.periods),
            sum(period.errors for period in self.periods),
            steps,
        )


def count(connection: sqlite3.Connection, digests: Iterable[Digest]) -> None:
    """Add actions that were just received."""
    minute = int(now().timestamp()) // 60
    digests = list(digests)
    numbers = (len(digests), sum(one.tokens for one in digests), sum(one.failed for one in digests))
    connection.execute(
        "INSERT INTO totals (minute, actions, tokens, errors) VALUES (?, ?, ?, ?) ON CONFLICT (minute) DO UPDATE SET "
        "actions = actions + excluded.actions, tokens = tokens + excluded.tokens, errors = errors + excluded.errors",
        (minute, *numbers),
    )
    steps = Counter(_step(one.seconds) for one in digests if one.seconds > 0)
    connection.executemany(
        "INSERT INTO latencies (minute, step, actions) VALUES (?, ?, ?) "
        "ON CONFLICT (minute, step) DO UPDATE SET actions = actions + excluded.actions",
        [(minute, step, number) for step, number in steps.items()],
    )


def is_young(connection: sqlite3.Connection) -> bool:
    """Whether all that is recorded came within the last hour."""
    oldest = connection.execute("SELECT min(minute) FROM totals").fetchone()[0]
    return oldest is None or oldest > int(now().timestamp()) // 60 - 60


def read(connection: sqlite3.Connection, minutes: int | None) -> Totals:
    """The totals of the last so many minutes, or of all time (None)."""
    last = int(now().timestamp()) // 60
    oldest, newest = connection.execute("SELECT min(minute), max(minute) FROM totals").fetchone()
    if oldest is None:
        return Totals(1, ())
    last = max(last, newest)
    first = oldest if minutes is None else last - minutes + 1
    length = next((one for one in _PERIODS if (last - first) // one < _MOST_PERIODS), _PERIODS[-1])
    first -= first % length
    periods = {at: Period(at) for at in range(max(first, last - _MOST_PERIODS * length), last + 1, length)}
    _fill(connection, periods, min(periods), length)
    return Totals(length, tuple(periods.values()))


def _fill(connection: sqlite3.Connection, periods: Mapping[int, Period], first: int, length: int) -> None:
    sums = connection.execute(
        "SELECT minute - minute % ? AS at, sum(actions), sum(tokens), sum(errors) FROM totals "
        "WHERE minute >= ? GROUP BY at",
        (length, first),
    )
    for at, actions, tokens, errors in sums:
        period = periods[at]
        period.actions, period.tokens, period.errors = actions, tokens, errors
    steps = connection.execute(
        "SELECT minute - minute % ? AS at, step, sum(actions) FROM latencies WHERE minute >= ? GROUP BY at, step",
        (length, first),
    )
    for at, step, actions in steps:
        periods[at].steps[step] = actions


def _step(seconds: float) -> int:
    return round(math.log(max(seconds, _SHORTEST)) / _GROWTH)


def _percentile(steps: Mapping[int, int], share: float) -> float | None:
    wanted, seen = share * sum(steps.values()), 0
    for step in sorted(steps):
        seen += steps[step]
        if seen >= wanted:
            return math.exp(step * _GROWTH)
    return None
