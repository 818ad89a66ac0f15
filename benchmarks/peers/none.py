"""The plain client. Measured against itself, it shows what the figures of the others are worth."""

from __future__ import annotations

from typing import Callable

PACKAGES = ("openai",)


def start(_sink: str) -> Callable[[], object]:
    """Do nothing."""
    return lambda: None
