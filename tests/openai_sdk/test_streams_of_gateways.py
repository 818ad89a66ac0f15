"""Streams as gateways and other models make them: each a little different from OpenAI's, read parsed and raw."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Callable

import pytest

from openai_sdk.expected import HELLO, VERSION, Fields, error, openai, tool
from scripted_server import Answer

if TYPE_CHECKING:
    from openai_sdk.conftest import Host
    from scripted_server import ScriptedServer

Scripted = Callable[..., "ScriptedServer"]

READ_AS = pytest.mark.parametrize("raw", [False, True], ids=["parsed", "raw"])


def events(*each: Fields, end: str = "data: [DONE]\n\n", newline: str = "\n") -> Answer:
    """Answer with a stream of events."""
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in each) + end
    return Answer(200, text.replace("\n", newline).encode(), {"Content-Type": "text/event-stream"})


def chunk(delta: Fields | None = None, index: int = 0, **more: Any) -> Fields:
    """Make a chunk of one choice."""
    choice = {"index": index, "delta": delta, "finish_reason": more.pop("finish", None)}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "theirs"}
    return {**head, "choices": [choice], **more}


def call(name: str | None = None, arguments: str | None = None, **more: Any) -> Fields:
    """Make a piece of a call of a function."""
    return chunk({"tool_calls": [{**more, "function": {"name": name, "arguments": arguments}}]})


USED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
FIRST = tool("call_1", "get_weather", city="Paris")
SECOND = tool("call_2", "get_time", zone="CET")

# By name: the chunks, the messages on record, and the calls of tools.
STREAMS: dict[str, tuple[list[Fields], list[Fields], list[Fields]]] = {
    "role in each chunk": (
        [chunk({"role": "assistant", "content": text}) for text in ("", "hello", " there")],
        [{"role": "assistant", "content": "hello there"}],
        [],
    ),
    "another role": (
        [chunk({"role": "critic", "content": "no"}), chunk({"content": "!"})],
        [{"role": "critic", "content": "no!"}],
        [],
    ),
    "reasoning": (
        [chunk({"reasoning": "Hm"}), chunk({"reasoning": "."}), chunk({"content": "hi", "reasoning": None})],
        [{"role": "assistant", "content": "hi", "reasoning": "Hm."}],
        [],
    ),
    "usage in each chunk": (
        [chunk({"content": text}, usage={**USED, "total_tokens": len(text)}) for text in ("he", "llo")]
        + [chunk({}, usage=USED, finish="stop")],
        [{"role": "assistant", "content": "hello"}],
        [],
    ),
    "second choice alone": ([chunk({"content": "hi"}, index=1)], [{"role": "assistant", "content": "hi"}], []),
    "choices out of order": (
        [chunk({"content": text}, index=index) for text, index in (("b", 1), ("a", 0), ("B", 1), ("A", 0), ("!", 1))],
        [{"role": "assistant", "content": "aA"}, {"role": "assistant", "content": "bB!"}],
        [],
    ),
    "calls without index": (
        [
            call("get_weather", '{"city":"Paris"}', id="call_1", type="function"),
            call("get_time", '{"zone"', id="call_2", type="function"),
            call(None, ':"CET"}'),
        ],
        [{"role": "assistant", "content": None}],
        [FIRST, SECOND],
    ),
    "id in each piece": (
        [
            call("get_weather", None, id="call_1", index=0),
            call("get_weather", '{"city":', id="call_1", index=0),
            call(None, '"Paris"}', id="call_1", index=0),
        ],
        [{"role": "assistant", "content": None}],
        [FIRST],
    ),
    "calls taking turns": (
        [
            call("get_weather", "", id="call_1", index=0),
            call("get_time", "", id="call_2", index=1),
            call(None, '{"city":"Paris"}', index=0),
            call(None, '{"zone":"CET"}', index=1),
        ],
        [{"role": "assistant", "content": None}],
        [FIRST, SECOND],
    ),
    "function call": (
        [
            chunk({"function_call": {"name": "get_weather", "arguments": ""}}),
            chunk({"function_call": {"arguments": '{"city":"Paris"}'}}),
        ],
        [{"role": "assistant", "content": None}],
        [{**FIRST, "id": None}],
    ),
    "no arguments": (
        [call("get_weather", None, id="call_1", index=0), call("get_time", "", id="call_2", index=1)],
        [{"role": "assistant", "content": None}],
        [{**FIRST, "arguments": {}}, {**SECOND, "arguments": {}}],
    ),
}


def record(host: Host, server: ScriptedServer, method: str = "chat.completions", *, raw: bool = False) -> list[Fields]:
    """Read a stream of that server, and give what is recorded of the answer."""
    resource: Any = attrgetter(method)(host.client("OpenAI").copy(base_url=server.url))
    body = {"input": "hello there"} if method == "responses" else {"messages": HELLO}
    with host.layer.session() as session_id, suppress(openai.APIError):
        if raw:
            with resource.with_streaming_response.create(model="mine", stream=True, **body) as response:
                list(response.iter_bytes())
        else:
            list(resource.create(model="mine", stream=True, **body))
    return host.told(session_id)[1:]


@READ_AS
@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str, raw: bool, host: Host, scripted: Scripted) -> None:  # noqa: FBT001  (a case)
    """However the pieces come, what is on record is what they are the pieces of."""
    chunks, messages, tools = STREAMS[name]
    answer, *called = record(host, scripted(events(*chunks)), raw=raw)
    assert messages == answer["data"]["messages"]
    assert [tools] * bool(tools) == [each["data"]["tools"] for each in called]
    known = ("model.id", "model.completion_id", "stream.end")
    assert ["theirs", "chatcmpl-1", "complete"] == [answer["attributes"][name] for name in known]


@READ_AS
def test_usage(raw: bool, host: Host, scripted: Scripted) -> None:  # noqa: FBT001  (a case)
    """Of a usage that is told again and again the last one counts."""
    chunks = [chunk({"content": "hi"}, usage={**USED, "total_tokens": 1}), chunk({}, usage=USED, finish="stop")]
    (answer,) = record(host, scripted(events(*chunks)), raw=raw)
    assert [{"name": "usage", "data": USED}] == answer["scanners"]


@READ_AS
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["data: [DONE]\n\n", "", ": bye\n\n"])
def test_lines(end: str, newline: str, raw: bool, host: Host, scripted: Scripted) -> None:  # noqa: FBT001  (a case)
    """Lines may end as they like, comments may come between events, and the last event is not needed."""
    answer = events(chunk({"content": "hello"}), chunk({"content": " there"}), end=end, newline=newline)
    kept_alive = replace(answer, body=answer.body.replace(b"data:", b": alive" + newline.encode() + b"data:", 1))
    (action,) = record(host, scripted(kept_alive), raw=raw)
    assert [{"role": "assistant", "content": "hello there"}] == action["data"]["messages"]


def test_left_at_the_last_event(host: Host, scripted: Scripted) -> None:
    """Who reads lines and leaves when the last event has come, has read the stream to its end."""
    client = host.client("OpenAI").copy(base_url=scripted(events(chunk({"content": "hello"}))).url)
    create = client.chat.completions.with_streaming_response.create
    with host.layer.session() as session_id, create(model="mine", messages=HELLO, stream=True) as response:
        for line in response.iter_lines():
            if line == "data: [DONE]":
                break
    answer = host.told(session_id)[1]
    assert ("hello", "complete") == (answer["data"]["messages"][0]["content"], answer["attributes"]["stream.end"])


# ---- responses


@READ_AS
@pytest.mark.skipif(VERSION < (1, 66), reason="there is no Responses API yet")
def test_error_within_an_event(raw: bool, host: Host, scripted: Scripted) -> None:  # noqa: FBT001  (a case)
    """An event that holds its error inside, as OpenAI sends it today, is on record as that error."""
    failed = {"type": "server_error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
    (answer,) = record(host, scripted(events({"type": "error", "error": failed})), "responses", raw=raw)
    kind = "error" if raw else "APIError"
    expected = error("Slow down.", kind, error_type="server_error", error_code="rate_limit_exceeded")
    assert (expected, "error") == (answer["error"], answer["attributes"]["stream.end"])


@READ_AS
@pytest.mark.parametrize("unnamed", [0, 1])
def test_facts_that_come_late(unnamed: int, raw: bool, host: Host, scripted: Scripted) -> None:  # noqa: FBT001  (a case)
    """The model and the id are those of the first chunk that has some, and the last one may say more."""
    blank = [{**chunk({"content": "", "role": "assistant"}), "id": "", "model": ""}] * unnamed
    texts = [chunk({"content": text}) for text in ("he", "llo", "!")]
    last = {**chunk({}, finish="length", service_tier="flex", system_fingerprint="fp_1"), "id": None, "model": None}
    (answer,) = record(host, scripted(events(*blank, *texts, last)), raw=raw)
    names = ("model.id", "model.completion_id", "model.service_tier", "model.system_fingerprint")
    assert ["theirs", "chatcmpl-1", "flex", "fp_1"] == [answer["attributes"].get(name) for name in names]
    assert ["length"] == answer["attributes"]["model.finish_reasons"]
    assert "hello!" == answer["data"]["messages"][0]["content"]
