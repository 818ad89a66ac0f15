"""Layer, as `layer.init` sets it up."""

from __future__ import annotations

from peers import Peer

PACKAGES: tuple[str, ...] = ()
MODULES = ("layer_sdk",)


def start(sink: str) -> Peer:
    """Initialise, which instruments."""
    from layer_sdk import layer

    layer.init(base_url=sink, application_id="bench")
    return Peer(lambda: layer.flush(60), layer.session)
