"""A program whose garbage collector strikes while threads are started: `life_births.py`. Runs on Python 3.8."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

from chaos.life_program import act, begin, tell
from layer_sdk import layer


class Deleted:
    """Records when the garbage collector finds it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._itself = self

    def __del__(self) -> None:
        act(self._number)


def ours() -> None:
    """Strike in a worker that does not run yet: whoever starts a thread in the usual way waits for it."""
    born = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def struck(thread: threading.Thread) -> None:
        if thread.name.startswith("layer-sdk"):
            gc.collect()
        born(thread)

    threading.Thread._bootstrap_inner = struck  # type: ignore[attr-defined]
    Deleted(1)
    act(2)


def theirs() -> None:
    """Strike where a thread holds a lock of Python's, as it does when it lists all of them, that each start takes."""
    lock: Any = threading._active_limbo_lock  # type: ignore[attr-defined]
    going_on, recorded = threading.Event(), threading.Event()

    def first() -> None:
        going_on.wait()
        act(2)
        recorded.set()

    other = threading.Thread(target=first)
    other.start()
    Deleted(1)
    with lock:
        going_on.set()
        recorded.wait(2)  # else it waits for us, with the engine's lock
        gc.collect()
    other.join()


def main() -> None:
    """Be struck once, and see that all arrives."""
    begin()
    gc.collect()
    gc.disable()
    {"ours": ours, "theirs": theirs}[sys.argv[1]]()
    tell(f"flushed {layer.flush(30)}")


main()
