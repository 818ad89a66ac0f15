"""The Layer SDK that was published before this one: it sends while the call waits, and knows openai before 2 alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

from peers import Peer

PACKAGES = ("protectai-layer-sdk", "openai")
MODULES = ("layer_sdk",)


def start(sink: str) -> Peer:
    """Initialise, which instruments."""
    from layer_sdk import layer

    layer.init(base_url=sink, application_id="5d7a0c5e-7a35-4ad9-93c5-0c7a2ff1f6b1")

    @contextmanager
    def session() -> Iterator[dict[str, Any]]:
        yield {"extra_headers": {"Layer-Session-Id": layer.create_session()}}

    return Peer(lambda: None, session)
