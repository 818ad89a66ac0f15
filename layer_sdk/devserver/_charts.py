"""Small charts of totals over time: where bars and lines stand in a drawing."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence

from ._moments import span

if TYPE_CHECKING:
    from ._totals import Period, Totals

WIDTH, HEIGHT = 600.0, 120.0
_GAP = 0.25


@dataclass(frozen=True)
class Shape:
    """A bar of a chart, with what it says."""

    left: float
    top: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """A chart: bars or lines, and what they come to."""

    name: str
    unit: str
    summary: str
    top: str
    bars: tuple[Shape, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()


def charts_of(totals: Totals) -> tuple[Chart, ...]:
    """The charts of actions, tokens, errors and latency."""
    together = totals.together()
    counted = [
        _bars(name, name.capitalize(), f"{getattr(together, name):,}", totals)
        for name in ("actions", "tokens", "errors")
    ]
    return (*counted, _latency(totals, together))


def rows_of(totals: Totals) -> list[tuple[str, int, int, int, str, str]]:
    """The same as a table, newest first, without the periods in which nothing happened."""
    return [
        (
            when(period.minute),
            period.actions,
            period.tokens,
            period.errors,
            span(period.percentile(0.5)),
            span(period.percentile(0.95)),
        )
        for period in reversed(totals.periods)
        if period.actions
    ]


def when(minute: int) -> str:
    """A minute since 1970, for people."""
    return datetime.datetime.fromtimestamp(minute * 60, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")


def _bars(field: str, name: str, summary: str, totals: Totals) -> Chart:
    values = [int(getattr(period, field)) for period in totals.periods]
    highest = max(values, default=0)
    step = WIDTH / max(len(values), 1)
    bars = tuple(
        Shape(
            left=round(index * step + step * _GAP / 2, 1),
            top=round(HEIGHT - _height(value, highest), 1),
            width=round(step * (1 - _GAP), 1),
            height=round(_height(value, highest), 1),
            title=f"{when(period.minute)}: {value:,}",
        )
        for index, (period, value) in enumerate(zip(totals.periods, values))
        if value
    )
    return Chart(field, name, summary, f"{highest:,}", bars)


def _latency(totals: Totals, together: Period) -> Chart:
    middle, high = together.percentile(0.5), together.percentile(0.95)
    if middle is None:
        return Chart("latency", "Latency", "none timed", "")
    highest = max(period.percentile(0.95) or 0 for period in totals.periods)
    lines = tuple((name, _line(totals.periods, share, highest)) for name, share in (("p95", 0.95), ("p50", 0.5)))
    return Chart("latency", "Latency", f"p50 {span(middle)}, p95 {span(high)}", span(highest), lines=lines)


def _line(periods: Sequence[Period], share: float, highest: float) -> str:
    """The path of a line; it has gaps where nothing was timed, and dots where it would have no length."""
    step = WIDTH / max(len(periods), 1)
    path, is_drawing = [], False
    for index, period in enumerate(periods):
        value = period.percentile(share)
        if value is not None:
            x, y = (index + 0.5) * step, HEIGHT - _height(value, highest)
            path.append(f"L{x:.1f} {y:.1f}" if is_drawing else f"M{x:.1f} {y:.1f}h0.1")
        is_drawing = value is not None
    return "".join(path)


def _height(value: float, highest: float) -> float:
    return max(value / highest * (HEIGHT - 4), 2.0) if value and highest else 0.0
