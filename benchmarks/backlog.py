"""What recording costs as what waits grows, while the server never answers: actions of one session, and sessions.

A script: run with the address of a hole and the most that waits, it prints rows as JSON. Beside each Layer with much
that waits stands one with little: they take turns, so that the hour, and what memory the process has, are the same.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from figures import spread

from layer_sdk import Layer

if TYPE_CHECKING:
    from figures import Row

ACTION: dict[str, Any] = {"kind": "completion_prompt", "data": {"messages": [{"role": "user", "content": "x" * 200}]}}
FIRST = 10
BLOCK = 20  # calls
TURNS = 200
MORE = 1.5  # times its level that as many may wait, before it begins anew


class Filling:
    """A Layer whose server never answers.

    Args:
        hole: The server.
        is_sessions: Whether each action is of a session of its own.
    """

    def __init__(self, hole: str, *, is_sessions: bool) -> None:
        self._is_sessions = is_sessions
        self._layer = Layer()
        self._layer.init(base_url=hole, application_id="bench", max_queue_bytes=1 << 40, http_timeout=600)
        self._session_id = self._layer.create_session(wait=False)
        self.waiting = 0

    def fill(self, level: int) -> None:
        """Record until so many wait."""
        while self.waiting < level:
            self._record()

    def block(self) -> float:
        """Record some more; the nanoseconds of a typical call."""
        times = []
        for _ in range(BLOCK):
            began = time.perf_counter_ns()
            self._record()
            times.append(time.perf_counter_ns() - began)
        return statistics.median(times)

    def _record(self) -> None:
        if self._is_sessions:
            self._session_id = self._layer.create_session(wait=False)
        self._layer.append_action(self._session_id, **ACTION, wait=False)
        self.waiting += 1

    def end(self) -> None:
        """Throw away what waits."""
        self._layer.shutdown(0.001)


def filled(hole: str, level: int, *, is_sessions: bool) -> Filling:
    """Make one in which so many wait."""
    filling = Filling(hole, is_sessions=is_sessions)
    filling.fill(level)
    return filling


def cost(hole: str, level: int, *, is_sessions: bool) -> Row:
    """Give what a call takes with so many that wait, and with few, in turns."""
    much, pairs = filled(hole, level, is_sessions=is_sessions), []
    for turn in range(TURNS):
        if much.waiting > MORE * level:
            much.end()
            much = filled(hole, level, is_sessions=is_sessions)
        little = filled(hole, FIRST, is_sessions=is_sessions)
        both = (much, little) if turn % 2 else (little, much)
        found = {filling: filling.block() for filling in both}
        pairs.append((found[much], found[little]))
        little.end()
    much.end()
    return {
        "waiting": "sessions" if is_sessions else "actions of one session",
        "level": level,
        "median": statistics.median(each for each, _ in pairs) / 1e3,
        "few": statistics.median(few for _, few in pairs) / 1e3,
        "ratio": spread([each / few for each, few in pairs]),
    }


def main(hole: str, most: int) -> None:
    """Measure each level, ten times the one before."""
    levels = [10**power for power in range(1, 9) if 10**power <= most]
    cost(hole, FIRST, is_sessions=True)  # the first calls of a process have much to import
    rows = [cost(hole, level, is_sessions=kind) for kind in (False, True) for level in levels]
    print(json.dumps(rows), flush=True)
    os._exit(0)  # what waits is not to be waited for


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
