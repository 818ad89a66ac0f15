"""OpenTelemetry's own instrumentation of openai, told to keep what is said, as all the others do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers.tracing import EXPORT, tracing

if TYPE_CHECKING:
    from peers import Peer

PACKAGES = ("opentelemetry-instrumentation-genai-openai",)
MODULES = ("opentelemetry.instrumentation.genai.openai", *EXPORT)
ENVIRONMENT = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}


def start(sink: str) -> Peer:
    """Instrument with a provider that exports."""
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    provider, peer = tracing(sink)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return peer
