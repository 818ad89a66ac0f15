"""A program that records wherever Python lets code run by surprise: `life_reentry.py`. Runs on Python 3.8."""

from __future__ import annotations

import gc
import itertools
import logging
import signal
import sys
import threading
import time
from typing import Any

from chaos.life_program import act, begin, tell
from layer_sdk import layer
from layer_sdk.delivery import BackgroundDelivery

COUNT = 500
DELETED, SIGNALLED, LOGGED, PLAIN = 100_000, 200_000, 300_000, 400_000


class Deleted:
    """Records when the garbage collector finds it: wherever this or another thread stands."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._itself = self

    def __del__(self) -> None:
        act(DELETED + self._number)


class Logging(logging.Handler):
    """Records what is logged, with the lock of a handler held, as those do that ship logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Record."""
        act(LOGGED + next(logged))


logged = itertools.count()
signals = itertools.count()  # `next` of it cannot be interrupted, and a signal may come while another is handled
handled: set[int] = set()


def handle(*_: Any) -> None:
    """Record in a signal handler."""
    number = next(signals)
    if number < COUNT:
        act(SIGNALLED + number)
        handled.add(number)
        # The next one comes a millisecond after this one is done: at a fixed rate, on a busy machine, handlers would
        # nest within handlers until the stack ends.
        signal.setitimer(signal.ITIMER_REAL, 0.001)


def main() -> None:
    """Record from a destructor, a signal handler, a log handler, and two threads at once."""
    begin()
    admit = BackgroundDelivery._admit
    strike = iter(range(COUNT))

    def struck(self: BackgroundDelivery, *arguments: Any) -> None:
        """Be struck by a destructor with the engine's lock held, each time."""
        number = next(strike, None)
        if number is not None:
            Deleted(number)
            gc.collect(0)
        admit(self, *arguments)

    BackgroundDelivery._admit = struck  # type: ignore[assignment, method-assign]
    logger = logging.getLogger("host")
    handler = Logging()
    logger.addHandler(handler)
    logging.getLogger("layer_sdk").addHandler(handler)
    logging.getLogger("urllib3").addHandler(handler)
    logger.propagate = False
    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001)

    def log() -> None:
        for _ in range(COUNT):
            logger.warning("something")
            time.sleep(0.0005)

    def plain() -> None:
        for number in range(COUNT):
            act(PLAIN + number)

    threads = [threading.Thread(target=log), threading.Thread(target=plain)]
    for thread in threads:
        thread.start()
    while len(handled) < COUNT:
        layer.stats()
        layer.flush(0.001)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for thread in threads:
        thread.join()
    del Deleted.__del__
    assert layer.flush(60)
    stats = layer.stats()
    ended = stats["sent"] + stats["dead_lettered"] + sum(stats["dropped"].values())
    tell(f"unbalanced {stats['accepted'] - ended - stats['queued'] - stats['in_flight']}")
    tell(f"lost {stats['accepted'] - stats['sent']}")
    sys.exit(0)


main()
