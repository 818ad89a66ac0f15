"""Langfuse, by its drop-in for the openai package."""

from __future__ import annotations

from typing import Callable

PACKAGES = ("langfuse", "opentelemetry-sdk")


def start(sink: str) -> Callable[[], object]:
    """Make its client, and import the drop-in: that patches the package for all."""
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-lf-bench", secret_key="sk-lf-bench", base_url=sink)  # noqa: S106 (for the sink)
    import langfuse.openai  # noqa: F401 (for its effect)

    flush: Callable[[], object] = client.flush
    return flush
