"""From times to a table: what a client costs over the plain one beside it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Iterable, NamedTuple


class Block(NamedTuple):
    """Calls made in a row: the nanoseconds of each, and of the processor for all and what they set off."""

    times: list[int]
    cpu: int

    @property
    def wall_each(self) -> float:
        """Microseconds a call."""
        return sum(self.times) / len(self.times) / 1000

    @property
    def cpu_each(self) -> float:
        """Microseconds of the processor a call."""
        return self.cpu / len(self.times) / 1000


@dataclass
class Comparison:
    """Blocks of a peer and of the plain client, taken in turns."""

    plain: list[Block] = field(default_factory=list)
    peer: list[Block] = field(default_factory=list)

    def cells(self, parts: int = 1) -> list[str]:
        """Write the figures, of one part of a call where it has several."""
        plain = statistics.median(block.wall_each for block in self.plain)
        pairs = list(zip(self.plain, self.peer))
        low, middle, high = statistics.quantiles((peer.wall_each - plain.wall_each) for plain, peer in pairs)
        ratio = statistics.median(peer.wall_each / plain.wall_each for plain, peer in pairs)
        cpu = statistics.median(peer.cpu_each - plain.cpu_each for plain, peer in pairs)
        cells = [f"{plain / parts:,.1f}", f"**{middle / parts:+,.1f}**", f"{low / parts:+,.1f} to {high / parts:+,.1f}"]
        cells += [f"{ratio:.2f}", f"{cpu / parts:+,.1f}"]
        slow = [f"{p99(blocks):,.0f}" for blocks in (self.plain, self.peer)]
        return cells + (slow if parts == 1 else ["", ""])


def p99(blocks: list[Block]) -> float:
    """Microseconds that 99 of 100 calls do not pass."""
    return statistics.quantiles((time for block in blocks for time in block.times), n=100)[98] / 1000


def table(heads: list[str], rows: Iterable[list[str]]) -> str:
    """Write a table in Markdown, aligned for those who read it as it is; all but the first two columns are numbers."""
    rows = list(rows)
    widths = [max(3, *(len(row[at]) for row in [heads, *rows])) for at in range(len(heads))]
    line = ["-" * width if at < 2 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join(
        "| " + " | ".join(_padded(cell, widths[at], at) for at, cell in enumerate(row)) + " |"
        for row in [heads, line, *rows]
    )


def _padded(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at < 2 else cell.rjust(width)
