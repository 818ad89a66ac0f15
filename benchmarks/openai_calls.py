"""What instrumentation adds to a call of the OpenAI client: Layer beside its peers, all in one run.

Each peer has two processes in one environment: an instrumented client and a plain one. Short blocks of calls go round
all processes in turn, and what a block set off is flushed before the next begins. The figure is the median difference
of blocks next to each other. All processes are started several times, since of two that do the same one may be faster
for as long as it lives. A fake OpenAI and the sink of all telemetry run in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from environments import interpreter, variables
from figures import Block, Comparison, table
from servers import CHUNKS, running

PEERS = ("none", "layer", "openinference", "langfuse")
WORKER = Path(__file__).with_name("openai_worker.py")
# A call of the client leaves one of these, whatever else.
ONE_A_CALL = ("completion_prompt", "embeddings", "span", "generation-create")


class Measure(NamedTuple):
    """One kind of call: its name in the worker, how many make a block, how many blocks a start."""

    title: str
    name: str
    calls: int
    rounds: int
    parts: int = 1


MEASURES = (
    Measure("chat, 1 KB", "chat_short", 40, 18),
    Measure("chat, 32 KB in 16 messages", "chat_long", 15, 18),
    Measure("async chat, 1 KB", "chat_async", 40, 15),
    Measure(f"stream of {CHUNKS} chunks", "stream", 8, 15, CHUNKS),
    Measure("embeddings, 1 KB", "embeddings", 40, 15),
    # Long enough that what sends in the background does so while calls are made, and in batches of a usual size.
    Measure("chat, 1 KB, 1,000 in a row", "chat_short", 1000, 2),
)
STARTS = 3
WARM_UP = 40


class Worker:
    """A client in a process of its own, instrumented by a peer (`none` for a plain one), in some peer's environment."""

    def __init__(self, environment: str, peer: str, servers: tuple[str, str]) -> None:
        command = [interpreter(environment), str(WORKER), peer, *servers]
        self._process = subprocess.Popen(
            command, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.made = 0

    def end(self) -> None:
        """End the process, by the end of its input."""
        self._process.communicate()

    def answer(self) -> Any:
        """Read an answer; the first one, given unasked, has the versions."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A worker ended: {self._process.args!r}")
        return json.loads(line)

    def block(self, name: str, calls: int) -> Block:
        """Have a block of calls made."""
        assert self._process.stdin is not None
        print(json.dumps([name, calls]), file=self._process.stdin, flush=True)
        self.made += calls
        return Block(**self.answer())


class Pair(NamedTuple):
    """A peer beside the plain client in its environment."""

    plain: Worker
    peer: Worker

    def take(self, measure: Measure, into: Comparison, *, peer_first: bool) -> None:
        """Take a block of each, now one first, now the other."""
        for is_peer in (peer_first, not peer_first):
            worker, blocks = (self.peer, into.peer) if is_peer else (self.plain, into.plain)
            blocks.append(worker.block(measure.name, measure.calls))


def main() -> None:
    """Measure and print."""
    options = arguments()
    found = {measure: {peer: Comparison() for peer in options.peers} for measure in MEASURES}
    versions: dict[str, str] = {}
    made: Counter[str] = Counter()
    with running("openai") as openai_url, running("sink") as sink_url:
        for _ in range(1 if options.quick else STARTS):
            with ExitStack() as stack:
                pairs = {peer: started(stack, peer, (openai_url, sink_url)) for peer in options.peers}
                versions.update(item for pair in pairs.values() for each in pair for item in each.answer().items())
                for measure in MEASURES:
                    rounds = max(2, measure.rounds // 3) if options.quick else measure.rounds
                    compare(measure, rounds, pairs, found[measure])
            made.update({peer: pair.peer.made for peer, pair in pairs.items()})
            counts = counted(sink_url)
    print(heading(versions), costs(found), arrivals(made, counts), sep="\n\n")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(PEERS), help="of " + ",".join(PEERS))
    parser.add_argument("--quick", action="store_true", help="a ninth of the blocks: a look, not a result")
    options = parser.parse_args()
    if unknown := set(options.peers) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    return options


def started(stack: ExitStack, peer: str, servers: tuple[str, str]) -> Pair:
    """Start the two processes of a peer."""
    pair = Pair(Worker(peer, "none", servers), Worker(peer, peer, servers))
    for worker in pair:
        stack.callback(worker.end)
    return pair


def compare(measure: Measure, rounds: int, pairs: dict[str, Pair], found: dict[str, Comparison]) -> None:
    """Go round all processes, after a block of each that does not count."""
    for pair in pairs.values():
        pair.take(measure._replace(calls=min(measure.calls, WARM_UP)), Comparison(), peer_first=False)
    for at in range(rounds):
        for peer, pair in pairs.items():
            pair.take(measure, found[peer], peer_first=at % 2 == 1)


def counted(sink_url: str) -> dict[str, dict[str, int]]:
    """Have the sink count what it has got by now."""
    with urllib.request.urlopen(f"{sink_url}/counts") as answer:  # noqa: S310 (a server of this script)
        counts: dict[str, dict[str, int]] = json.load(answer)
    return counts


def heading(versions: dict[str, str]) -> str:
    """Say what was measured, and on what."""
    names = ", ".join(f"{name} {number}" for name, number in versions.items())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{names}; {python}, {os.cpu_count()} cores. Microseconds of one call (of one chunk where it says so)."


def costs(found: dict[Measure, dict[str, Comparison]]) -> str:
    """Write the table of what is added to a call."""
    heads = ["call", "client", "plain", "added", "quartiles", "ratio", "added CPU", "p99 plain", "p99"]
    rows = []
    for measure, comparisons in found.items():
        whole = [[measure.title, peer, *each.cells()] for peer, each in comparisons.items()]
        parts = [["... a chunk", peer, *each.cells(measure.parts)] for peer, each in comparisons.items()]
        rows += whole if measure.parts == 1 else whole + parts
    return table(heads, rows)


def arrivals(made: Counter[str], counts: dict[str, dict[str, int]]) -> str:
    """Write the table of what the sink has got: nobody is to win by dropping."""
    rows = []
    for peer, calls in made.items():
        kinds = dict(counts.get(peer, {}))
        requests, size = kinds.pop("requests", 0), kinds.pop("bytes", 0)
        records = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items()) or "nothing"
        missing = "-" if peer == "none" else f"{calls - sum(kinds.get(kind, 0) for kind in ONE_A_CALL):,}"
        rows.append([peer, records, f"{calls:,}", missing, f"{requests:,}", f"{size / calls:,.0f}"])
    return table(["client", "records at the sink", "calls", "missing", "requests", "bytes a call"], rows)


if __name__ == "__main__":
    main()
