"""A program whose threads are greenlets: `life_green.py`."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os
import sys
import time

import gevent

from chaos.life_program import act, act_many, begin, tell
from layer_sdk import layer

CHILD = 1_000_000
GREENLETS, EACH = 50, 40


def hammer(place: int) -> None:
    """Record a little, and let others."""
    for number in range(0, EACH, 10):
        act_many(10, place * EACH + number, lanes=1)
        gevent.sleep(0.001)


def main() -> None:
    """Record from many greenlets, fork among them, and leave the rest to the end."""
    begin()
    workers = [gevent.spawn(hammer, place) for place in range(GREENLETS)]
    start = time.monotonic()
    gevent.joinall(workers)
    children = []
    for number in range(5):
        pid = os.fork()
        if not pid:
            act(CHILD + number)
            sys.exit(0)
        children.append(pid)
    tell(f"bad {[status for status in (os.waitpid(pid, 0)[1] for pid in children) if status]}")
    assert layer.flush(30)
    tell(f"took {time.monotonic() - start:.3f}")
    act_many(10, GREENLETS * EACH)


main()
