"""What the peers that stand on the SDK of OpenTelemetry share: its usual batches and exporter."""

from __future__ import annotations

from typing import Any

from peers import Peer

EXPORT = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.trace.export")


def tracing(sink: str) -> tuple[Any, Peer]:
    """Make a provider that exports to the sink; it, and what makes it send all it has."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink}/v1/traces")))
    tracer = provider.get_tracer("bench")
    return provider, Peer(provider.force_flush, lambda: tracer.start_as_current_span("session"))
