"""Answers that are recorded as they were read, without a copy: what may be, and that nobody can tell."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layer_sdk._drafts import LENIENT, Plain, weighed_action
from layer_sdk._json import to_json_or_repr
from layer_sdk._plain import MAX_DEPTH
from layer_sdk.delivery._lane import _mark, cut
from layer_sdk.delivery._record import Record
from layer_sdk.instrumentation._base import Heard, nothing
from layer_sdk.instrumentation._bodies import plain_json
from layer_sdk.instrumentation.openai import _chat, _observer
from layer_sdk.instrumentation.openai._asked import Asked
from layer_sdk.instrumentation.openai._endpoints import CHAT

NUMBERS = st.integers() | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(st.characters())
NAMES = st.sampled_from(["content", "role", "refusal", "tool_calls", "index", "message", "x"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)
CHOICES = st.lists(
    st.fixed_dictionaries({"message": st.dictionaries(NAMES, VALUES)}, optional={"finish_reason": VALUES})
)
USAGE = st.dictionaries(st.sampled_from(["prompt_tokens", "total_tokens", "prompt_tokens_details"]), VALUES)
ANSWERS = st.fixed_dictionaries(
    {"choices": CHOICES},
    optional={"id": VALUES, "model": VALUES, "usage": USAGE, "created": VALUES, "error": VALUES, "status": VALUES},
)
TIMES: dict[str, Any] = {name: datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc) for name in ("start_time", "end_time")}
FULL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
ERROR = {"error": {"message": "no", "code": 7, "type": "x"}, "choices": []}


def question(**body: Any) -> Asked:
    """Make a question as the host's thread keeps it."""
    sent = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], **body}
    return Asked("/chat/completions", "3.0.0", sent, [], None)


def nested(levels: int) -> str:
    """Write lists in each other."""
    return "[" * levels + "]" * levels


@settings(deadline=None, max_examples=300)
@given(VALUES, st.booleans())
def test_what_is_plain_needs_no_look(value: Any, is_ascii: bool) -> None:  # noqa: FBT001  (hypothesis gives it)
    """What is read as plain is what a careful copy of it would be, and UTF-8 can write it."""
    try:
        content = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
        found = plain_json(content)
    except ValueError:
        return
    assert found == to_json_or_repr(found)
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize(
    "content",
    [
        b"NaN",
        b'{"a": [-Infinity]}',
        b"[1e999]",
        b"[" + b"9" * 400 + b".0]",
        b'{"a": ' + b"9" * 2000 + b"}",
        rb'{"a": "\ud83d"}',
        rb'{"\uDE00": 1}',
        b'["\xed\xa0\xbd"]',
        b'["\xe9"]',
        b"{",
        b"",
    ],
)
def test_what_has_to_be_looked_at_is_not_plain(content: bytes) -> None:
    """Numbers that are none, halves of surrogate pairs and what is no JSON are left to who is careful."""
    with pytest.raises(ValueError, match=r"plain|Expecting|codec"):
        plain_json(content)


def test_what_is_nested_too_deep_is_not_plain() -> None:
    """As deep as what is recorded is read, and no deeper."""
    found = plain_json(nested(MAX_DEPTH).encode())
    assert found == to_json_or_repr(found)
    with pytest.raises(RecursionError):
        plain_json(nested(MAX_DEPTH + 1).encode())
    with pytest.raises(RecursionError):
        plain_json(nested(100_000).encode())


def test_what_is_null_is_left_out() -> None:
    """As it is of answers that are read off objects."""
    assert {"b": {"d": 0}, "e": [{}, None]} == plain_json(b'{"a":null,"b":{"c":null,"d":0},"e":[{"f":null},null]}')


@settings(deadline=None, max_examples=300)
@given(ANSWERS)
@example(FULL)
@example(ERROR)
@example({"choices": [{"message": {"content": [math.inf, "a"]}}]})
@example({"choices": [], "created": math.inf})
@example({"choices": [{"message": {"content": "\ud83d"}}]})
@example({"choices": [{"message": {"content": 7**2000}}], "created": 7**2000})
@example({"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": '{"a": NaN}'}}]}}]})
def test_both_ways_record_the_same(answer: dict[str, Any]) -> None:
    """An answer that came as bytes is on record as one that is looked through value by value."""
    content = json.dumps(answer).encode()
    asked = question()
    words = list(_observer._words_of(CHAT, asked, content, "req_1"))
    heard = Heard(nothing, attributes={"openai.request_id": "req_1"})
    careful = list(_chat.hear(asked, _observer._read(content), heard))
    drafts = [weighed_action(each, TIMES, is_copied=False)[0].to_dict() for each in words]
    assert [LENIENT.action(**{**each, **TIMES}).to_dict() for each in careful] == drafts  # type: ignore[dict-item]
    json.dumps(drafts, ensure_ascii=False, allow_nan=False).encode("utf-8")


def test_usual_answer_is_plain_and_an_odd_one_is_not() -> None:
    """Of the usual one nothing is copied; tool calls, whose arguments are read anew, are."""
    calls = [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
    tools = {"choices": [{"message": {"role": "assistant", "tool_calls": calls}}]}
    kinds = [
        [type(words) for words in _observer._words_of(CHAT, question(), json.dumps(each).encode(), None)]
        for each in (FULL, tools, {**FULL, "x": math.inf})
    ]
    assert [[Plain], [Plain, dict], [dict]] == kinds
    assert [Plain] == [type(words) for words in _chat.ask(question())]


@pytest.mark.parametrize("text", ["x" * 10, "{}" * 50_000, "\xe9" * 1000, "\U0001f600" * 1000])
def test_weight_is_that_of_the_copy(text: str) -> None:
    """What is not copied is weighed all the same: memory is kept within bounds by it, and requests."""
    image = {"type": "image_url", "image_url": {"url": "x" * 100_000}}
    asked = question(
        messages=[{"role": "user", "content": [{"type": "text", "text": text}, image]}], tools=[{"a": [1]}]
    )
    content = json.dumps({**FULL, "choices": [{"message": {"role": "assistant", "content": text}}]}, ensure_ascii=False)
    for words in (*_chat.ask(asked), *_observer._words_of(CHAT, asked, content.encode(), None)):
        _, size = weighed_action(words, TIMES, is_copied=False)
        assert pytest.approx(weighed_action(words, TIMES, is_copied=True)[1], rel=0.1) == size


def test_times_win() -> None:
    """When it was is said by who records, whatever the words say."""
    for given_ in ({"kind": "embeddings", "start_time": "2000-01-01T00:00:00Z"}, Plain({"kind": "embeddings"})):
        action, _ = weighed_action(given_, TIMES, is_copied=False)
        assert "2026-03-02T09:30:00Z" == action.to_dict()["start_time"]


def test_copy_is_nobody_else_s() -> None:
    """Where somebody may change an action, it holds nothing that another one holds as well."""
    shared = {"messages": [{"role": "user"}]}
    words = Plain({"kind": "embeddings", "data": shared, "scanners": [{"name": "n", "data": shared}]})
    changed, _ = weighed_action(words, TIMES, is_copied=True)
    assert isinstance(changed.data, dict)
    changed.data["messages"][0]["role"] = "changed"
    kept, _ = weighed_action(words, TIMES, is_copied=False)
    assert {"messages": [{"role": "user"}]} == kept.data
    assert {"name": "n", "data": shared} == words.fields["scanners"][0]


def test_delivery_changes_an_action_alone() -> None:
    """What delivery marks or cuts of one action is as it was in another that holds the same."""
    words = Plain({"kind": "embeddings", "data": {"messages": ["x" * 10_000]}, "attributes": {"a": {"b": 1}}})
    one, other = (Record(weighed_action(words, TIMES, is_copied=False)[0]) for _ in range(2))
    before = other.request.to_dict()
    one.gap = 3
    _mark(one)
    assert cut(one)
    assert {"layer.dropped_before", "layer.truncated"} <= one.request.to_dict()["attributes"].keys()
    assert before == other.request.to_dict()
