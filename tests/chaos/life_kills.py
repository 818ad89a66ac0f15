"""A program whose children are killed while they record: `life_kills.py CHILDREN SEED [FIRST]`."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time

import layer_sdk._parts  # once for all children, with what a worker of each would load: each lives for a moment only
import layer_sdk._retry
import layer_sdk._wire  # noqa: F401
from chaos.life_program import act, begin, tell
from layer_sdk import layer

RANGE = 100_000  # numbers that each child has for itself
LOW, HIGH = 0.03, 0.16  # seconds that a child lives


def record_for_ever(first: int) -> None:
    """Record ten actions a session, as an application does that has something else to do in between."""
    begin()
    for number in itertools.count():
        if number % 10 == 0:
            session_id = layer.create_session(wait=False)
        act(first + number, session_id)
        time.sleep(0.0002)


def main() -> None:
    """Fork child after child, and kill each at a random moment."""
    first = int(sys.argv[3]) if sys.argv[3:] else 0
    draw = random.Random(int(sys.argv[2]))  # noqa: S311  (a repeatable draw)
    for place in range(int(sys.argv[1])):
        child = os.fork()
        if not child:
            record_for_ever(first + place * RANGE)
        time.sleep(draw.uniform(LOW, HIGH))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    tell("done")


main()
