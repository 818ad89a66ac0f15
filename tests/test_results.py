from __future__ import annotations

from collections import UserDict
from typing import Any, Callable, Dict, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk import SessionActionError, SessionActionKind, SessionActionScanner
from layer_sdk._results import result_of, shaped

PROMPT = SessionActionKind.COMPLETION_PROMPT
OUTPUT = SessionActionKind.COMPLETION_OUTPUT
ATTACHMENT = SessionActionKind.COMPLETION_PROMPT_ATTACHMENT
TOOL_CALL = SessionActionKind.COMPLETION_TOOL_CALL
EMBEDDINGS = SessionActionKind.EMBEDDINGS
MODERATION = SessionActionKind.MODERATION

DATA: dict[str, Any] = {"messages": []}
ERROR = SessionActionError(message="refused")
SCANNER = SessionActionScanner(name="usage", data={"total_tokens": 9})
USAGE = {"name": "usage", "data": {"total_tokens": 9}}


class Hostile:
    """Every look at it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class HostileDict(Dict[str, Any]):
    """A mapping whose contents cannot be had."""

    def __contains__(self, key: object) -> bool:
        raise RuntimeError(key)

    def __iter__(self) -> Any:
        raise RuntimeError


class Pair(NamedTuple):
    first: Any
    second: Any


CONVENTIONS: list[tuple[tuple[Any, ...], tuple[Any, Any, Any]]] = [
    ((DATA,), (DATA, None, None)),
    ((DATA, None), (DATA, None, None)),
    ((DATA, None, None), (DATA, None, None)),
    ((None, ERROR), (None, ERROR, None)),
    ((None, {"message": "refused", "code": 403}), (None, {"message": "refused", "code": 403}, None)),
    ((DATA, None, [SCANNER]), (DATA, None, [SCANNER])),
    ((DATA, None, (USAGE, SCANNER)), (DATA, None, (USAGE, SCANNER))),
    ((DATA, None, []), (DATA, None, [])),
    ((DATA, UserDict(message="refused"), None), (DATA, UserDict(message="refused"), None)),
    (("text", None), ("text", None, None)),
    ((None, None, None), (None, None, None)),
]


@pytest.mark.parametrize(("value", "expected"), CONVENTIONS)
def test_convention_is_read(value: tuple[Any, ...], expected: tuple[Any, Any, Any]) -> None:
    """A tuple (data, error, scanners), its last parts optional, is read as the three."""
    assert expected == result_of(value)


def test_exception_is_an_error_by_convention() -> None:
    """An exception may stand for the error of the convention."""
    error = ValueError("refused")
    assert (None, error, None) == result_of((None, error))


PLAIN: dict[str, Any] = {
    "nothing": None,
    "text": "text",
    "empty": (),
    "coordinates": (52.5, 13.4),
    "texts": ("a", "b", "c"),
    "an error in text": (DATA, "refused"),
    "an exception class": (DATA, ValueError),
    "a dict that is no error": (DATA, {"reason": "refused"}),
    "scanners that are no list": (DATA, None, "usage"),
    "scanners without names": (DATA, None, [{"data": {}}]),
    "scanners of numbers": (DATA, None, [1, 2]),
    "one scanner alone": (DATA, None, SCANNER),
    "four": (DATA, None, None, None),
    "a list": [DATA, None, None],
    "a named tuple": Pair(DATA, None),
    "a dict": {"data": DATA},
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
def test_anything_else_is_data(value: Any) -> None:
    """What does not look like the convention is plain data, the very object."""
    data, error, scanners = result_of(value)
    assert value is data
    assert (None, None) == (error, scanners)


HOSTILE: dict[str, Callable[[], Any]] = {
    "itself": Hostile,
    "as an error": lambda: (DATA, Hostile()),
    "as scanners": lambda: (DATA, None, Hostile()),
    "as a scanner": lambda: (DATA, None, [Hostile()]),
    "error that cannot be searched": lambda: (DATA, HostileDict()),
    "scanner that cannot be searched": lambda: (DATA, None, [HostileDict()]),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_looked_at_is_data(make: Callable[[], Any]) -> None:
    """A result that raises when it is looked at is plain data."""
    value = make()
    data, error, scanners = result_of(value)
    assert value is data
    assert error is None
    assert scanners is None


SHAPES: list[tuple[SessionActionKind, Any, Any]] = [
    (PROMPT, "Hi", {"messages": [{"role": "user", "content": "Hi"}]}),
    (OUTPUT, "Hi", {"messages": [{"role": "assistant", "content": "Hi"}]}),
    (PROMPT, [{"role": "system", "content": "Be brief."}], {"messages": [{"role": "system", "content": "Be brief."}]}),
    (OUTPUT, ({"role": "assistant"},), {"messages": ({"role": "assistant"},)}),
    (PROMPT, ["Hi", "there"], {"value": ["Hi", "there"]}),
    (PROMPT, [], {"messages": []}),
    (TOOL_CALL, [{"id": "1", "name": "find"}], {"tools": [{"id": "1", "name": "find"}]}),
    (TOOL_CALL, "find", "find"),
    (EMBEDDINGS, ["a", "b"], {"input": ["a", "b"]}),
    (EMBEDDINGS, "a", {"input": ["a"]}),
    (MODERATION, ("a", "b"), {"input": ("a", "b")}),
    (MODERATION, "a", {"input": ["a"]}),
    (ATTACHMENT, "a", "a"),
    (ATTACHMENT, ["a"], {"value": ["a"]}),
    (PROMPT, 7, 7),
    (MODERATION, None, None),
    *((kind, {"any": "object"}, {"any": "object"}) for kind in SessionActionKind),
]


@pytest.mark.parametrize(("kind", "data", "expected"), SHAPES)
def test_plain_data_gets_the_shape_of_its_kind(kind: SessionActionKind, data: Any, expected: Any) -> None:
    """A text becomes a message or the input, a list becomes the list that the kind has; objects stay."""
    assert expected == shaped(kind, data)


@pytest.mark.parametrize("kind", SessionActionKind)
def test_data_that_cannot_be_looked_at_stays_as_it_is(kind: SessionActionKind) -> None:
    """Data that raises when it is looked at is left to what puts it into JSON."""
    hostile = Hostile()
    assert hostile is shaped(kind, hostile)
    listed = [HostileDict()]
    assert shaped(PROMPT, listed) is listed


VALUES = st.recursive(
    st.one_of(st.none(), st.text(), st.integers(), st.just(ERROR), st.just(SCANNER), st.builds(Hostile)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.sampled_from(["message", "name", "role", "data"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(SessionActionKind), value=VALUES)
def test_no_result_is_lost_or_raises(kind: SessionActionKind, value: Any) -> None:
    """Whatever a function returns is read, and either is the data or holds it first."""
    data, error, scanners = result_of(value)
    if data is not value:
        assert data is value[0]
        assert [error, scanners][: len(value) - 1] == list(value[1:])
    shape = shaped(kind, data)
    assert shape is data or isinstance(shape, dict)
