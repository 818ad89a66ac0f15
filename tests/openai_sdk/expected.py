"""The actions that are expected of calls, and the rows of the tables that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple

import pytest

if TYPE_CHECKING:
    from openai_sdk.ways import Way

openai: Any = pytest.importorskip("openai")
pydantic: Any = pytest.importorskip("pydantic")

Fields = dict[str, Any]
Expect = Callable[[Fields], "list[Fields]"]

VERSION = tuple(int(number) for number in openai.__version__.split(".")[:2])
KNOWS_REQUEST_ID = VERSION >= (1, 46)  # of plain answers; those read raw and streams tell it always

HELLO = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "hello there"}]
WHOLE = "You said: hello there"
LEFT = "You said: hello"
STREAM: Fields = {"stream": True}

CHAT, COMPLETION, RESPONSE = "/chat/completions", "/completions", "/responses"
CREATED = 1_700_000_000
CHAT_FACTS = {
    "completion_id": "chatcmpl-<1>",
    "created": CREATED,
    "service_tier": "default",
    "system_fingerprint": "fp_loopback",
}
# What is no parameter, or another attribute.
CONTENT = ("messages", "prompt", "input", "instructions", "image", "mask", "file")
NOT_PARAMETERS = ("model", "stream", "extra_body", "timeout", *CONTENT)

PERSON = '{"name": "Ada", "age": 36}'
Person = pydantic.create_model("Person", name=(str, ...), age=(int, ...))
SCHEMA = {  # that the helpers make of it
    "title": "Person",
    "type": "object",
    "properties": {"name": {"title": "Name", "type": "string"}, "age": {"title": "Age", "type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PERSON_OF_CHAT = {"type": "json_schema", "json_schema": {"name": "Person", "strict": True, "schema": SCHEMA}}


def usage_of_chat(reasoning: int = 0) -> Fields:
    """Expect the usage of an answer of chat, some of it for reasoning."""
    written = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "total_tokens": 19,
        "cached_tokens": 4,
        "reasoning_tokens": reasoning,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, **written},
    }


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        name: What it is about.
        method: Of the client, such as `chat.completions.create`.
        body: Its arguments.
        way: How what it gives is used.
        expect: Makes the actions that are expected, of the body as it is sent.
        sent: What is sent otherwise than the arguments say.
    """

    name: str
    method: str
    body: Fields
    way: Way
    expect: Expect
    sent: Fields = {}  # noqa: RUF012  (never changed)

    @property
    def expected(self) -> list[Fields]:
        """The actions, in order."""
        plain = {name: value for name, value in self.body.items() if name != "extra_body"}
        return self.expect({**plain, **self.body.get("extra_body", {}), **self.sent})


def common(path: str, body: Fields) -> Fields:
    """Give the attributes that question and answer have in common."""
    return {
        "stream": bool(body.get("stream")),
        "openai.version": openai.__version__,
        "openai.endpoint": path,
        "openai.host": "127.0.0.1",
    }


def parameters(path: str, body: Fields) -> Fields:
    """Give the attributes of a question."""
    model = {"model.id": body["model"]} if "model" in body else {}
    given = {f"model.{name}": value for name, value in body.items() if name not in NOT_PARAMETERS}
    return {**model, **given, **common(path, body)}


def asks(path: str, body: Fields, messages: Iterable[Fields]) -> Fields:
    """Expect a question."""
    data = {"messages": list(messages)}
    return {"kind": "completion_prompt", "attributes": parameters(path, body), "data": data}


def attaches(path: str, body: Fields, *parts: Fields, **more: Any) -> Fields:
    """Expect what goes with a question."""
    data = {"role": "user", "content": list(parts), **more}
    return {"kind": "completion_prompt_attachment", "attributes": parameters(path, body), "data": data}


def facts(path: str, body: Fields, *, end: str | None = None, request_id: bool = True, **known: Any) -> Fields:
    """Give the attributes of an answer; `known` are those that begin with `model`."""
    model = {"model.id": body["model"], "model.requested": body["model"]} if "model" in body else {}
    ended = {} if end is None else {"stream.end": end}
    asked = {"openai.request_id": "req_<1>"} if request_id else {}
    return {
        **model,
        **{f"model.{name}": value for name, value in known.items()},
        **ended,
        **common(path, body),
        **asked,
    }


def answers(
    attributes: Fields, messages: Iterable[Fields], error: Fields | None = None, usage: Fields | None = None
) -> Fields:
    """Expect an answer."""
    return {
        "kind": "completion_output",
        "attributes": attributes,
        "data": {"messages": list(messages)},
        **({} if error is None else {"error": error}),
        **({} if usage is None else {"scanners": [{"name": "usage", "data": usage}]}),
    }


def calls(attributes: Fields, *tools: Fields) -> Fields:
    """Expect calls of tools."""
    known = {name: value for name, value in attributes.items() if name != "model.finish_reasons"}
    return {"kind": "completion_tool_call", "attributes": known, "data": {"tools": list(tools)}}


def tool(call_id: str, name: str, **arguments: Any) -> Fields:
    """Expect one call of a tool."""
    return {"id": call_id, "name": name, "arguments": arguments}


def said(*texts: str | None, **more: Any) -> list[Fields]:
    """Expect messages of the model."""
    return [{"role": "assistant", "content": text, **more} for text in texts]


def error(message: str | Beginning, kind: str, code: int | None = None, **details: Any) -> Fields:
    """Expect an error."""
    return {"message": message, "details": {"type": kind, **details}, **({} if code is None else {"code": code})}


def refused(message: str | Beginning, kind: str, code: int, **details: Any) -> Fields:
    """Expect the error of an answer whose status says so."""
    return error(message, kind, code, request_id="req_<1>", **details)


class Beginning:
    """A text that begins so, and goes on as the version pleases."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith(self._text)

    def __hash__(self) -> int:
        raise TypeError

    def __repr__(self) -> str:
        return f"{self._text!r}..."
