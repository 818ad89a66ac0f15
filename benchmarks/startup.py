"""What it takes to begin: importing, setting up, the first call, and a whole process that makes one call."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from effort import ALWAYS, best
from environments import FOLDER, interpreter, variables
from figures import Row, between, spread, table

if TYPE_CHECKING:
    from effort import Effort
    from workers import Servers

TITLE = "Beginning"
WORKER = Path(__file__).with_name("startup_worker.py")
ALL = 4  # turns with all peers
GOAL = "together cpu"  # by which the best are told
PARTS = ("openai", "import", "init", "first call", "together", "together cpu", "process", "process cpu")


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Start processes in turns, a peer's and a plain one in the same environment."""
    found: dict[str, dict[str, list[float]]] = {peer: defaultdict(list) for peer in effort.peers}
    for at in effort.turns(30, 240, least=ALL):
        for peer in contenders(found) if at >= ALL else effort.peers:
            took = {is_peer: once(peer, peer if is_peer else "none", servers) for is_peer in (at % 2 == 1, at % 2 == 0)}
            for part in PARTS:
                found[peer][part].append(took[True][part] - took[False][part])
    return [{"client": peer, **{part: spread(parts[part]) for part in PARTS}} for peer, parts in found.items()]


def contenders(found: dict[str, dict[str, list[float]]]) -> list[str]:
    """Name those that go on after the first turns: Layer, nobody, and the best two of the peers."""
    going = {*ALWAYS, *best({peer: statistics.median(parts[GOAL]) for peer, parts in found.items()}, 2)}
    return [peer for peer in found if peer in going]


def once(environment: str, peer: str, servers: Servers) -> dict[str, float]:
    """Run a process; milliseconds by part."""
    command = [interpreter(environment), str(WORKER), peer, *servers]
    with (FOLDER / f"{peer}.log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=tempfile.gettempdir(),
            env=variables(environment, peer),
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        whole = time.perf_counter() - began
    if status:
        raise SystemExit(f"A process failed, see {log.name}: {command!r}")
    parts: dict[str, float] = json.loads(said)
    return {**parts, "process": whole * 1e3, "process cpu": (usage.ru_utime + usage.ru_stime) * 1e3}


def written(rows: list[Row]) -> str:
    """Write the table."""
    heads = ["client", "openai", "import", "init", "first call", "together", "CPU of it", "whole process", "its CPU"]
    cells = table(heads, ([row["client"], *(between(row[part]) for part in PARTS)] for row in rows))
    return f"""\
Milliseconds more than with the plain client, median and quartiles of processes started in turns: importing openai and
making a client (there is a peer that is imported with it), importing the peer, setting it up, and the first call. What
one step has imported the next need not, so the first call may take less; what counts is all together. The whole process
makes one call and ends as usual, so what is left is sent at its end. After {ALL} turns only Layer, the plain client and
the best two of the peers go on.

{cells}
"""
