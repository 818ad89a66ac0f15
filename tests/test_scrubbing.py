from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_sdk._drafts import LENIENT
from layer_sdk._scrubbing import METADATA, Scrubber

MARK = "\N{SECTION SIGN}"  # begins each text that is content
NAMES = ("role", "type", "id", "name", "tool_call_id", "finish_reason", "model")
PLACES = ("arguments", "input", "parameters", "result", "output", "content", "messages", "tools", "function")
FREE = ("arguments", "input", "parameters", "result", "output", "value")  # below which a host may put anything

SECRETS = st.text(max_size=20).map(lambda text: MARK + text)
CONTENT = st.recursive(
    SECRETS | st.integers() | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES + PLACES) | SECRETS, inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES + PLACES) | SECRETS, CONTENT, max_size=4)
NESTED = st.lists(CONTENT, max_size=3) | OBJECTS


def sent(**fields: Any) -> dict[str, Any]:
    """Give what is sent of an action where no content may be."""
    action = LENIENT.action(kind="completion_tool_call", **fields)
    return Scrubber(None, METADATA, b"k")(action).to_dict()


def leaks(action: dict[str, Any]) -> bool:
    return MARK in json.dumps(action, ensure_ascii=False)


@given(content=CONTENT, place=st.sampled_from(FREE))
def test_no_text_of_what_a_tool_is_given_or_gives_is_sent(content: Any, place: str) -> None:
    """Whatever the names in it: in a tool call, a message, a part of its content, and at the top."""
    part = {"type": "tool_use", place: content}
    assert not leaks(
        sent(
            data={
                place: content,
                "tools": [{"id": "1", "name": "f", place: content}],
                "messages": [{"role": "assistant", "content": [part], "tool_calls": [{"id": "1", place: content}]}],
                "content": [part],
            }
        )
    )


@given(nested=NESTED, place=st.sampled_from(PLACES), name=st.sampled_from(NAMES))
def test_no_text_below_a_plain_name_is_sent(nested: Any, place: str, name: str) -> None:
    """A name that may hold a short text allows none in an object or a list."""
    thing = {name: nested}
    assert not leaks(sent(data={name: nested, place: thing, "messages": [thing], "tools": [thing], "content": [thing]}))


@given(content=OBJECTS)
def test_no_text_of_errors_and_scanners_is_sent(content: dict[str, Any]) -> None:
    """The details of an error, and what a scanner found, may quote the prompt under any name."""
    details = {name: value for name, value in content.items() if name != "type"}
    error = {"message": MARK, "details": {**details, "cause": content}}
    assert not leaks(sent(error=error, scanners=[{"name": "pii", "data": content}], data={"input": []}))


@pytest.mark.parametrize(
    "data",
    [
        {"messages": [{"role": "user", "name": "alice", "type": "t", "id": "1", "tool_call_id": "2"}]},
        {"messages": [{"role": "assistant", "finish_reason": "stop", "model": "m", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "name": "f"}]}]},
        {"tools": [{"id": "1", "name": "f", "type": "function", "arguments": {"count": 3, "is_new": True, "x": None}}]},
        {"role": "user", "content": [{"type": "image_url"}], "model": "m", "finish_reason": "stop"},
    ],
    ids=str,
)
def test_what_says_which_or_what_kind_stays(data: dict[str, Any]) -> None:
    """Roles, ids and names of messages and tool calls, types of content, numbers, and the names of fields."""
    assert data == sent(data=data)["data"]


def test_data_that_a_host_returned_has_no_plain_name_but_those_of_the_contract() -> None:
    """What a recorded function gives is an object of the host's: its `name` may be a patient's."""
    found = sent(data={"name": MARK, "id": MARK, "type": MARK})
    assert (False, {"name", "id", "type"}) == (leaks(found), set(found["data"]))


def test_attributes_keep_short_texts_and_nothing_within() -> None:
    """A text of up to 128 characters is what an attribute is for; objects and lists are somebody's content."""
    found = sent(attributes={"model.id": "m" * 128, "long": "x" * 129, "n": 1, "deep": {"name": MARK}, "list": [MARK]})
    assert {"model.id": "m" * 128, "n": 1}.items() <= found["attributes"].items()
    assert (129, False) == (found["attributes"]["long"]["length"], leaks(found))


def test_errors_keep_type_and_code_and_scanners_their_names_and_numbers() -> None:
    """What can be counted and grouped stays, such as token usage and the categories of a moderation."""
    usage = {"name": "usage", "data": {"total_tokens": 23, "categories": {"self-harm/intent": False}}}
    found = sent(error={"message": "m", "code": 504, "details": {"type": "APITimeoutError"}}, scanners=[usage])
    assert ([usage], 504, {"type": "APITimeoutError"}) == (
        found["scanners"],
        found["error"]["code"],
        found["error"]["details"],
    )


def test_a_key_that_is_no_name_of_a_field_is_hashed() -> None:
    """An object may be a table by people or questions: the same key has the same hash, and another one another."""
    first = sent(data={"input": [{"Alice Smith": 1, "a@example.com": 2}, {"Alice Smith": 3}]})["data"]["input"]
    assert (2, set(first[1])) == (len(first[0]), set(first[0]) & set(first[1]))
    assert "Alice" not in str(first)
