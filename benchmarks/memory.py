"""What memory is added: at rest, after many calls, and at most."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from figures import Row, between, spread, table
from workers import Order, Pair, Servers, pairs_of

if TYPE_CHECKING:
    from effort import Effort

TITLE = "Memory"
CALLS = 1000
PARTS = ("at rest", "peak", "after", "threads")


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Take one peer after the other, so that they do not crowd the machine."""
    found: dict[str, dict[str, list[float]]] = {peer: defaultdict(list) for peer in effort.peers}
    for _ in effort.turns(2, 60, least=1):
        for peer in effort.peers:
            with pairs_of([peer], servers) as pairs:
                for part, value in added(pairs[peer]).items():
                    found[peer][part].append(value)
    return [{"client": peer, **{part: spread(parts[part]) for part in PARTS}} for peer, parts in found.items()]


def added(pair: Pair) -> dict[str, float]:
    """Take the differences, in mebibytes: after a few calls, at the peak of many that nobody waits for, and after."""
    first = pair.take(Order("chat_1", 20), peer_first=False)
    pair.take(Order("chat_1", CALLS, is_flushed=False), peer_first=False)
    last = pair.take(Order("chat_1", 20), peer_first=False)
    mebi = 1 << 20
    return {
        "at rest": (first[1].memory - first[0].memory) / mebi,
        "peak": (last[1].peak - last[0].peak) / mebi,
        "after": (last[1].memory - last[0].memory) / mebi,
        "threads": last[1].threads - last[0].threads,
    }


def written(rows: list[Row]) -> str:
    """Write the table."""
    heads = ["client", "after 20 calls", f"peak of {CALLS:,} more", "after them", "threads"]
    cells = (
        [row["client"], *(between(row[part], 1) for part in PARTS[:3]), f"{row['threads'][1]:+.0f}"] for row in rows
    )
    return f"""\
Resident mebibytes more than a plain client in the same environment, median and quartiles; the calls are chats of 1 KB
in a row, and what they set off is flushed before the last look.

{table(heads, cells)}
"""
