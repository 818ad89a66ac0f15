"""When to send what was recorded, and the account of what became of it.

`Sink` is the seam: recording hands over, a sink delivers. `InlineDelivery` sends at once, on the caller's thread.
"""

from __future__ import annotations

from ._inline import InlineDelivery
from ._sink import Sink
from ._stats import Stats

__all__ = ["InlineDelivery", "Sink", "Stats"]
