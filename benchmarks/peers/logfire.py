"""Logfire, as it sends to its own service."""

from __future__ import annotations

from peers import Peer

PACKAGES = ("logfire",)
MODULES = ("logfire",)


def start(sink: str) -> Peer:
    """Configure with a token and the sink for its service, and instrument. Nothing is printed for each span."""
    import logfire

    advanced = logfire.AdvancedOptions(base_url=f"{sink}/")
    logfire.configure(token="bench", console=False, advanced=advanced)  # noqa: S106 (for the sink)
    logfire.instrument_openai()
    return Peer(logfire.force_flush, lambda: logfire.span("session"))
