"""What Layer costs by itself, beside plain Python: recording, delivery, and both as what waits grows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import interpreter, variables
from figures import Row, between, table
from servers import counted, running

if TYPE_CHECKING:
    from effort import Effort
    from workers import Servers

TITLE = "Layer by itself"
FOLDER = Path(__file__).parent


def measure(effort: Effort, servers: Servers) -> list[Row]:
    """Run the scripts, each in a process of its own."""
    with running("hole") as hole:
        rows = script("backlog.py", hole, str(100_000 if effort.share >= 1 else 10_000))
    rows += script("throughput.py", servers.sink)
    rows += script("intake.py", "--json", python=sys.executable)  # which has the embedded Layer
    arrived = counted(servers.sink).get("throughput", Counter())
    return [*rows, {"way": "arrived", "count": arrived["completion_prompt"]}]


def script(name: str, *arguments: str, python: str = "") -> list[Row]:
    """Run one with the SDK of the working tree, in the environment of Layer if no other is said; its rows."""
    command = [python or interpreter("layer"), str(FOLDER / name), *arguments]
    done = subprocess.run(command, env=variables("layer", "layer"), stdout=subprocess.PIPE, check=True, text=True)
    rows: list[Row] = json.loads(done.stdout)
    return rows


def written(rows: list[Row]) -> str:
    """Write the tables."""
    grown = table(
        ["waiting", "how many", "median", "with ten", "ratio"],
        (
            [row["waiting"], f"{row['level']:,}", f"{row['median']:.2f}", f"{row['few']:.2f}", ratio(row)]
            for row in rows
            if "waiting" in row
        ),
    )
    ways = table(
        ["way", "CPU", "bare post", "ratio"],
        ([row["way"], f"{row['cpu']:,.0f}", f"{row['bare']:,.0f}", ratio(row)] for row in rows if "bare" in row),
    )
    intake = table(
        ["recording", "microseconds", "to json.dumps"],
        ([row["intake"], f"{row['cost']:.2f}", f"{row['cost'] / row['dumps']:.2f}"] for row in rows if "intake" in row),
    )
    return f"""\
Microseconds to record a small action while the server never answers, by how many wait, beside a Layer where ten do,
in turns:

{grown}

Microseconds of the processor for a request that is answered at once, beside `requests.Session.post` of the same bytes:

{ways}

{rate(rows)}

Recording a prompt of 2 KB, beside what plain Python takes for it:

{intake}

{hole(rows)}
"""


def ratio(row: Row) -> str:
    """Write a ratio with its quartiles."""
    return between(row["ratio"], 2).replace("+", "")


def rate(rows: list[Row]) -> str:
    """Write what one process gets through."""
    found: dict[str, Any] = next(row for row in rows if row.get("way") == "rate")
    arrived = next(row["count"] for row in rows if row.get("way") == "arrived")
    rates = ", ".join(f"{each:,.0f}" for each in found["rates"])
    return (
        "Actions a second from recording to arrival, of one process, in sessions of 100 that travel whole: "
        f"{statistics.median(found['rates']):,.0f}, the median of {rates} "
        f"({found['sent']:,} of {found['made']:,} records sent; "
        f"the sink counts {arrived:,} actions of {found['actions']:,})."
    )


def hole(rows: list[Row]) -> str:
    """Write how an instrumented function fares while the server never answers."""
    found = next((row for row in rows if "black hole" in row), None)
    if found is None:
        return ""
    return f"""\
99 of 100 calls of a decorated function do not pass {found["healthy"]:.1f} microseconds with a healthy server, and
{found["black hole"]:.1f} with one that never answers; `shutdown(1.0)` with it took {found["shutdown"]:.2f} s."""
