"""A program under OpenTelemetry's instrumentation of requests and urllib3: `life_traced.py`."""

from __future__ import annotations

import os

import requests
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chaos.life_program import URL, act_many, begin, tell
from layer_sdk import layer


def main() -> None:
    """Record, call explicitly, and make one request of the host's own."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    URLLib3Instrumentor().instrument()
    begin()
    act_many(500)
    assert layer.flush(30)
    layer.list_applications()
    layer.create_session()
    tell(f"ours {len(kept.get_finished_spans())}")
    requests.get(os.environ[URL] + "/v1/applications", timeout=20).raise_for_status()
    tell(f"all {len(kept.get_finished_spans())}")
    layer.list_applications()
    tell(f"after {len(kept.get_finished_spans())}")


main()
