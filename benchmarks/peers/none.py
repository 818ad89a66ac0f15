"""The plain client. Measured against itself, it shows what the figures of the others are worth."""

from __future__ import annotations

from peers import Peer

PACKAGES = ("openai",)
MODULES: tuple[str, ...] = ()


def start(_sink: str) -> Peer:
    """Do nothing."""
    return Peer(lambda: None)
