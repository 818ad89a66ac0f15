"""A clock for tests: it stands still until it is set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


class Clock:
    """Stands in for the monotonic clock and goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def stop_for_tokens(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the time for whoever keeps tokens, and for nobody else: the event loop of a server would sleep on."""
    made = Clock()
    monkeypatch.setattr("layer_sdk._tokens.time", SimpleNamespace(monotonic=made))
    return made
