"""When to send what was recorded, and the account of what became of it.

A `Sink` is the seam: recording hands over, a sink delivers. `BackgroundDelivery` sends when the server can take it and
never makes the host wait; `InlineDelivery`, in `_inline`, sends at once, on the caller's thread.
"""

from __future__ import annotations

from ._background import BackgroundDelivery
from ._lifecycle import before_end, install_sigterm_handler
from ._limits import Limits

__all__ = [
    "BackgroundDelivery",
    "Limits",
    "before_end",
    "install_sigterm_handler",
]
