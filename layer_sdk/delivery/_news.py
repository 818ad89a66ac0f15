"""Warnings that wait until no lock is held: a handler of the host's logging may wait for a thread that waits for us."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import partial
from typing import Callable

from layer_sdk._log import swallow, warn

MOST = 100  # what is kept while nobody may log: a mistake that comes again and again is not to fill the memory


class News:
    """What is to be logged. Thread-safe without a lock, as it is added to in signal handlers and finalizers."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque(maxlen=MOST)

    def add(self, message: str, *arguments: object) -> None:
        """Keep a warning; the arguments are those of `warn`."""
        self._waiting.append(partial(warn, message, *arguments))

    def add_error(self, doing: str, error: BaseException) -> None:
        """Keep an exception of ours; the arguments are those of `swallow`."""
        self._waiting.append(partial(swallow, doing, error))

    def tell(self) -> None:
        """Log it. Call without a lock."""
        while self._waiting:
            with suppress(IndexError):  # another thread was faster
                self._waiting.popleft()()
