"""What recording costs as what waits grows, while the server never answers: actions of one session, and sessions.

A script: run with the address of a hole and the most that waits, it prints rows as JSON.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from layer_sdk import Layer

if TYPE_CHECKING:
    from figures import Row

ACTION: dict[str, Any] = {"kind": "completion_prompt", "data": {"messages": [{"role": "user", "content": "x" * 200}]}}
# The costs of as many calls are the figure of a level; where a level has less of them it is reached more often.
LEAST = 2000


def started(hole: str) -> Layer:
    """Start a Layer of its own."""
    mine = Layer()
    mine.init(base_url=hole, application_id="bench", max_queue_bytes=1 << 40, http_timeout=600)
    return mine


def filled(hole: str, most: int, *, is_sessions: bool) -> list[int]:
    """Record as many; the nanoseconds of each call."""
    mine, times = started(hole), []
    session_id = mine.create_session(wait=False)
    for _ in range(most):
        began = time.perf_counter_ns()
        if is_sessions:
            session_id = mine.create_session(wait=False)
        mine.append_action(session_id, **ACTION, wait=False)
        times.append(time.perf_counter_ns() - began)
    mine.shutdown(0.001)
    return times


def costs(hole: str, most: int, *, is_sessions: bool) -> list[Row]:
    """Give the cost of a call by how many wait: between a level, and ten times as many."""
    levels = [10**power for power in range(1, 9) if 10**power < most]
    found: dict[int, list[int]] = {level: [] for level in levels}
    filled(hole, 1000, is_sessions=is_sessions)  # the first calls of a process have much to import
    for level in reversed(levels):
        while len(found[level]) < LEAST:
            times = filled(hole, level * 10, is_sessions=is_sessions)
            for each in levels:
                found[each] += times[each : each * 10]
    what = "sessions" if is_sessions else "actions of one session"
    return [
        {
            "waiting": what,
            "level": level,
            "median": statistics.median(times) / 1e3,
            "mean": statistics.fmean(times) / 1e3,
        }
        for level, times in found.items()
    ]


if __name__ == "__main__":
    place, most = sys.argv[1], int(sys.argv[2])
    print(json.dumps([row for kind in (False, True) for row in costs(place, most, is_sessions=kind)]), flush=True)
    os._exit(0)  # what waits is not to be waited for
