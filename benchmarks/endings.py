"""What arrives of the calls made just before a process ends, by the way in which it ends."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from environments import FOLDER, interpreter, variables
from figures import Row, grid
from records import CALLS
from servers import counted

if TYPE_CHECKING:
    from effort import Effort
    from workers import Servers

TITLE = "Ending"
WORKER = Path(__file__).with_name("ending_worker.py")
ENDINGS = ("end of the program", "sys.exit", "exception", "SIGTERM", "os._exit", "SIGKILL")
MADE = 50
SAFE = "layer_safe"
TIMEOUT = 60


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """End a process of each peer in each way."""
    peers = [peer for peer in effort.peers if peer != "none"]
    if "layer" in peers:
        peers.insert(peers.index("layer") + 1, SAFE)
    return [row(peer, ending, servers) for ending in ENDINGS for peer in peers]


def row(peer: str, ending: str, servers: Servers) -> Row:
    """Make calls, end, and have the sink count; what a spool keeps is sent by a process that comes after."""
    before = calls_of(peer, servers)
    with tempfile.TemporaryDirectory() as folder:
        spool = str(Path(folder) / "spool")
        seconds, outside = ended(peer, ending, servers, spool)
        time.sleep(0.3)  # what was sent may not have been read
        recorded = calls_of(peer, servers) - before
        if peer == SAFE and recorded < MADE:
            ended(peer, "adopt", servers, spool)
            recorded = calls_of(peer, servers) - before
    return {"ending": ending, "client": peer, "recorded": recorded, "seconds": seconds, "outside": outside}


def calls_of(peer: str, servers: Servers) -> int:
    """Count the calls of a peer at the sink."""
    counts = counted(servers.sink).get(peer, Counter())
    return sum(counts[kind] for kind in CALLS)


def ended(peer: str, ending: str, servers: Servers, spool: str) -> tuple[float, list[str]]:
    """Run a process; the seconds from its last call to its end, and the addresses outside that it wanted."""
    command = [interpreter(peer), str(WORKER), peer, *servers, ending, str(MADE)]
    with (FOLDER / f"{peer}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=tempfile.gettempdir(),
            env={**variables(peer, peer), "BENCH_SPOOL": spool},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    said = process.stdout.readline()
    began = time.perf_counter()
    try:
        rest, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        rest, _ = process.communicate()
    if said != "made\n":
        raise SystemExit(f"A process failed, see {log.name}: {command!r}")
    return time.perf_counter() - began, rest.split(os.linesep)[:-1]


def written(rows: list[Row]) -> str:
    """Write the tables."""

    def arrived(row: Row) -> str:
        lost = MADE - row["recorded"]
        return f"{lost} lost" if lost > 0 else "all" if lost == 0 else f"all, {-lost} twice"

    outside = sorted({f"{row['client']}: {each}" for row in rows for each in row["outside"]})
    return f"""\
Of {MADE} chats of 1 KB just before the end, those that never arrived. `layer_safe` is Layer with `spool_dir`, so that
the next process sends what is left, and with `install_sigterm_handler()`; what was under way when a process died goes
out again, with the same `Idempotency-Key`.

{grid(rows, "client", "ending", arrived)}

Seconds from the last call to the end of the process:

{grid(rows, "client", "ending", lambda row: f"{row['seconds']:.2f}")}

Addresses outside this machine that these processes wanted to reach, and were kept from: {"; ".join(outside) or "none"}.
"""
