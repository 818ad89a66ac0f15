"""Timeouts as users give them."""

from __future__ import annotations

import math
from typing import Any

DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 2_000_000.0  # a socket cannot wait longer: milliseconds in 31 bits


def seconds_of(value: Any) -> float | None:
    """Read a timeout; None where it is not a number of seconds that a socket can wait."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return seconds if 0 < seconds <= MAX_TIMEOUT else None


def shown(value: Any) -> str:
    """Show a number or a text in an error; of anything else its type."""
    if isinstance(value, (str, float)) or (isinstance(value, int) and value.bit_length() <= 64):
        return f"{value!r:.200}"
    return f"of type {type(value).__name__}"
