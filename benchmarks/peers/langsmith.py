"""LangSmith, by its wrapper of a client."""

from __future__ import annotations

import os

from peers import Peer

PACKAGES = ("langsmith",)
MODULES = ("langsmith", "langsmith.wrappers")


def start(sink: str) -> Peer:
    """Turn tracing on, with the sink for its service."""
    os.environ.update(LANGSMITH_TRACING="true", LANGSMITH_ENDPOINT=sink, LANGSMITH_API_KEY="bench")
    from langsmith import trace
    from langsmith.run_trees import get_cached_client
    from langsmith.wrappers import wrap_openai

    return Peer(get_cached_client().flush, lambda: trace("session"), wrap_openai)
