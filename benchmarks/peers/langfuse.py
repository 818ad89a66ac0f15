"""Langfuse, by its drop-in for the openai package."""

from __future__ import annotations

from peers import Peer

PACKAGES = ("langfuse",)
MODULES = ("langfuse", "langfuse.openai")


def start(sink: str) -> Peer:
    """Make its client, and import the drop-in: that patches the package for all."""
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url=sink)  # noqa: S106 (for the sink)
    import langfuse.openai  # noqa: F401 (for its effect)

    return Peer(client.flush, lambda: client.start_as_current_observation(name="session"))
