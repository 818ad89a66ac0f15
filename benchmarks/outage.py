"""What calls cost while the sink is away: where it refuses connections, and where it never answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figures import Row, between, grid, p99, spread
from servers import nobody, running
from workers import Block, Order, Servers, ended_together, pairs_of

if TYPE_CHECKING:
    from effort import Effort

TITLE = "Outage of the sink"
ORDER = Order("chat_1", 60, is_flushed=False, seconds=2)
TURNS = 8
# A block that takes as long as this is waiting for the sink; one is enough to know.
LONG = 5e9
TIMEOUT = 30


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Measure both ways of being away."""
    with nobody() as refusing, running("hole") as hole:
        places = {"refuses": refusing, "hangs": hole}
        return [row for way, url in places.items() for row in during(way, effort, Servers(servers.openai, url))]


def during(way: str, effort: Effort, servers: Servers) -> list[Row]:
    """Go round all processes in one outage, and then end them all at once."""
    blocks: dict[str, list[tuple[Block, Block]]] = {peer: [] for peer in effort.peers}
    with pairs_of(list(effort.peers), servers) as pairs:
        for at in effort.turns(TURNS, 60):
            for peer, pair in pairs.items():
                if not blocks[peer] or blocks[peer][-1][1].wall < LONG:
                    blocks[peer].append(pair.take(ORDER, peer_first=at % 2 == 1))
        ends = ended_together({peer: pair.peer for peer, pair in pairs.items()}, TIMEOUT)
    return [row(way, peer, found, ends[peer]) for peer, found in blocks.items()]


def row(way: str, peer: str, blocks: list[tuple[Block, Block]], end: float) -> Row:
    """Sum a case up, in microseconds, mebibytes and seconds."""
    first, last = blocks[0], blocks[-1]
    return {
        "sink": way,
        "client": peer,
        "wall": spread([each.wall_each - plain.wall_each for plain, each in blocks]),
        "cpu": spread([each.cpu_each - plain.cpu_each for plain, each in blocks]),
        "p99": p99([time / 1000 for _, each in blocks for time in each.times]),
        "failed": sum(each.failed for _, each in blocks),
        "calls": sum(len(each.times) for _, each in blocks),
        "grown": ((last[1].memory - first[1].memory) - (last[0].memory - first[0].memory)) / (1 << 20),
        "end": end,
    }


def written(rows: list[Row]) -> str:
    """Write the tables."""

    def failed(row: Row) -> str:
        return f"**{row['failed']} of {row['calls']}**" if row["failed"] else f"none of {row['calls']}"

    return f"""\
Microseconds that a call takes longer than with the plain client, and those of the processor that it takes more:

{grid(rows, "client", "sink", lambda row: f"{between(row['wall'])}; CPU {between(row['cpu'])}")}

Microseconds that 99 of 100 calls do not pass:

{grid(rows, "client", "sink", lambda row: f"{row['p99']:,.0f}")}

Calls that raised into the application, for nothing but the sink:

{grid(rows, "client", "sink", failed)}

Mebibytes that memory grew more than a plain client's, during these calls:

{grid(rows, "client", "sink", lambda row: f"{row['grown']:+.1f}")}

Seconds that the process took to end after them; at {TIMEOUT} it was killed:

{grid(rows, "client", "sink", lambda row: f"{row['end']:.1f}")}
"""
