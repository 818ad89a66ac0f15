"""How costs grow: calls with ten times the text, threads, actions in a session, sessions; and ten times the backlog."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from figures import Row, grid
from servers import running
from workers import Block, Order, Pair, Servers, pairs_of

if TYPE_CHECKING:
    from effort import Effort

TITLE = "Growth"
HUNDRED = Order("chat_1", 100)


class Dimension(NamedTuple):
    """What grows, and the blocks at each level."""

    name: str
    orders: dict[str, Order]


DIMENSIONS = (
    Dimension("payload", {f"{size} KB": Order(f"chat_{size}", 20) for size in ("1", "10", "100")}),
    Dimension("threads", {str(threads): HUNDRED._replace(threads=threads) for threads in (1, 10, 100)}),
    Dimension("calls in one session", {str(calls): Order("chat_1", calls, session="one") for calls in (10, 100, 1000)}),
    Dimension("sessions", {str(calls): Order("chat_1", calls, session="each") for calls in (10, 100, 1000)}),
)
BACKLOG = (10, 100, 1000)
LOOK = 40
LONG = 5e9


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Measure all that grows."""
    with pairs_of(list(effort.peers), servers) as pairs:
        rows = [row for dimension in DIMENSIONS for row in grown(dimension, effort, pairs)]
    with running("hole") as hole, pairs_of(list(effort.peers), Servers(servers.openai, hole)) as pairs:
        return rows + backlog(pairs)


def grown(dimension: Dimension, effort: Effort, pairs: dict[str, Pair]) -> list[Row]:
    """Take blocks of each level in turns."""
    found: dict[tuple[str, str], list[float]] = {}
    for pair in pairs.values():
        pair.take(next(iter(dimension.orders.values())), peer_first=False)
    for at in effort.turns(8, 40):
        for peer, pair in pairs.items():
            for level, order in dimension.orders.items():
                plain, each = pair.take(order, peer_first=at % 2 == 1)
                found.setdefault((peer, level), []).append(each.cpu_each - plain.cpu_each)
    return [
        {"grows": dimension.name, "client": peer, "level": level, "cpu": statistics.median(values)}
        for (peer, level), values in found.items()
    ]


def backlog(pairs: dict[str, Pair]) -> list[Row]:
    """Have calls made while the sink never answers, and look at the last ones before each level."""
    rows: list[Row] = []
    for peer, pair in pairs.items():
        pair.plain.block(HUNDRED)
        pair.plain.block(HUNDRED)
        plain = pair.plain.block(HUNDRED)
        made, last = 0, None
        for level in BACKLOG:
            if last is not None and last.wall > LONG:
                break
            last = pair.peer.block(Order("chat_1", level - made, is_flushed=False, seconds=5))
            made = level
            look = pair.peer.block(Order("chat_1", LOOK, is_flushed=False, seconds=5))
            made += LOOK
            rows.append({"grows": "backlog", "client": peer, "level": str(level), "cpu": added(plain, look)})
        pair.peer.end(1)
    return rows


def added(plain: Block, block: Block) -> float:
    """Give the microseconds that a typical call takes longer."""
    return (statistics.median(block.times) - statistics.median(plain.times)) / 1e3


def written(rows: list[Row]) -> str:
    """Write a table for each thing that grows."""
    parts = []
    for name in dict.fromkeys(row["grows"] for row in rows):
        cells = grid(
            [row for row in rows if row["grows"] == name], "client", "level", lambda row: f"{row['cpu']:+,.0f}"
        )
        parts.append(f"**{name}**: {WHAT.get(name, USUAL)}\n\n{cells}\n")
    return "\n".join(parts)


USUAL = "microseconds of the processor that a call takes more, until what it set off is flushed."
WHAT = {"backlog": "microseconds that a call takes longer while the sink never answers, with so many calls before it."}
