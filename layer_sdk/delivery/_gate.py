"""The gate before the server: shut for everybody while it is away, asks for time, or refuses our credentials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._outcome import HOLD

if TYPE_CHECKING:
    import random

OPEN, OUTAGE, UNAUTHORIZED = "open", "outage", "unauthorized"
THRESHOLD = 5  # consecutive failures, after which one probe at a time asks whether the server is back
MAX_DELAY = 60.0
FIRST_DELAY = 2.0
HOLD_DELAY = 30.0
MAX_HOLD = 300.0
CALL_PATIENCE = 10.0  # seconds that an explicit call lets a server ask for, as the default session does
DRAIN_DELAY = 0.5  # while the process ends, waiting longer than this would be waiting for nothing


class Gate:
    """Says when a request may go. All times are of one monotonic clock, in seconds. Not thread-safe: the engine locks.

    Args:
        chance: Where the jitter comes from.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._not_before = 0.0
        self._failures = 0
        self._rounds = 0
        self._is_held = False
        self._is_probing = False
        self.is_draining = False

    @property
    def state(self) -> str:
        """`open`, `outage` or `unauthorized`."""
        if self._is_held:
            return UNAUTHORIZED
        return OUTAGE if self._failures >= THRESHOLD else OPEN

    @property
    def opens_at(self) -> float:
        """When the next request may go; infinite while a probe is under way."""
        return math.inf if self._is_probing else self._not_before

    def is_shut(self, now: float) -> bool:
        """Tell whether whoever waits for an answer had better not: the server is away, or asks for a long time."""
        return self.state != OPEN or self._not_before - now > CALL_PATIENCE

    def enter(self) -> bool:
        """A request goes; True if it is the probe that everybody waits for."""
        self._is_probing = self.state != OPEN
        return self._is_probing

    def leave(self, *, was_probe: bool) -> None:
        """A request ended, whatever came of it."""
        if was_probe:
            self._is_probing = False

    def succeed(self) -> None:
        """The server answered something that makes sense: whoever waits may go."""
        self._failures = self._rounds = 0
        self._is_held = False
        self._not_before = 0.0

    def fail(self, now: float, verdict: str, retry_after: float | None, *, was_probe: bool) -> None:
        """The server did not answer, asks for time, or refuses the credentials."""
        was_shut = self.state != OPEN
        self._failures += 1
        self._is_held = self._is_held or verdict == HOLD  # until the server takes them: a 503 says nothing of them
        if retry_after is not None:
            self._not_before = max(self._not_before, now + retry_after)
        if self.state == OPEN or (was_shut and not was_probe):  # the latter left before the gate was shut
            return
        first, most = (HOLD_DELAY, MAX_HOLD) if self._is_held else (FIRST_DELAY, MAX_DELAY)
        delay = min(most, first * 2.0 ** min(self._rounds, 10)) * self._chance.uniform(0.5, 1.0)
        self._rounds += 1
        self._not_before = max(self._not_before, now + (DRAIN_DELAY if self.is_draining else delay))

    def drain(self, now: float) -> None:
        """The process ends: one try now, and then every half second."""
        self.is_draining = True
        self._not_before = min(self._not_before, now)
