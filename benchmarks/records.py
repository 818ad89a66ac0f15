"""What a body of telemetry holds, counted by kind: actions of Layer, spans of OTLP, runs of LangSmith, spans of Opik.

What is counted as `CALLS` says stands for one call whose answer is on record; the rest is what else was sent.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from typing import Any, Iterator

CALLS = ("completion_output", "embeddings", "span", "run")
ENCODING = re.compile(rb"content-encoding: *(\w+)", re.IGNORECASE)
# A part of LangSmith's form that is about a run itself, and not its inputs, outputs and so on.
RUN = re.compile(rb'name="(?:post|patch)\.[0-9a-f-]+"\r\n(?:[^\r\n]+\r\n)*\r\n(\{.*?\})\r\n', re.DOTALL)


def plain(head: bytes, body: bytes) -> bytes:
    """Undo the compression that the head names."""
    encoding = ENCODING.search(head)
    if encoding is None:
        return body
    if encoding[1] == b"zstd":
        import zstandard

        whole: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(body)
        return whole
    return gzip.decompress(body)


def records_in(path: str, body: bytes) -> Counter[str]:
    """Count the records in what was sent to that path."""
    if path.endswith("v1/traces"):
        return Counter(map(kind_of_span, spans_in(body)))
    if path == "v1/sessions":
        return Counter(action["kind"] for action in json.loads(body).get("actions") or ())
    if path.startswith("v1/sessions/"):
        return Counter([json.loads(body)["kind"]])
    if path == "runs/multipart":
        runs = [json.loads(run) for run in RUN.findall(body)]
        return Counter("run" if run["run_type"] == "llm" else "session" for run in runs if run.get("end_time"))
    if path.endswith(("/spans/batch", "/traces/batch")):
        return Counter(kind_in_opik(each) for batch in json.loads(body).values() for each in batch)
    return Counter()


def kind_in_opik(record: dict[str, Any]) -> str:
    """Tell a call that is over from what Opik puts around it."""
    if record.get("type") == "llm":
        return "span" if record.get("end_time") else "begun span"
    return "trace"


def kind_of_span(span: memoryview) -> str:
    """Tell the span of a call from the sessions of the benchmark, and from what Logfire says before and after one."""
    name = bytes(next(fields(span, 5), memoryview(b"")))
    if name == b"session":
        return "session"
    if b"pending_span" in bytes(span):
        return "begun span"
    return "log" if name.startswith(b"streaming response") else "span"


def spans_in(body: bytes) -> Iterator[memoryview]:
    """Find the spans of an ExportTraceServiceRequest: resource_spans (1), scope_spans (2), spans (2); a name is 5."""
    for resource in fields(memoryview(body), 1):
        for scope in fields(resource, 2):
            yield from fields(scope, 2)


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
