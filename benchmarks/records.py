"""What a body of telemetry holds, counted by kind: actions of Layer, spans of OTLP, events of Langfuse."""

from __future__ import annotations

import json
from collections import Counter
from typing import Iterator


def records_in(path: str, body: bytes) -> Counter[str]:
    """Count the records in what was sent to that path."""
    if path.endswith("v1/traces"):
        return Counter({"span": spans_in(body)})
    if path == "v1/sessions":
        return Counter(action["kind"] for action in json.loads(body).get("actions") or ())
    if path.startswith("v1/sessions/"):
        return Counter([json.loads(body)["kind"]])
    if path.endswith("api/public/ingestion"):
        return Counter(event["type"] for event in json.loads(body)["batch"])
    return Counter({f"sent to {path}": 1})


def spans_in(body: bytes) -> int:
    """Count the spans of an ExportTraceServiceRequest: resource_spans (1), scope_spans (2), spans (2)."""
    resources = fields(memoryview(body), 1)
    scopes = (scope for resource in resources for scope in fields(resource, 2))
    return sum(1 for scope in scopes for _ in fields(scope, 2))


def fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Find the fields of a protobuf message that have a length and the number wanted."""
    at = 0
    while at < len(message):
        key, at = number(message, at)
        size = {1: 8, 5: 4}.get(key & 7, 0)
        if key & 7 == 0:
            _, at = number(message, at)
        elif key & 7 == 2:
            size, at = number(message, at)
            if key >> 3 == wanted:
                yield message[at : at + size]
        at += size


def number(message: memoryview, at: int) -> tuple[int, int]:
    """Read a number of variable length; it, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
