"""What the figures come to: Layer beside the best of its peers, and what was aimed at."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from effort import best
from figures import Row, table
from openai_calls import is_recorded

TITLE = "Beside the best peer"
MIDDLE = 1  # of lower quartile, median and upper quartile
NOISE = "lost in the noise"


class Target(NamedTuple):
    """One figure and its goal.

    Attributes:
        of: The section that it stands in.
        figure: What it is called.
        case: Of which case.
        goal: The part of the best peer's that it may come to.
        read: Gives it, of a row.
    """

    of: str
    figure: str
    case: str
    goal: float
    read: Callable[[Row], float]


def added(name: str) -> Callable[[Row], float]:
    """Read a median of differences."""

    def read(row: Row) -> float:
        middle: float = row[name][MIDDLE]
        return middle

    return read


def tail(row: Row) -> float:
    """Read how much later than with the plain client the last of 100 calls comes."""
    plain, each = row["p99"]
    return float(each - plain)


FIFTH = ("stream, 50 chunks", "async, 1 task", "async, 10 tasks", "async, 100 tasks")
GOALS = {"chat 1 KB": 0.1, "chat 32 KB": 0.1, **dict.fromkeys(FIFTH, 0.2)}
TARGETS = (
    *(Target("openai_calls", "time added", case, goal, added("wall")) for case, goal in GOALS.items()),
    *(Target("openai_calls", "time added to the p99", case, 0.2, tail) for case in GOALS),
    Target("openai_calls", "CPU until flushed", "a session a call", 1.0, added("cpu")),
    Target("openai_calls", "CPU until flushed", "all in one session", 0.5, added("cpu")),
    Target("startup", "CPU", "import, init and the first call", 0.25, added("together cpu")),
    Target("memory", "resident memory", "after 1,000 calls", 1.0, added("after")),
)


def written(found: dict[str, list[Any]]) -> str:
    """Write the table of ratios, for those sections that were measured."""
    rows = [line(target, found[target.of]) for target in TARGETS if target.of in found]
    return TEXT.format(table=table(["figure", "case", "Layer", "best peer", "which", "ratio", "aimed at"], rows))


def line(target: Target, rows: list[Row]) -> list[str]:
    """Write one target's line."""
    fitting = [row for row in rows if "call" not in row or (row["call"] == target.case and is_recorded(row))]
    values = {row["client"]: target.read(row) for row in fitting}
    noise = abs(values.get("none", 0.0))
    first = next(iter(best(values)), None)
    if "layer" not in values or first is None:
        return [target.figure, target.case, *["not measured"] * 4, aim(target)]
    least = values[first]
    ratio = NOISE if least <= noise else f"{values['layer'] / least:.2f}"
    return [target.figure, target.case, f"{values['layer']:,.0f}", f"{least:,.0f}", first, ratio, aim(target)]


def aim(target: Target) -> str:
    """Write what was aimed at."""
    return "below 1" if target.goal == 1.0 else f"{target.goal:g} at most"


TEXT = """\
Medians of the tables below, over those of whichever peer does best in that line; where the best peer's figure is no
larger than what the plain client differs from itself, no ratio says anything. Times are microseconds, CPU at the start
milliseconds, memory mebibytes.

{table}
"""
