"""A program that records more than memory may take, with the server away: `life_pressure.py OVERFLOW RECORDS BYTES`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from chaos.life_program import begin, tell
from layer_sdk import layer

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Give the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main() -> None:
    """Record in sessions of nineteen actions; look at the account in between."""
    overflow, records, budget = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    begin(overflow=overflow, max_queue_bytes=budget)
    engine: Any = layer._parts.sink  # type: ignore[union-attr]
    engine._limits = engine._limits._replace(block_timeout=0.0002)
    most = wrong = 0
    engine._carrier.load()  # what a worker would load is not what waits
    base = resident()
    for number in range(records // 20):
        session_id = layer.create_session(wait=False)
        for place in range(19):
            layer.append_action(
                session_id, kind="embeddings", data={"key": f"{number}-{place}", "text": "x" * 2000 + str(number)},
                wait=False,
            )  # fmt: skip
        stats = layer.stats()
        ended = stats["sent"] + stats["dead_lettered"] + sum(stats["dropped"].values())
        wrong += stats["accepted"] != stats["queued"] + stats["in_flight"] + ended
        most = max(most, stats["queued_bytes"])
    tell(json.dumps({"stats": layer.stats(), "most": most, "wrong": wrong, "grown": resident() - base}))
    os._exit(0)


main()
