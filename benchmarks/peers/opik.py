"""Opik, by its wrapper of a client, as for a server of one's own. What it reports home of itself is turned off."""

from __future__ import annotations

import os

from peers import Peer

PACKAGES = ("opik",)
MODULES = ("opik", "opik.integrations.openai")
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "true",
    "OPIK_ANALYTICS_ENABLE": "false",
    "OPIK_CONFIG_PATH": os.devnull,
    "OPIK_SENTRY_ENABLE": "false",
}


def start(sink: str) -> Peer:
    """Name the sink for its server."""
    os.environ["OPIK_URL_OVERRIDE"] = f"{sink}/api/"
    import opik
    from opik.integrations.openai import track_openai

    return Peer(opik.flush_tracker, lambda: opik.start_as_current_trace("session"), track_openai)
