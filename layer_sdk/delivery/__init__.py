"""When to send what was recorded, and the account of what became of it.

`Sink` is the seam: recording hands over, a sink delivers. `BackgroundDelivery` sends when the server can take it and
never makes the host wait; `InlineDelivery` sends at once, on the caller's thread.
"""

from __future__ import annotations

from ._background import BackgroundDelivery
from ._inline import InlineDelivery
from ._journal import Journal
from ._lifecycle import before_end, install_sigterm_handler
from ._limits import Limits
from ._segment import entries as list_segments
from ._segment import purge as purge_segments
from ._sink import Sink
from ._spool import MAX_BYTES as MAX_SPOOL_BYTES
from ._spool import Spool
from ._stats import Stats

__all__ = [
    "MAX_SPOOL_BYTES",
    "BackgroundDelivery",
    "InlineDelivery",
    "Journal",
    "Limits",
    "Sink",
    "Spool",
    "Stats",
    "before_end",
    "install_sigterm_handler",
    "list_segments",
    "purge_segments",
]
