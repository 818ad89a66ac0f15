"""What answers are made of: replies with their faults, errors in OpenAI's form, and what several endpoints share."""

from __future__ import annotations

import enum
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, Iterable, Mapping, Sequence

Fields = Mapping[str, Any]

CREATED = 1_700_000_000
PERSON = '{"name": "Ada", "age": 36}'
REFUSAL = "I cannot help with that."
REASONING = "The user said something, so I repeat it."
CALLS = (
    ("call_weather", "get_weather", '{"city":"Paris"}'),
    ("call_time", "get_time", '{"zone":"CET"}'),
)
BAD_CALLS = (("call_weather", "get_weather", '{"city": Par'),)
CUSTOM_CALL = ("call_code", "run_code", "print('Hello, world')")

ERRORS: dict[str, tuple[int, str, str, str | None, str | None]] = {
    "err-400": (400, "The temperature is too high.", "invalid_request_error", "temperature", "invalid_value"),
    "err-401": (401, "Incorrect API key provided: k.", "invalid_request_error", None, "invalid_api_key"),
    "err-404": (404, "The model `err-404` does not exist.", "invalid_request_error", None, "model_not_found"),
    "err-429": (429, "You exceeded your current quota.", "insufficient_quota", None, "insufficient_quota"),
    "err-500": (500, "The server had an error.", "server_error", None, None),
}
# What openai reads before Retry-After: a test that wants retries does not wait for them.
AT_ONCE = {"retry-after-ms": "1"}


class Fault(enum.Enum):
    """What goes wrong between two parts of a reply."""

    HANG = "wait until the test lets go on"
    CUT = "close the connection"


@dataclass(frozen=True)
class Reply:
    """What goes back.

    Attributes:
        parts: The body; what is chunked goes out part by part. A fault at the beginning holds the head back as well.
        status: The HTTP status.
        content_type: The media type of the body.
        headers: More headers.
        chunked: Whether the parts go out one by one.
        steady: How many parts go out before the fault of a model such as `mid-cut`.
        error: What `mid-error` sends then.
    """

    parts: Sequence[bytes | Fault]
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    steady: int = 3
    error: bytes = b""


def json_reply(body: object, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON; `_` in a header's name stands for `-`."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([json.dumps(body).encode()], status, headers=names)


def event(data: object, name: str = "") -> bytes:
    """Write one server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def event_stream(parts: Iterable[bytes], steady: int = 3, error: bytes | None = None) -> Reply:
    """Answer with server-sent events, of which `steady` come before a fault."""
    failed = event({"error": error_body("The server had an error.", "server_error")}) if error is None else error
    return Reply(list(parts), content_type="text/event-stream", chunked=True, steady=steady, error=failed)


def named_events(events: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Write events that carry their name as their type."""
    return [event(each, each["type"]) for each in events]


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Describe an error as OpenAI does."""
    return {"message": message, "type": kind, "param": param, "code": code}


def error_reply(status: int, message: str, kind: str, param: str | None = None, code: str | None = None) -> Reply:
    """Answer with an error in OpenAI's form."""
    headers = {} if status < 429 else {**AT_ONCE}
    if status == 429:
        headers["retry-after"] = "0"
    return replace(json_reply({"error": error_body(message, kind, param, code)}, status), headers=headers)


def refused(model: str, attempt: int) -> Reply | None:
    """Answer for the models that never get to an answer, or not at the first attempt."""
    if model in ERRORS:
        return error_reply(*ERRORS[model])
    if model == "html-500":
        return Reply([b"<html><body>Bad gateway</body></html>"], 500, "text/html", AT_ONCE)
    if model == "flaky-500" and attempt % 2 == 1:
        return error_reply(*ERRORS["err-500"])
    if model == "error-200":
        return json_reply({"error": error_body("The provider is gone.", "upstream_error", None, "502")})
    return None


def with_fault(model: str, reply: Reply) -> Reply:
    """Break or delay the reply, where the model is one that does."""
    steady = min(reply.steady, len(reply.parts)) if reply.chunked else 0
    before, after = list(reply.parts[:steady]), list(reply.parts[steady:])
    if model == "slow":
        return replace(reply, parts=[*before, Fault.HANG, *after])
    if model == "mid-cut" and reply.chunked:
        return replace(reply, parts=[*before, Fault.CUT])
    if model == "mid-error" and reply.error:
        return replace(reply, parts=[*before, reply.error])
    return reply


def digest(fields: Fields) -> str:
    """Derive what ids end with from the request: an answer has the same ids whole and in a stream."""
    asked = {name: value for name, value in fields.items() if name not in ("stream", "stream_options")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=len).encode()).hexdigest()[:16]


def pieces(text: str) -> list[str]:
    """Split into words, each with the space before it; together they are the text."""
    return re.findall(r"\s*\S+(?:\s+$)?|\s+$", text)


def halves(text: str) -> list[str]:
    """Split in the middle."""
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


def text_of(content: object) -> str:
    """Give the text of a message's content: a string, or parts of several types."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def last_said(messages: object) -> str:
    """Give the text of the last message of a user."""
    found = messages if isinstance(messages, list) else []
    users = [each for each in found if isinstance(each, dict) and each.get("role") == "user"]
    return text_of(users[-1].get("content")) if users else ""


def said(model: str, text: str) -> str:
    """Give what the model answers to a text."""
    return PERSON if model == "json" else f"You said: {text}"


def usage(model: str) -> dict[str, Any]:
    """Give the tokens of a chat completion."""
    written = {"audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5 if model == "reasoning" else 0, **written},
    }
