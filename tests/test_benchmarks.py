"""What the benchmarks stand on: what is counted as delivered, and when the guard gives alarm."""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import guard
import openai_calls
import startup
from effort import Effort
from figures import grid, spread, table
from records import plain, records_in
from servers import Request, Sink, unchunked
from workers import Block


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that has a length."""
    assert len(content) < 128 * 128
    size = len(content)
    return bytes([number << 3 | 2, *([size & 127 | 128, size >> 7] if size > 127 else [size])]) + content


def traces(*spans: bytes) -> bytes:
    """An export request with one resource and one scope."""
    return field(1, field(1, b"a resource") + field(2, field(1, b"a scope") + b"".join(field(2, s) for s in spans)))


def form(*parts: tuple[str, dict[str, Any]]) -> bytes:
    """A form as LangSmith sends it."""
    heads = 'Content-Disposition: form-data; name="{}"\r\nContent-Type: application/json\r\n\r\n{}\r\n'
    return "".join(f"--edge\r\n{heads.format(name, json.dumps(each))}" for name, each in parts).encode() + b"--edge--"


def test_spans_are_counted_by_what_they_are() -> None:
    """The span of a call counts; a session's, one that has only begun and what Logfire adds to a stream's do not."""
    call, session = field(1, b"trace") + field(5, b"chat gpt-4o-mini") + b"\x39" + b"8 bytes.", field(5, b"session")
    begun, log = field(5, b"chat") + field(9, b"pending_span"), field(5, b"streaming response from gpt-4o-mini")
    expected = Counter({"span": 2, "session": 1, "begun span": 1, "log": 1})
    assert expected == records_in("v1/traces", traces(call, session, begun, log, call + field(9, b"x" * 300)))


def test_actions_are_counted_by_kind() -> None:
    """A session brings its actions along, an appended one comes alone."""
    actions = [{"kind": "completion_prompt"}, {"kind": "completion_output"}]
    body = json.dumps({"application_id": "a", "actions": actions}).encode()
    assert Counter(completion_prompt=1, completion_output=1) == records_in("v1/sessions", body)
    assert Counter() == records_in("v1/sessions", b'{"application_id": "a", "actions": null}')
    assert Counter(embeddings=1) == records_in("v1/sessions/6a0f/actions", b'{"kind": "embeddings"}')


def test_runs_count_when_they_are_over() -> None:
    """Of LangSmith's parts those count that say a call's run has ended, whether with its beginning or after it."""
    run = {"id": "1a", "run_type": "llm", "start_time": "t"}
    body = form(
        ("post.1a", run),
        ("post.1a.inputs", {"messages": [{"content": "{}"}]}),
        ("patch.1a", {**run, "end_time": "t"}),
        ("patch.1a.outputs", {"end_time": "no run"}),
        ("patch.2b", {"id": "2b", "run_type": "chain", "end_time": "t"}),
    )
    assert Counter(run=1, session=1) == records_in("runs/multipart", body)


def test_spans_of_opik_count_when_they_are_over() -> None:
    """Its spans of calls count when they have an end; traces around them do not."""
    spans = [{"type": "llm", "end_time": "t"}, {"type": "llm"}, {"name": "trace"}]
    body = json.dumps({"spans": spans}).encode()
    assert Counter({"span": 1, "begun span": 1, "trace": 1}) == records_in("api/v1/private/spans/batch", body)


def test_sink_counts_for_each_peer() -> None:
    """What came packed or not, under a peer's path or under Logfire's, is counted with its requests and bytes."""
    sink, body = Sink(), gzip.compress(traces(field(5, b"chat")))
    head = b"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"
    sink(Request("/otel/v1/traces", head, body))
    sink(Request("/v1/traces", head, body))
    answer = sink(Request("/counts", b"", b""))
    one = {"requests": 1, "bytes": len(head) + len(body), "span": 1}
    assert {"otel": one, "logfire": one} == json.loads(answer.partition(b"\r\n\r\n")[2])
    assert b"as it is" == plain(b"POST / HTTP/1.1\r\n\r\n", b"as it is")


def test_chunked_bodies_are_read_when_they_are_whole() -> None:
    """A body in chunks is put together; one whose end is not there yet is waited for."""
    received = bytearray(b"head3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nnext")
    assert (b"abc0123456789", len(received) - 4) == unchunked(received, 4)
    assert (b"", 0) == unchunked(received[:20], 4)


def test_guard_gives_alarm_beyond_its_allowance() -> None:
    """15 % more instructions than the budget pass, more fail, and what has no budget is not compared."""
    budgets = {"send": 1000, "enqueue": 1000}
    assert [] == guard.over({"send": 1150, "enqueue": 400, "capture": 9999}, budgets)
    assert ["send"] == guard.over({"send": 1151, "enqueue": 1000}, budgets)


def test_every_budget_is_of_a_cost() -> None:
    """The committed budgets name what the guard measures, all of it and nothing else."""
    kept = json.loads(guard.BUDGETS.read_text("utf-8"))
    assert kept
    assert all(guard.COSTS.keys() == budgets.keys() for budgets in kept.values())


def test_efforts_are_bounded_by_time() -> None:
    """There are a few turns when the time is over at once, and no more than were asked for when it is not."""
    assert [0, 1] == list(Effort().turns(100, 0))
    assert [0] == list(Effort().turns(100, 0, least=1))
    assert [0, 1, 2, 3] == list(Effort().turns(4, 60))


def block(wall: int, cpu: int) -> Block:
    """A block of one call that takes so many microseconds."""
    return Block([wall * 1000], 0, wall * 1000, 0, cpu * 1000, 0, 0, 1)


def test_those_who_were_best_go_on() -> None:
    """After the first start there are Layer, nobody, and who was best in a case that goes on, by clock or processor."""
    added = {
        ("chat 1 KB", "none"): (0, 0),
        ("chat 1 KB", "layer"): (5, 90),
        ("chat 1 KB", "layer_published"): (1, 1),
        ("chat 1 KB", "langfuse"): (60, 50),
        ("chat 1 KB", "otel"): (50, 60),
        ("chat 1 KB", "opik"): (70, 70),
        ("stream, 50 chunks", "logfire"): (10, 10),
        ("embeddings", "opik"): (1, 1),  # which does not go on
    }
    blocks = {key: [(block(100, 100), block(100 + wall, 100 + cpu))] for key, (wall, cpu) in added.items()}
    expected = ("none", "layer", "langfuse", "otel", "logfire")
    assert expected == openai_calls.contenders(blocks, Effort().peers)
    parts = {peer: {startup.GOAL: [float(len(peer))]} for peer in Effort().peers}
    assert ["none", "layer", "opik", "otel"] == startup.contenders(parts)


def test_tables_are_aligned() -> None:
    """Cells are padded, numbers to the right; a grid has a case that there is not as an empty cell."""
    assert "| a   |  bb |\n| --- | --: |\n| x   |   1 |" == table(["a", "bb"], [["x", "1"]])
    rows = [{"call": "chat", "client": "a", "value": 1}, {"call": "stream", "client": "b", "value": 2}]
    found = grid(rows, "call", "client", lambda row: str(row["value"]))
    assert "| stream |     |   2 |" == found.splitlines()[-1]


@pytest.mark.parametrize(("values", "expected"), [([3.0], [3, 3, 3]), ([1.0, 2.0, 3.0], [1.5, 2, 2.5])])
def test_spread_gives_quartiles(values: list[float], expected: list[float]) -> None:
    """The median stands between the quartiles; of one value all three are that value."""
    assert expected == spread(values)
