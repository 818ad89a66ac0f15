"""The matrix of chat: for both clients and each way to use the answer, what is recorded is what the table says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    CHAT,
    CHAT_FACTS,
    CREATED,
    HELLO,
    KNOWS_REQUEST_ID,
    LEFT,
    PERSON,
    PERSON_OF_CHAT,
    STREAM,
    WHOLE,
    Fields,
    Person,
    Row,
    answers,
    asks,
    calls,
    facts,
    said,
    tool,
    usage_of_chat,
)

if TYPE_CHECKING:
    from openai_sdk.conftest import Check
    from openai_sdk.expected import Expect

CREATE, RAW = "chat.completions.create", "chat.completions.with_raw_response.create"
RESPONDING = "chat.completions.with_streaming_response.create"
PARSE, HELPER = "beta.chat.completions.parse", "beta.chat.completions.stream"

TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get_weather", "get_time")]
CALLED = (tool("call_weather", "get_weather", city="Paris"), tool("call_time", "get_time", zone="CET"))
SENT = {"response_format": PERSON_OF_CHAT}


def chat(model: str = "gpt-4o", **more: Any) -> Fields:
    return {"model": model, "messages": HELLO, **more}


def says(
    *texts: str | None,
    end: str | None = None,
    finish: str | None = "stop",
    usage: Fields | None = None,
    tools: tuple[Fields, ...] = (),
    raw: bool = False,
    **more: Any,
) -> Expect:
    """Expect an answer in so many choices: in one piece, with its usage, unless its stream has an end."""

    def expect(body: Fields) -> list[Fields]:
        known = CHAT_FACTS if finish is None else {**CHAT_FACTS, "finish_reasons": [finish] * len(texts)}
        attributes = facts(CHAT, body, end=end, request_id=raw or end is not None or KNOWS_REQUEST_ID, **known)
        counted = usage_of_chat() if usage is None and end is None else usage
        answer = answers(attributes, said(*texts, **more), usage=counted)
        return [asks(CHAT, body, HELLO), answer, *([calls(attributes, *tools)] if tools else [])]

    return expect


ended = partial(says, end="complete")


def left(text: str = LEFT, end: str = "closed") -> Expect:
    """Expect a stream that was left early."""
    return says(text, end=end, finish=None)


def unknown(end: str) -> Expect:
    """Expect an answer of which nothing was read."""

    def expect(body: Fields) -> list[Fields]:
        return [asks(CHAT, body, HELLO), answers(facts(CHAT, body, end=end), [])]

    return expect


COMPLETE = ended(WHOLE)
COUNTED: Fields = {"extra_body": {"stream_options": {"include_usage": True}}}
ROWS = [
    Row("plain", CREATE, chat(temperature=0.5, seed=7), ways.whole, says(WHOLE)),
    Row("two choices", CREATE, chat(n=2), ways.whole, says(WHOLE, WHOLE)),
    Row("tools", CREATE, chat("tools", tools=TOOLS), ways.whole, says(None, finish="tool_calls", tools=CALLED)),
    Row(
        "tools, two choices",
        CREATE,
        chat("tools", n=2),
        ways.whole,
        says(None, None, finish="tool_calls", tools=tuple({**each, "choice": n} for n in (0, 1) for each in CALLED)),
    ),
    Row("length", CREATE, chat("length", max_tokens=3), ways.whole, says(WHOLE, finish="length")),
    Row("azure", CREATE, chat("azure"), ways.whole, says(WHOLE)),
    # ---- streams
    Row("stream", CREATE, chat(**STREAM), ways.to_the_end, COMPLETE),
    Row("stream, two choices", CREATE, chat(n=2, **STREAM), ways.to_the_end, ended(WHOLE, WHOLE)),
    Row(
        "stream, usage",
        CREATE,
        chat(**STREAM, **COUNTED),
        ways.to_the_end,
        says(WHOLE, end="complete", usage=usage_of_chat()),
    ),
    Row(
        "stream, tools",
        CREATE,
        chat("tools", tools=TOOLS, **STREAM),
        ways.to_the_end,
        ended(None, finish="tool_calls", tools=CALLED),
    ),
    Row("stream, azure", CREATE, chat("azure", **STREAM), ways.to_the_end, COMPLETE),
    Row(
        "stream, length",
        CREATE,
        chat("length", **STREAM),
        ways.to_the_end,
        says(WHOLE, end="complete", finish="length"),
    ),
    Row("stream, break", CREATE, chat(**STREAM), ways.broken_off(), left(end="abandoned")),
    Row("stream, with", CREATE, chat(**STREAM), ways.in_a_block(), left()),
    Row("stream, close", CREATE, chat(**STREAM), ways.closed, left()),
    Row("stream, azure, break", CREATE, chat("azure", **STREAM), ways.broken_off(3), left("You", end="abandoned")),
    Row("stream, unread", CREATE, chat(**STREAM), ways.unread, unknown("abandoned")),
    # ---- helpers
    *[
        Row(method, method, chat("json", response_format=Person), ways.whole, says(PERSON), SENT)
        for method in (PARSE, PARSE.partition(".")[2])
    ],
    *[
        Row(
            method,
            method,
            chat("json", response_format=Person),
            ways.helper,
            says(PERSON, end="complete"),
            {**SENT, **STREAM},
        )
        for method in (HELPER, HELPER.partition(".")[2])
    ],
    Row("helper, until_done", HELPER, chat(), ways.helper_until_done, COMPLETE, STREAM),
    Row("helper, left", HELPER, chat(), ways.helper_left(), left("You"), STREAM),
    # ---- raw
    Row("raw", RAW, chat(), ways.parsed, says(WHOLE, raw=True)),
    Row("raw, not parsed", RAW, chat(), ways.whole, says(WHOLE, raw=True)),
    Row("raw, tools", RAW, chat("tools"), ways.parsed, says(None, finish="tool_calls", tools=CALLED, raw=True)),
    Row("raw, stream", RAW, chat(**STREAM), ways.parsed_to_the_end, COMPLETE),
    Row("raw, stream, not parsed", RAW, chat(**STREAM), ways.unread, unknown("abandoned")),
    Row("responding, parse", RESPONDING, chat(), ways.parse_of_response, says(WHOLE, raw=True)),
    Row("responding, json", RESPONDING, chat(), ways.json_of_response, says(WHOLE, raw=True)),
    Row("responding, iter_lines", RESPONDING, chat(), ways.lines_of_response, says(WHOLE, raw=True)),
    Row("responding, unread", RESPONDING, chat(), ways.head_of_response, unknown("closed")),
    Row("responding, stream", RESPONDING, chat(**STREAM), ways.stream_of_response, COMPLETE),
    Row("responding, stream, iter_lines", RESPONDING, chat(**STREAM), ways.lines_of_response, COMPLETE),
    Row("responding, stream, unread", RESPONDING, chat(**STREAM), ways.head_of_response, unknown("closed")),
]

# ---- what else a model says, in one piece and as a stream, is the same

REFUSAL = {"refusal": "I cannot help with that."}
THINKS = {"reasoning_content": "The user said something, so I repeat it."}
SOUND = {"id": "audio_1", "data": "<12 characters of base64>", "transcript": WHOLE, "expires_at": CREATED + 3600}
WRITTEN = tool("call_code", "run_code", input="print('Hello, world')")
BROKEN = tool("call_weather", "get_weather", input='{"city": Par')
SAID: dict[str, tuple[str | None, Fields]] = {
    "reasoning": (WHOLE, THINKS),
    "refusal": (None, REFUSAL),
    "json": (PERSON, {}),
    "audio-out": (None, {"audio": SOUND}),
    "custom-tool": (None, {"finish": "tool_calls", "tools": (WRITTEN,)}),
    "bad-tools": (None, {"finish": "tool_calls", "tools": (BROKEN,)}),
}
for model, (text, more) in SAID.items():
    counted: Fields = {"usage": usage_of_chat(5)} if model == "reasoning" else {}
    ROWS.append(Row(model, CREATE, chat(model), ways.whole, says(text, **more, **counted)))
    ROWS.append(
        Row(f"stream, {model}", CREATE, chat(model, **STREAM), ways.to_the_end, says(text, end="complete", **more))
    )


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_chat(row: Row, kind: str, check: Check) -> None:
    """Each way to hold a chat is on record as the table says, whichever the version and the client."""
    check(row, kind)
