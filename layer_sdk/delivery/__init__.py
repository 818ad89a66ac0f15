"""When to send what was recorded, and the account of what became of it.

`Sink` is the seam: recording hands over, a sink delivers. `BackgroundDelivery` sends when the server can take it and
never makes the host wait; `InlineDelivery` sends at once, on the caller's thread.
"""

from __future__ import annotations

from ._background import BackgroundDelivery
from ._inline import InlineDelivery
from ._lifecycle import install_sigterm_handler
from ._limits import Limits
from ._sink import Sink
from ._stats import Stats

__all__ = ["BackgroundDelivery", "InlineDelivery", "Limits", "Sink", "Stats", "install_sigterm_handler"]
