"""What it takes to begin: importing, setting up, the first call, and a whole process that makes one call."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from effort import Effort
from environments import FOLDER, interpreter, variables
from figures import Row, between, spread, table
from workers import Servers

TITLE = "Beginning"
WORKER = Path(__file__).with_name("startup_worker.py")
PARTS = ("import", "init", "first call", "together", "process", "process cpu")


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Start processes in turns, a peer's and a plain one in the same environment."""
    found: dict[str, dict[str, list[float]]] = {peer: defaultdict(list) for peer in effort.peers}
    for at in effort.turns(10, 200):
        for peer in effort.peers:
            names = (peer, "none") if at % 2 else ("none", peer)
            took = {name: once(peer, name, servers) for name in names} if peer != "none" else plain_twice(servers)
            for part in PARTS:
                found[peer][part].append(took[peer][part] - took["none"][part])
    return [{"client": peer, **{part: spread(parts[part]) for part in PARTS}} for peer, parts in found.items()]


def plain_twice(servers: Servers) -> dict[str, dict[str, float]]:
    """Start two plain processes, where the difference shows what the others are worth: both have the same name."""
    once("none", "none", servers)
    return {"none": once("none", "none", servers)}


def once(environment: str, peer: str, servers: Servers) -> dict[str, float]:
    """Run a process; milliseconds by part."""
    command = [interpreter(environment), str(WORKER), peer, *servers]
    with (FOLDER / f"{peer}.log").open("ab") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=tempfile.gettempdir(),
            env=variables(environment),
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
    """Write the table, and how the first of Layer compares."""
    heads = ["client", "import", "init", "first call", "together", "whole process", "its CPU"]
    cells = table(heads, ([row["client"], *(between(row[part], 1) for part in PARTS)] for row in rows))
    others = {row["client"]: row["together"][1] for row in rows if row["client"] not in ("none", "layer")}
    layer = next((row["together"][1] for row in rows if row["client"] == "layer"), None)
    text = f"""\
Milliseconds more than with the plain client, median and quartiles of processes started in turns. openai is imported and
its client made before; `import` and `init` are the peer's, `first call` is what the first call takes longer. The whole
process makes one call and ends as usual, so what is left is sent at its end.

{cells}
"""
    if layer is not None and others:
        best = min(others, key=lambda name: others[name])
        text += f"\nImport, init and first call of layer take {layer / others[best]:.2f} of those of the best peer, {best}.\n"
    return text
