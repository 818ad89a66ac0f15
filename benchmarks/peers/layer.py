"""Layer, as `layer.init` sets it up."""

from __future__ import annotations

from typing import Callable

PACKAGES = ()


def start(sink: str) -> Callable[[], object]:
    """Initialise, which instruments."""
    from layer_sdk import layer

    layer.init(base_url=sink, application_id="bench")
    return lambda: layer.flush(60)
