"""OpenInference over the SDK of OpenTelemetry, with its usual batches and exporter."""

from __future__ import annotations

from typing import Callable

PACKAGES = ("openinference-instrumentation-openai", "opentelemetry-sdk")


def start(sink: str) -> Callable[[], object]:
    """Instrument with a provider that exports."""
    from openinference.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{sink}/v1/traces")))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    flush: Callable[[], object] = provider.force_flush
    return flush
