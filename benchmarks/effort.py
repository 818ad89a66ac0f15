"""How much is measured: which peers, how often, and for how long at most."""

from __future__ import annotations

import time
from typing import Iterator, NamedTuple

PEERS = (
    "none",
    "layer",
    "layer_published",
    "langfuse",
    "langsmith",
    "opik",
    "openinference",
    "openllmetry",
    "otel",
    "logfire",
)
OWN = ("none", "layer", "layer_published")  # that are no peers
ALWAYS = ("none", "layer")
QUICK_PEERS = ("none", "layer", "openinference", "langfuse")
LEAST = 2


def best(added: dict[str, float], count: int = 1) -> list[str]:
    """Name the peers to whose calls the least was added."""
    return sorted((client for client in added if client not in OWN), key=lambda client: added[client])[:count]


class Effort(NamedTuple):
    """What a run may take.

    Attributes:
        peers: Those that are measured.
        starts: How often their processes are started anew, if there is time: of two that do the same one may be faster
            for as long as it lives.
        share: The part of the usual turns, and of the usual time.
    """

    peers: tuple[str, ...] = PEERS
    starts: int = 12
    share: float = 1.0

    def turns(self, most: int, seconds: float, least: int = LEAST) -> Iterator[int]:
        """Number the turns: as many as there are, while there is time, and a few in any case."""
        end = time.monotonic() + seconds * self.share
        for at in range(max(least, round(most * self.share))):
            if at >= least and time.monotonic() > end:
                return
            yield at


QUICK = Effort(QUICK_PEERS, starts=5, share=0.4)
