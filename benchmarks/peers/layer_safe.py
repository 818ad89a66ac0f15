"""Layer as one sets it up who may lose nothing: with a spool on disk, and SIGTERM an end like others."""

from __future__ import annotations

import os

from peers import Peer

PACKAGES: tuple[str, ...] = ()
MODULES = ("layer_sdk",)


def start(sink: str) -> Peer:
    """Initialise, which instruments, and adopts what a process before it left in the spool."""
    from layer_sdk import layer

    layer.init(base_url=sink, application_id="bench", spool_dir=os.environ["BENCH_SPOOL"])
    layer.install_sigterm_handler()
    return Peer(lambda: layer.flush(60), layer.session)
