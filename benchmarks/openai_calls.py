"""What instrumentation adds to a call of the OpenAI client: Layer beside its peers, all in one run.

Each peer has two processes in one environment: an instrumented client and a plain one. Short blocks of calls go round
all processes in turn, and what a block set off is flushed before the next begins. The figure is the median difference
of blocks next to each other. Processes are often started anew: where its memory happens to lie makes one faster than
another that does the same, for as long as it lives. After the first start only those go on that a goal depends on: the
cases that have one, and the peers that were best in one of them.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from effort import ALWAYS, best
from figures import Row, between, grid, p99, spread
from records import CALLS
from servers import CHUNKS, counted
from workers import Block, Order, Pair, Servers, pairs_of

if TYPE_CHECKING:
    from effort import Effort

TITLE = "What is added to a call"
NONE = "not recorded"


class Measure(NamedTuple):
    """One kind of call: how many turns it has in a start, how many seconds, and in how many starts."""

    title: str
    order: Order
    turns: int = 6
    seconds: float = 12
    starts: int = 1


AGAIN = 99  # starts: as many as there are
MEASURES = (
    Measure("chat 1 KB", Order("chat_1", 40), 20, 25, AGAIN),
    Measure("chat 32 KB", Order("chat_32", 15), 15, 20, AGAIN),
    Measure(f"stream, {CHUNKS} chunks", Order("stream", 8), 15, 20, AGAIN),
    Measure("embeddings", Order("embeddings", 30)),
    # Long enough that what sends in the background does so while calls are made, and in batches of a usual size.
    Measure("chat, 250 in a row", Order("chat_1", 250), 2),
    Measure("async, 1 task", Order("chat_1", 40, tasks=1), 15, 20, AGAIN),
    Measure("async, 10 tasks", Order("chat_1", 80, tasks=10), 8, 15, AGAIN),
    Measure("async, 100 tasks", Order("chat_1", 200, tasks=100), 2, starts=3),
    Measure("1 thread", Order("chat_1", 40, threads=1)),
    Measure("8 threads", Order("chat_1", 80, threads=8), 3),
    Measure("32 threads", Order("chat_1", 128, threads=32), 3),
    Measure("a session a call", Order("chat_1", 40, session="each"), 15, 20, AGAIN),
    Measure("all in one session", Order("chat_1", 40, session="one"), 15, 20, AGAIN),
)
WARM_UP = 20
WAVES = 6  # of calls at the same time, until the client has all the connections that it comes to have
SECONDS = 1500  # after which there is no further start
Blocks = list[tuple[Block, Block]]


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Measure all kinds of calls."""
    blocks: dict[tuple[str, str], Blocks] = defaultdict(list)
    arrived: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for start in effort.turns(effort.starts, SECONDS, least=1):
        peers = contenders(blocks, effort.peers) if start else effort.peers
        print(f"  {', '.join(peers)}", file=sys.stderr, flush=True)
        with pairs_of(list(peers), servers) as pairs:
            for each in (measure for measure in MEASURES if start < measure.starts):
                print(f"  {each.title}", file=sys.stderr, flush=True)
                before, made = counted(servers.sink), {peer: pair.peer.made for peer, pair in pairs.items()}
                for peer, found in compared(each, effort, pairs, start).items():
                    blocks[each.title, peer] += found
                time.sleep(0.2)  # what arrives without being flushed
                after = counted(servers.sink)
                for peer, pair in pairs.items():
                    here = arrived[each.title, peer]
                    here.update(after.get(peer, Counter()) - before.get(peer, Counter()))
                    here["calls made"] += pair.peer.made - made[peer]
    return [row(title, peer, found, arrived[title, peer]) for (title, peer), found in blocks.items()]


def contenders(blocks: dict[tuple[str, str], Blocks], peers: tuple[str, ...]) -> tuple[str, ...]:
    """Name those that go on: Layer, nobody, and who was best in a case that goes on, by the clock or the processor."""
    found = {*ALWAYS}
    for title in (measure.title for measure in MEASURES if measure.starts == AGAIN):
        for part in ("wall_each", "cpu_each"):
            added = {
                peer: statistics.median(getattr(each, part) - getattr(plain, part) for plain, each in taken)
                for (case, peer), taken in blocks.items()
                if case == title
            }
            found.update(best(added))
    return tuple(peer for peer in peers if peer in found)


def compared(measure: Measure, effort: Effort, pairs: dict[str, Pair], start: int) -> dict[str, Blocks]:
    """Go round all processes, after a block of each that does not count."""
    found: dict[str, Blocks] = {peer: [] for peer in pairs}
    order = measure.order
    warm_up = max(min(order.calls, WARM_UP), WAVES * max(order.tasks, order.threads))
    for pair in pairs.values():
        pair.take(order._replace(calls=warm_up), peer_first=False)
    for at in effort.turns(measure.turns, measure.seconds, least=1):
        for peer, pair in pairs.items():
            found[peer].append(pair.take(order, peer_first=(start + at) % 2 == 1))
    return found


def row(title: str, peer: str, blocks: Blocks, arrived: Counter[str]) -> Row:
    """Sum a case up; times are microseconds of a call, but milliseconds of a flush."""
    plain_times, times = ([time / 1000 for pair in blocks for time in pair[at].times] for at in (0, 1))
    calls = arrived["calls made"]
    return {
        "call": title,
        "client": peer,
        "plain": statistics.median(plain.wall_each for plain, _ in blocks),
        "wall": spread([each.wall_each - plain.wall_each for plain, each in blocks]),
        "plain cpu": statistics.median(plain.cpu_each for plain, _ in blocks),
        "cpu": spread([each.cpu_each - plain.cpu_each for plain, each in blocks]),
        "p99": [p99(plain_times), p99(times)],
        "worst": [max(plain_times), max(times)],
        "flush": statistics.median(each.flush / 1e6 for _, each in blocks),
        "calls": calls,
        "recorded": sum(arrived[kind] for kind in CALLS),
        "requests": arrived["requests"] / calls,
        "bytes": arrived["bytes"] / calls,
        "blocks": len(blocks),
    }


def is_recorded(row: Row) -> bool:
    """Tell whether a peer records this kind of call at all."""
    return row["client"] in ("plain", "none") or row["recorded"] > 0


def written(rows: list[Row]) -> str:
    """Write the tables."""
    plain = [{**row, "client": "plain"} for row in rows if row["client"] == rows[0]["client"]]
    peers = [row for row in rows if row["client"] != "none"]

    def added(name: str, base: str) -> str:
        def cell(row: Row) -> str:
            return f"{row[base]:,.0f}" if row["client"] == "plain" else between(row[name])

        return grid([*plain, *rows], "call", "client", lambda row: cell(row) if is_recorded(row) else NONE)

    def tail(name: str) -> str:
        def cell(row: Row) -> str:
            return f"{row[name][row['client'] != 'plain']:,.0f}"

        return grid([*plain, *peers], "call", "client", lambda row: cell(row) if is_recorded(row) else NONE)

    def sent(row: Row) -> str:
        return f"{row['requests']:.2f}, {row['bytes']:,.0f}" if is_recorded(row) else NONE

    def flush(row: Row) -> str:
        return f"{row['flush']:,.1f}" if is_recorded(row) else NONE

    return TABLES.format(
        wall=added("wall", "plain"),
        cpu=added("cpu", "plain cpu"),
        p99=tail("p99"),
        worst=tail("worst"),
        flush=grid(peers, "call", "client", flush),
        arrived=grid(peers, "call", "client", arrival),
        sent=grid(peers, "call", "client", sent),
    )


def arrival(row: Row) -> str:
    """Say whether all calls arrived."""
    if row["recorded"] == row["calls"]:
        return f"all {row['calls']:,}"
    return f"**{row['recorded']:,} of {row['calls']:,}**" if row["recorded"] else NONE


TABLES = """\
Microseconds that a call takes longer than with the plain client beside it, median and quartiles of the differences of
blocks. The first column is a call of the plain client.

{wall}

Microseconds of the processor that a call takes more, all threads, until what it set off is flushed:

{cpu}

The time that 99 of 100 calls do not pass, microseconds:

{p99}

The slowest call, microseconds:

{worst}

Milliseconds that the flush after a block takes, median:

{flush}

Calls on record at the sink, of those made. A session around calls is no call.

{arrived}

Requests of a call, and bytes with their headers:

{sent}
"""
