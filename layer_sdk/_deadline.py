"""A time by which everything that is asked inside has to be over."""

from __future__ import annotations

import contextvars
import math
import time
from contextlib import contextmanager
from typing import Iterator

_ends: contextvars.ContextVar[float] = contextvars.ContextVar("layer_sdk_ends", default=math.inf)


@contextmanager
def within(ends: float) -> Iterator[None]:
    """Let no request that is made inside wait for longer than until a monotonic time."""
    token = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(token)


def capped(seconds: float | None) -> float | None:
    """Give the timeout that is left of one, None where there is none."""
    left = _ends.get() - time.monotonic()
    if left == math.inf:
        return seconds
    return max(0.01, left if seconds is None else min(seconds, left))
