"""What the engine may take: memory, time, threads."""

from __future__ import annotations

from typing import NamedTuple

DROP_NEWEST = "drop_newest"
DROP_OLDEST = "drop_oldest"
BLOCK = "block"


class Limits(NamedTuple):
    """The bounds of background delivery.

    Attributes:
        max_bytes: Of records in memory, waiting and under way.
        overflow: What gives way when they are used up: `drop_newest`, `drop_oldest` (whole lanes) or `block`.
        block_timeout: Seconds that `block` waits for room.
        linger: Seconds that a new session waits for company.
        workers: Threads at most.
        idle: Seconds after which a thread without work ends.
        exit_timeout: Seconds that the end of the process waits for what is left.
    """

    max_bytes: int = 64 * 1024 * 1024
    overflow: str = DROP_NEWEST
    block_timeout: float = 5.0
    linger: float = 0.1
    workers: int = 8
    idle: float = 10.0
    exit_timeout: float = 5.0
