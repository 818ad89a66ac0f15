"""The matrix of completions, embeddings and moderations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    COMPLETION,
    CREATED,
    KNOWS_REQUEST_ID,
    STREAM,
    Fields,
    Row,
    answers,
    asks,
    error,
    facts,
    parameters,
    refused,
    said,
    usage_of_chat,
)
from openai_sdk.openai_media import CATEGORIES

if TYPE_CHECKING:
    from openai_sdk.conftest import Check
    from openai_sdk.expected import Expect

# ---- completions

CREATE, RAW = "completions.create", "completions.with_raw_response.create"
NO_CHOICES = error("The answer holds no choices", "no_choices")
INVALID = refused(
    "The temperature is too high.",
    "BadRequestError",
    400,
    error_type="invalid_request_error",
    error_code="invalid_value",
    param="temperature",
)


def prompts(*texts: object, model: str = "instruct", **more: Any) -> Fields:
    return {"model": model, "prompt": texts[0] if len(texts) == 1 else list(texts), **more}


def says(
    *texts: str, end: str | None = None, finish: str | None = "stop", raw: bool = False, failed: Fields | None = None
) -> Expect:
    """Expect a completion of each prompt."""

    def expect(body: Fields) -> list[Fields]:
        known = {"completion_id": "cmpl-<1>", "created": CREATED, "system_fingerprint": "fp_loopback"}
        reasons = {"finish_reasons": [finish] * len(texts)} if finish and texts else {}
        request_id = raw or end is not None or KNOWS_REQUEST_ID
        attributes = facts(COMPLETION, body, end=end, request_id=request_id, **known, **reasons)
        given = body["prompt"] if isinstance(body["prompt"], list) and body["prompt"] != TOKENS else [body["prompt"]]
        counted = usage_of_chat() if end is None else None
        asked = asks(COMPLETION, body, [{"role": "user", "content": each} for each in given])
        return [asked, answers(attributes, said(*texts), failed, counted)]

    return expect


def refuses(body: Fields) -> list[Fields]:
    """Expect an error in place of a completion."""
    asked = asks(COMPLETION, body, [{"role": "user", "content": body["prompt"]}])
    return [asked, answers(facts(COMPLETION, body, request_id=False), [], INVALID)]


TOKENS = [1, 2, 3]
ended = partial(says, end="complete")
ROWS = [
    Row("completion", CREATE, prompts("one", max_tokens=5), ways.whole, says("You said: one")),
    Row("prompts", CREATE, prompts("one", "two"), ways.whole, says("You said: one", "You said: two")),
    Row("tokens", CREATE, prompts(TOKENS), ways.whole, says("You said: [1, 2, 3]")),
    Row("length", CREATE, prompts("one", model="length"), ways.whole, says("You said: one", finish="length")),
    Row("stream", CREATE, prompts("one", **STREAM), ways.to_the_end, ended("You said: one")),
    Row(
        "prompts, stream",
        CREATE,
        prompts("one", "two", **STREAM),
        ways.to_the_end,
        ended("You said: one", "You said: two"),
    ),
    Row("break", CREATE, prompts("one", **STREAM), ways.broken_off(2), says("You said:", end="abandoned", finish=None)),
    Row("with", CREATE, prompts("one", **STREAM), ways.in_a_block(2), says("You said:", end="closed", finish=None)),
    Row("raw", RAW, prompts("one"), ways.parsed, says("You said: one", raw=True)),
    Row("raw, stream", RAW, prompts("one", **STREAM), ways.parsed_to_the_end, ended("You said: one")),
    Row("choices-null", CREATE, prompts("one", model="choices-null"), ways.whole, says(failed=NO_CHOICES)),
    Row("err-400", CREATE, prompts("one", model="err-400"), ways.failing(ways.whole), refuses),
]

# ---- embeddings and moderations: question and answer are one action

EMBED, EMBED_RAW = "embeddings.create", "embeddings.with_raw_response.create"
MODERATE = "moderations.create"
COUNTED = [{"name": "usage", "data": {"prompt_tokens": 12, "total_tokens": 12}}]


def embeds(*inputs: object, size: int | None = 8, raw: bool = False, failed: Fields | None = None) -> Expect:
    """Expect embeddings of such a size, or an error."""

    def expect(body: Fields) -> list[Fields]:
        path = "/embeddings"
        asked = {name: value for name, value in body.items() if name != "encoding_format"}
        known = {} if size is None else {"embeddings.count": len(inputs), "embeddings.dimensions": size}
        answer = facts(path, asked, request_id=failed is None and (raw or KNOWS_REQUEST_ID))
        found = {"error": failed} if failed else {"scanners": COUNTED}
        attributes = {**parameters(path, asked), **answer, **known}
        return [{"kind": "embeddings", "attributes": attributes, "data": {"input": list(inputs)}, **found}]

    return expect


def scanner(number: int, *, bad: bool) -> Fields:
    """Expect the result of one input."""
    flags = {name: bad and name == "violence" for name in CATEGORIES}
    scores = {name: 0.875 if flags[name] else 0.125 for name in CATEGORIES}
    return {"name": f"openai_moderation_{number}", "data": {**flags, "flagged": bad, "category_scores": scores}}


def judges(verdicts: list[bool], failed: Fields | None = None) -> Expect:
    """Expect moderations with those verdicts, or an error."""

    def expect(body: Fields) -> list[Fields]:
        known = {} if failed else {"completion_id": "modr-<1>"}
        answer = facts("/moderations", body, request_id=failed is None and KNOWS_REQUEST_ID, **known)
        model = body.get("model", "omni-moderation-latest")
        attributes = {**parameters("/moderations", body), **answer, "model.id": model}
        found: Fields = {"error": failed} if failed else {}
        if verdicts:
            found["scanners"] = [scanner(number, bad=bad) for number, bad in enumerate(verdicts)]
        data = {"input": body["input"] if isinstance(body["input"], list) else [body["input"]]}
        attributes["moderation.flagged"] = verdicts
        return [{"kind": "moderation", "attributes": attributes, "data": data, **found}]

    return expect


MIXED = [{"type": "text", "text": "fine"}, {"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]
ROWS += [
    Row("embeddings", EMBED, {"model": "embed", "input": ["one", "two"]}, ways.whole, embeds("one", "two")),
    Row("embeddings of tokens", EMBED, {"model": "embed", "input": TOKENS}, ways.whole, embeds(TOKENS)),
    Row(
        "embeddings as floats",
        EMBED,
        {"model": "embed", "input": "one", "encoding_format": "float", "dimensions": 2},
        ways.whole,
        embeds("one", size=2),
    ),
    Row(
        "embeddings in base64",
        EMBED,
        {"model": "embed", "input": "one", "encoding_format": "base64", "dimensions": 3},
        ways.whole,
        embeds("one", size=3),
    ),
    Row(
        "embeddings, raw",
        EMBED_RAW,
        {"model": "embed", "input": "one", "dimensions": 100},
        ways.parsed,
        embeds("one", size=100, raw=True),
    ),
    Row(
        "embeddings, err-400",
        EMBED,
        {"model": "err-400", "input": "one"},
        ways.failing(ways.whole),
        embeds("one", size=None, failed=INVALID),
    ),
    Row("moderations", MODERATE, {"input": ["fine", "this is bad"]}, ways.whole, judges([False, True])),
    Row("moderation", MODERATE, {"model": "mine", "input": "fine"}, ways.whole, judges([False])),
    Row("moderation of parts", MODERATE, {"input": MIXED}, ways.whole, judges([False])),
    Row(
        "moderation, err-400",
        MODERATE,
        {"model": "err-400", "input": "fine"},
        ways.failing(ways.whole),
        judges([], failed=INVALID),
    ),
]


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_texts(row: Row, kind: str, check: Check) -> None:
    """Completions, embeddings and moderations are on record as the table says, whichever the version and the client."""
    check(row, kind)
