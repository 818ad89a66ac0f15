"""The matrix of what goes wrong: errors for an answer, streams that break off, helpers that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    CHAT,
    CHAT_FACTS,
    HELLO,
    KNOWS_REQUEST_ID,
    LEFT,
    PERSON_OF_CHAT,
    STREAM,
    VERSION,
    WHOLE,
    Beginning,
    Fields,
    Person,
    Row,
    answers,
    asks,
    error,
    facts,
    refused,
    said,
    usage_of_chat,
)

if TYPE_CHECKING:
    from typing import Mapping

    from openai_sdk.conftest import Check
    from openai_sdk.expected import Expect

CREATE, RAW = "chat.completions.create", "chat.completions.with_raw_response.create"
RESPONDING = "chat.completions.with_streaming_response.create"


def chat(model: str, **more: Any) -> Fields:
    return {"model": model, "messages": HELLO, **more}


def fails(
    failed: Fields | None,
    *texts: str,
    end: str | None = None,
    request_id: bool = False,
    usage: Fields | None = None,
    known: Mapping[str, Any] | None = None,
) -> Expect:
    """Expect an error, and what was said before it; `known` is what is known of the answer, if anything is."""

    def expect(body: Fields) -> list[Fields]:
        attributes = facts(CHAT, body, end=end, request_id=request_id, **(known or {}))
        return [asks(CHAT, body, HELLO), answers(attributes, said(*texts), failed, usage)]

    return expect


# ---- the status says so

INVALID = "invalid_request_error"
PAGE = "Error code: 500" if VERSION >= (3, 57) else "<html><body>Bad gateway</body></html>"  # that is what openai says
STATUSES = {
    "err-400": refused(
        "The temperature is too high.",
        "BadRequestError",
        400,
        error_type=INVALID,
        error_code="invalid_value",
        param="temperature",
    ),
    "err-401": refused(
        "Incorrect API key provided: k.", "AuthenticationError", 401, error_type=INVALID, error_code="invalid_api_key"
    ),
    "err-404": refused(
        "The model `err-404` does not exist.", "NotFoundError", 404, error_type=INVALID, error_code="model_not_found"
    ),
    "err-429": refused(
        "You exceeded your current quota.",
        "RateLimitError",
        429,
        error_type="insufficient_quota",
        error_code="insufficient_quota",
        retry_after="0",
    ),
    "err-500": refused("The server had an error.", "InternalServerError", 500, error_type="server_error"),
    "html-500": refused(PAGE, "InternalServerError", 500),
}
ROWS = [
    Row(f"{model}, {name}", method, chat(model, **more), ways.failing(way), fails(failed))
    for model, failed in STATUSES.items()
    for name, method, more, way in (
        ("plain", CREATE, {}, ways.whole),
        ("stream", CREATE, STREAM, ways.to_the_end),
        ("raw", RAW, {}, ways.whole),
        ("responding", RESPONDING, {}, ways.parse_of_response),
    )
]

# ---- gateways say so in a body whose status is 200, or leave the choices out

GONE = error("The provider is gone.", "error", error_type="upstream_error", error_code="502")
NO_CHOICES = error("The answer holds no choices", "no_choices")


def ends_empty(failed: Fields, known: Fields) -> Expect:
    """Expect a stream that was read to its end, and has no choices."""
    end = "complete" if failed is NO_CHOICES else "error"
    return fails(failed, end=end, request_id=True, known=known)


ROWS += [
    Row("error-200", CREATE, chat("error-200"), ways.whole, fails(GONE, request_id=KNOWS_REQUEST_ID)),
    Row(
        "choices-null",
        CREATE,
        chat("choices-null"),
        ways.whole,
        fails(NO_CHOICES, request_id=KNOWS_REQUEST_ID, usage=usage_of_chat(), known=CHAT_FACTS),
    ),
    Row("error-200, raw", RAW, chat("error-200"), ways.parsed, fails(GONE, request_id=True)),
    Row("error-200, responding", RESPONDING, chat("error-200"), ways.json_of_response, fails(GONE, request_id=True)),
]
for model, failed, known in (("error-200", GONE, {}), ("choices-null", NO_CHOICES, CHAT_FACTS)):
    body = chat(model, **STREAM)
    unseen = NO_CHOICES if model == "error-200" else failed  # openai makes a stream of nothing out of a body of JSON
    ROWS += [
        Row(f"{model}, stream", CREATE, body, ways.to_the_end, ends_empty(unseen, known)),
        Row(f"{model}, stream, iter_lines", RESPONDING, body, ways.lines_of_response, ends_empty(failed, known)),
    ]

# ---- streams break off

ERROR_EVENT = error("The server had an error.", "APIError", error_type="server_error")
ERROR_IN_BYTES = error("The server had an error.", "error", error_type="server_error")  # what is raised stays unseen
CUT = error(
    "peer closed connection without sending complete message body (incomplete chunked read)", "RemoteProtocolError"
)


def breaks_off(failed: Fields) -> Expect:
    """Expect a stream that ends with an error after three pieces."""
    return fails(failed, LEFT, end="error", request_id=True, known=CHAT_FACTS)


for model, raised, in_bytes in (("mid-error", ERROR_EVENT, ERROR_IN_BYTES), ("mid-cut", CUT, CUT)):
    body = chat(model, **STREAM)
    parsing = ways.collected(ways.failing(ways.parsed_to_the_end))
    lines = ways.lines_of_response if model == "mid-error" else ways.failing(ways.lines_of_response)
    ROWS += [
        Row(model, CREATE, body, ways.failing(ways.to_the_end), breaks_off(raised)),
        Row(f"{model}, raw", RAW, body, parsing, breaks_off(in_bytes)),
        Row(f"{model}, responding, iter_lines", RESPONDING, body, lines, breaks_off(in_bytes)),
    ]

# ---- helpers can make nothing of an answer that is there; up to 1.49 they look at it when the call is over

LIMIT = error(Beginning("Could not parse response content as the length limit was reached"), "LengthFinishReasonError")
NO_JSON = error(Beginning("1 validation error for Person"), "ValidationError")
SENT = {"response_format": PERSON_OF_CHAT}


def parsed_in_vain(failed: Fields, finish: str) -> Expect:
    """Expect an answer in one piece, and the error of who could not parse it."""
    known = {**CHAT_FACTS, "finish_reasons": [finish]}
    if VERSION < (1, 50):
        return fails(None, WHOLE, request_id=KNOWS_REQUEST_ID, usage=usage_of_chat(), known=known)
    return fails(failed, WHOLE, usage=usage_of_chat(), known=known)


for parse in ("beta.chat.completions.parse", "chat.completions.parse"):
    ROWS += [
        Row(
            f"length, {parse}",
            parse,
            chat("length", response_format=Person),
            ways.failing(ways.whole),
            parsed_in_vain(LIMIT, "length"),
            SENT,
        ),
        Row(
            f"no JSON, {parse}",
            parse,
            chat("gpt-4o", response_format=Person),
            ways.failing(ways.whole),
            parsed_in_vain(NO_JSON, "stop"),
            SENT,
        ),
    ]


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_errors(row: Row, kind: str, check: Check) -> None:
    """Each way in which a call goes wrong is on record as the table says, whichever the version and the client."""
    check(row, kind)
