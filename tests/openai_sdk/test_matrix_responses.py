"""The matrix of responses: whole, streamed, parsed, and in the background."""

from __future__ import annotations

import inspect
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from layer_sdk._suppression import suppressed
from openai_sdk import ways
from openai_sdk.expected import (
    CREATED,
    KNOWS_REQUEST_ID,
    LEFT,
    PERSON,
    RESPONSE,
    SCHEMA,
    STREAM,
    WHOLE,
    Beginning,
    Fields,
    Person,
    Row,
    answers,
    asks,
    calls,
    error,
    facts,
    refused,
    said,
    tool,
)

if TYPE_CHECKING:
    from openai_sdk.conftest import Check, Host
    from openai_sdk.expected import Expect

CREATE, RAW = "responses.create", "responses.with_raw_response.create"
RESPONDING = "responses.with_streaming_response.create"
PARSE, HELPER = "responses.parse", "responses.stream"

FACTS = {"completion_id": "resp_<1>", "created": CREATED, "service_tier": "default", "status": "completed"}
BEGUN = {**FACTS, "status": "in_progress"}
CALLED = (tool("call_weather", "get_weather", city="Paris"), tool("call_time", "get_time", zone="CET"))
WRITTEN = tool("call_code", "run_code", input="print('Hello, world')")
BROKEN = tool("call_weather", "get_weather", input='{"city": Par')
SENT = {"text": {"format": {"type": "json_schema", "name": "Person", "strict": True, "schema": SCHEMA}}}


def usage(reasoning: int = 0) -> Fields:
    return {
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "total_tokens": 19,
        "cached_tokens": 4,
        "reasoning_tokens": reasoning,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def response(model: str = "gpt-4o", **more: Any) -> Fields:
    return {"model": model, "input": "hello there", **more}


def question(body: Fields, path: str = RESPONSE) -> Fields:
    """Expect what was asked."""
    messages = [{"role": "user", "content": "hello there"}]
    if "instructions" in body:
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    sent = {name: value for name, value in body.items() if name != "text_format"}
    return asks(path, sent, messages)


def says(
    *texts: str | None,
    end: str | None = None,
    known: Fields = FACTS,
    counted: Fields | None = None,
    tools: tuple[Fields, ...] = (),
    failed: Fields | None = None,
    raw: bool = False,
    **more: Any,
) -> Expect:
    """Expect an answer; to its end, or in one piece, with its usage."""

    def expect(body: Fields) -> list[Fields]:
        request_id = raw or end is not None or (KNOWS_REQUEST_ID and failed is None)
        attributes = facts(RESPONSE, body, end=end, request_id=request_id, **known)
        used = (counted or usage()) if known.get("status") in ("completed", "incomplete") else None
        answer = answers(attributes, said(*texts, **more), failed, used)
        return [question(body), answer, *([calls(attributes, *tools)] if tools else [])]

    return expect


ended = partial(says, end="complete")
INCOMPLETE = {**FACTS, "status": "incomplete", "incomplete_reason": "max_output_tokens"}
INVALID = refused(
    "The temperature is too high.",
    "BadRequestError",
    400,
    error_type="invalid_request_error",
    error_code="invalid_value",
    param="temperature",
)
GONE = error("The provider is gone.", "error", error_type="upstream_error", error_code="502")
EVENT = error("The server had an error.", "error", error_code="server_error")
CUT = error(
    "peer closed connection without sending complete message body (incomplete chunked read)", "RemoteProtocolError"
)
NO_JSON = error(Beginning("1 validation error for Person"), "ValidationError")
TWO: list[Fields] = [{"type": "function", "name": name, "parameters": {}} for name in ("get_weather", "get_time")]


def compacts(body: Fields) -> list[Fields]:
    """Expect a conversation that was made shorter."""
    path = "/responses/compact"
    known: Fields = {"completion_id": "resp_<1>", "created": CREATED}
    return [question(body, path), answers(facts(path, body, **known), [], usage=usage())]


ROWS = [
    Row("response", CREATE, response(instructions="Repeat.", temperature=0.5), ways.whole, says(WHOLE)),
    Row("tools", CREATE, response("tools", tools=TWO), ways.whole, says(tools=CALLED)),
    Row("incomplete", CREATE, response("length"), ways.whole, says(WHOLE, known=INCOMPLETE)),
    Row("stream", CREATE, response(**STREAM), ways.to_the_end, ended(WHOLE)),
    Row("stream, tools", CREATE, response("tools", **STREAM), ways.to_the_end, ended(tools=CALLED)),
    Row("stream, incomplete", CREATE, response("length", **STREAM), ways.to_the_end, ended(WHOLE, known=INCOMPLETE)),
    Row("stream, break", CREATE, response(**STREAM), ways.broken_off(7), says(LEFT, end="abandoned", known=BEGUN)),
    Row("stream, with", CREATE, response(**STREAM), ways.in_a_block(7), says(LEFT, end="closed", known=BEGUN)),
    Row("stream, soon", CREATE, response(**STREAM), ways.in_a_block(1), says(end="closed", known=BEGUN)),
    Row("helper", HELPER, response(), ways.helper, ended(WHOLE), STREAM),
    Row("helper, until_done", HELPER, response("tools"), ways.helper_until_done, ended(tools=CALLED), STREAM),
    Row("helper, left", HELPER, response(), ways.helper_left(7), says(LEFT, end="closed", known=BEGUN), STREAM),
    Row("helper, parse", HELPER, response("json", text_format=Person), ways.helper, ended(PERSON), {**SENT, **STREAM}),
    Row("parse", PARSE, response("json", text_format=Person), ways.whole, says(PERSON), SENT),
    Row(
        "parse, in vain",
        PARSE,
        response(text_format=Person),
        ways.failing(ways.whole),
        says(WHOLE, failed=NO_JSON),
        SENT,
    ),
    Row("raw", RAW, response(), ways.parsed, says(WHOLE, raw=True)),
    Row("raw, stream", RAW, response(**STREAM), ways.parsed_to_the_end, ended(WHOLE)),
    Row("responding, parse", RESPONDING, response(), ways.parse_of_response, says(WHOLE, raw=True)),
    Row("responding, json", RESPONDING, response("tools"), ways.json_of_response, says(tools=CALLED, raw=True)),
    Row("responding, unread", RESPONDING, response(), ways.head_of_response, says(end="closed", known={})),
    Row("responding, stream", RESPONDING, response(**STREAM), ways.stream_of_response, ended(WHOLE)),
    Row("responding, stream, iter_lines", RESPONDING, response(**STREAM), ways.lines_of_response, ended(WHOLE)),
    Row("compact", "responses.compact", response(), ways.whole, compacts),
    # ---- what goes wrong
    Row("err-400", CREATE, response("err-400"), ways.failing(ways.whole), says(failed=INVALID, known={})),
    Row("error-200, raw", RAW, response("error-200"), ways.parsed, says(failed=GONE, known={}, raw=True)),
    Row("output-null", CREATE, response("choices-null"), ways.whole, says()),
    *[
        Row(
            f"mid-error, {name}",
            method,
            response("mid-error", **STREAM),
            way,
            says(LEFT, end="error", known=BEGUN, failed=EVENT),
        )
        for name, method, way in (("stream", CREATE, ways.to_the_end), ("raw", RAW, ways.parsed_to_the_end))
    ],
    Row(
        "mid-cut",
        CREATE,
        response("mid-cut", **STREAM),
        ways.failing(ways.to_the_end),
        says(LEFT, end="error", known=BEGUN, failed=CUT),
    ),
]
SAID: dict[str, tuple[tuple[str | None, ...], Fields]] = {
    "reasoning": ((WHOLE,), {"reasoning": "The user said something, so I repeat it.", "counted": usage(5)}),
    "refusal": ((None,), {"refusal": "I cannot help with that."}),
    "custom-tool": ((), {"tools": (WRITTEN,)}),
    "bad-tools": ((), {"tools": (BROKEN,)}),
}
for model, (texts, more) in SAID.items():
    ROWS.append(Row(model, CREATE, response(model), ways.whole, says(*texts, **more)))
    ROWS.append(Row(f"stream, {model}", CREATE, response(model, **STREAM), ways.to_the_end, ended(*texts, **more)))


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_responses(row: Row, kind: str, check: Check) -> None:
    """Each way to have a response is on record as the table says, whichever the version and the client."""
    check(row, kind)


# ---- in the background

BACKGROUND = {"extra_body": {"background": True}}
KINDS = pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])


def responses_of(client: Any) -> Any:
    if not hasattr(client, "responses"):
        pytest.skip("there is no responses yet")
    return client.responses


def fetched(text: str | None, status: str, *, path: str = "/responses/{id}", end: str | None = None) -> Fields:
    """Expect an answer that was not there at once."""
    known = {"id": "gpt-4o", **FACTS, "status": status}
    attributes = facts(path, {"stream": True} if end else {}, end=end, request_id=False, **known)
    if end or KNOWS_REQUEST_ID:
        attributes["openai.request_id"] = "req_<2>"
    return answers(attributes, said(*([] if text is None else [text])), usage=usage() if text else None)


@KINDS
@pytest.mark.parametrize("way", ["create", "with_raw_response.create"])
def test_background(way: str, kind: str, host: Host) -> None:
    """An answer made in the background is on record once, where its question is, however often it is asked for."""
    responses = responses_of(host.client(kind))

    async def program() -> tuple[str, str]:
        with host.layer.session() as session_id:
            made = await ways.now(attrgetter(way)(responses)(**response(), **BACKGROUND))
            queued = made.parse() if hasattr(made, "http_response") else made
        with host.layer.session() as other_id:
            polled = [await ways.now(responses.retrieve(queued.id)) for _ in range(3)]
        assert ["queued", "in_progress", "completed", "completed"] == [each.status for each in (queued, *polled)]
        return session_id, other_id

    session_id, other_id = host.run(program())
    assert [question(response(background=True)), fetched(WHOLE, "completed")] == host.told(session_id)
    assert [] == host.told(other_id)


@KINDS
def test_session_of_its_own_begins_once(kind: str, host: Host) -> None:
    """Of a question in the background without a session three things are on record: session, question and answer."""
    responses = responses_of(host.client(kind))
    before = host.layer.stats()["accepted"]

    async def program() -> None:
        queued = await ways.now(responses.create(**response(), **BACKGROUND))
        for _ in range(2):
            await ways.now(responses.retrieve(queued.id))

    host.run(program())
    assert host.layer.flush(10)
    assert 3 == host.layer.stats()["accepted"] - before


@KINDS
def test_background_cancelled(kind: str, host: Host) -> None:
    """An answer that is cancelled in the background is on record as such, where its question is."""
    client = host.client(kind)
    responses = responses_of(client)

    async def program() -> str:
        with host.layer.session() as session_id:
            queued = await ways.now(responses.create(**response(), **BACKGROUND))
        path = f"/responses/{queued.id}/cancel"  # what `responses.cancel` asks for, from 1.78 on
        cancelled = await ways.now(client.post(path, cast_to=type(queued), body={}))
        assert "cancelled" == (await ways.now(responses.retrieve(queued.id))).status == cancelled.status
        return session_id

    assert [question(response(background=True)), fetched(None, "cancelled")] == host.told(host.run(program()))


@KINDS
def test_background_of_another_process(kind: str, host: Host) -> None:
    """An answer that another process asked for in the background is on record in the session that fetches it."""
    responses = responses_of(host.client(kind))

    async def program() -> str:
        with suppressed():
            queued = await ways.now(responses.create(model="gpt-4o", input=f"of {kind}", **BACKGROUND))
        with host.layer.session() as session_id:
            for _ in range(3):
                await ways.now(responses.retrieve(queued.id))
        return session_id

    assert [fetched(f"You said: of {kind}", "completed")] == host.told(host.run(program()))


@KINDS
def test_background_stream_resumed(kind: str, host: Host) -> None:
    """A stream in the background that broke off and is taken up again is on record to its end, with its question."""
    client = host.client(kind)
    responses = responses_of(client)
    if "stream" not in inspect.signature(responses.retrieve).parameters:
        pytest.skip("responses.retrieve does not stream yet")

    async def program() -> str:
        with host.layer.session() as session_id:
            stream = await ways.now(responses.create(**response(), **STREAM, **BACKGROUND))
            async with ways.within(stream):
                first = await ways.now(stream.__anext__() if kind == "AsyncOpenAI" else stream.__next__())
        await ways.read(await ways.now(responses.retrieve(first.response.id, stream=True, starting_after=0)))
        return session_id

    asked, left, rest = host.told(host.run(program()))
    assert question(response(background=True, stream=True)) == asked
    assert ([], "closed") == (left["data"]["messages"], left["attributes"]["stream.end"])
    assert fetched(WHOLE, "completed", end="complete") == rest
