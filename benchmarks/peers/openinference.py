"""OpenInference over the SDK of OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.tracing import EXPORT, tracing

if TYPE_CHECKING:
    from peers import Peer

PACKAGES = ("openinference-instrumentation-openai", "opentelemetry-sdk")
MODULES = ("openinference.instrumentation.openai", *EXPORT)


def start(sink: str) -> Peer:
    """Instrument with a provider that exports."""
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider, peer = tracing(sink)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return peer
