"""What a request holds, copied in one step: as recording reads it, whatever the host does to it afterwards."""

from __future__ import annotations

import copy
import enum
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import Any, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_sdk._json import to_json_or_repr
from layer_sdk.instrumentation._frozen import LARGEST, frozen, thaw


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    """A text of the host's own kind."""

    __slots__ = ()


def read(value: Any) -> Any:
    """Copy, and read the copy."""
    copied, _ = frozen(value)
    return thaw(copied) if type(copied) is bytes else copied


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
NUMPY = [np.str_("a"), np.float64(0.5), np.int64(3), np.bool_(0), np.array([1, 2]), np.array(["a"])]
odd = st.sampled_from([Level.HIGH, Text("a"), object, 1j, {1, 2}, range(3), memoryview(b"a")])


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    )


@contextmanager
def without_numpy() -> Iterator[None]:
    """Be in a program that has not imported it."""
    found = sys.modules.pop("numpy")
    try:
        yield
    finally:
        sys.modules["numpy"] = found


@given(nested(scalars | odd))
def test_copy_reads_as_the_value(value: Any) -> None:
    """Plain or odd, it is what recording makes of the value itself."""
    with without_numpy():
        copied = read(value)
    assert to_json_or_repr(value) == copied


@given(nested(scalars | odd | st.sampled_from(NUMPY)))
def test_copy_of_what_numpy_makes_reads_as_the_value(value: Any) -> None:
    """Its texts and numbers are texts and numbers, wherever they stand."""
    assert to_json_or_repr(value) == read(value)


def test_usual_request_is_copied_in_one_step_beside_numpy() -> None:
    """Most requests hold scalars, and lists of objects that hold scalars."""
    usual: dict[str, Any] = {"model": "gpt-4o", "n": 1, "messages": [{"role": "user", "content": "a"}]}
    assert bytes is type(frozen(usual)[0])
    assert dict is type(frozen({**usual, "stop": ["a"]})[0])


@given(st.dictionaries(st.text(), st.lists(st.dictionaries(st.text(), st.text()))))
def test_copy_does_not_change_with_the_value(body: dict[str, list[dict[str, str]]]) -> None:
    """Whatever the host puts in, or takes out, is not in the copy."""
    before = copy.deepcopy(body)
    copied, _ = frozen(body)
    for messages in body.values():
        for message in messages:
            message["content"] = "x"
        messages.append({})
    body["more"] = []
    assert before == (thaw(copied) if type(copied) is bytes else copied)


def test_what_is_large_is_shared() -> None:
    """A long text is not copied: it cannot change. The weight is that of the text either way."""
    text = "a" * (LARGEST + 1)
    copied, size = frozen({"messages": [{"content": text}]})
    assert copied["messages"][0]["content"] is text
    assert LARGEST < size < LARGEST + 1000
    assert LARGEST // 2 < frozen({"content": "a" * (LARGEST // 2)})[1] < LARGEST


def tangle() -> list[Any]:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    return value


def ring() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("make", [tangle, ring, deep])
@pytest.mark.parametrize("program", [nullcontext, without_numpy])
def test_what_has_no_end_comes_to_one(make: Any, program: Any) -> None:
    """Lists that hold each other, themselves, or a hundred thousand others do not hold up the host."""
    value = make()
    began = time.thread_time()
    with program():
        frozen({"messages": value})
    assert time.thread_time() - began < 5


def test_nobody_else_s_code_runs() -> None:
    """What an object says of itself, be it to be pickled, is not asked for what is plain."""

    class Own(dict):  # type: ignore[type-arg]
        def __reduce__(self) -> Any:
            raise AssertionError

    assert {"a": {"b": 1}} == read({"a": Own(b=1)})
