"""From measured values to rows, and from rows to tables in Markdown."""

from __future__ import annotations

import statistics
from typing import Any, Callable, Iterable, Sequence

# A measured case: what it is, and its figures by name. It is kept as JSON, and all else is made of it.
Row = dict[str, Any]


def spread(values: Sequence[float]) -> list[float]:
    """Give the lower quartile, the median and the upper quartile."""
    return [values[0]] * 3 if len(values) == 1 else statistics.quantiles(values, method="inclusive")


def p99(values: Sequence[float]) -> float:
    """Give what 99 of 100 do not pass."""
    return values[0] if len(values) == 1 else statistics.quantiles(values, n=100, method="inclusive")[98]


def between(figures: Sequence[float], digits: int = 0) -> str:
    """Write a median with its quartiles."""
    low, middle, high = figures
    return f"{middle:+,.{digits}f} ({low:+,.{digits}f} to {high:+,.{digits}f})"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, aligned for those who read it as it is; all but the first column are numbers."""
    rows = [list(row) for row in rows]
    widths = [max(3, *(len(row[at]) for row in [list(heads), *rows])) for at in range(len(heads))]
    line = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join(
        "| "
        + " | ".join(
            cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths))
        )
        + " |"
        for row in [heads, line, *rows]
    )


def grid(rows: Sequence[Row], down: str, across: str, cell: Callable[[Row], str]) -> str:
    """Write a table of cases by two of their properties, each in the order in which it comes first."""
    downs, acrosses = (list(dict.fromkeys(str(row[name]) for row in rows)) for name in (down, across))
    found = {(str(row[down]), str(row[across])): cell(row) for row in rows}
    return table([down, *acrosses], ([each, *(found.get((each, other), "") for other in acrosses)] for each in downs))
