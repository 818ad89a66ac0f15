"""The SDK's logger, a limit on how often it speaks, and the guard that keeps our mistakes out of the host."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import Callable, Iterator

from . import _fork

logger = logging.getLogger("layer_sdk")
logger.addHandler(logging.NullHandler())

INTERVAL = 60.0
MAX_MESSAGES = 1000

# Called with every exception that is kept from the host. The tests listen here and raise what they hear.
observers: list[Callable[[BaseException], None]] = []


class Limiter:
    """Lets each message through at most once per interval and counts what it held back.

    Args:
        interval: Seconds between two passes of the same message.
        clock: A monotonic clock in seconds.
        size: How many messages to remember; the one that came first is forgotten first.
    """

    def __init__(
        self, interval: float = INTERVAL, clock: Callable[[], float] = time.monotonic, size: int = MAX_MESSAGES
    ) -> None:
        self._interval = interval
        self._size = size
        self._clock = clock
        self._lock = _fork.Lock("RLock")
        self._seen: dict[str, tuple[float, int]] = {}

    def admit(self, message: str) -> int:
        """Tell how many occurrences a line logged now stands for; 0 says not to log."""
        now = self._clock()
        with self._lock:
            last, held_back = self._seen.get(message, (float("-inf"), 0))
            if now - last < self._interval:
                self._seen[message] = (last, held_back + 1)
                return 0
            self._seen.pop(message, None)  # so that it becomes the newest
            self._seen[message] = (now, 0)
            if len(self._seen) > self._size:
                del self._seen[next(iter(self._seen))]
            return held_back + 1


limiter = Limiter()


def warn(message: str, *arguments: object) -> None:
    """Log a warning, the same one at most once a minute, with a count of those held back.

    Args:
        message: A constant %-format. It is the key of the limit, so nothing that varies belongs in it.
        arguments: Values for the format: names, counts and statuses, never contents or secrets.
    """
    times = limiter.admit(message)
    if times > 1:
        message, arguments = f"{message} (%d times since the last such line)", (*arguments, times)
    try:
        if times:
            logger.warning(message, *arguments)
    except Exception as error:  # noqa: BLE001  (the whole point)
        _tell_observers(error)


@contextmanager
def guard(doing: str) -> Iterator[None]:
    """Keep an exception of ours from the host: log its type and place, never its text, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  (the whole point)
        swallow(doing, error)


def swallow(doing: str, error: BaseException) -> None:
    """Report an exception that the host is not to see."""
    _tell_observers(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "an unknown place"
    warn("An error inside the Layer SDK while %s was ignored: %s at %s", doing, type(error).__name__, place)


def _tell_observers(error: BaseException) -> None:
    for observer in observers:
        observer(error)
