"""What a request holds, copied in one step: as recording reads it, whatever the host does to it afterwards."""

from __future__ import annotations

import copy
import enum
import time
from typing import Any

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
odd = st.sampled_from([Level.HIGH, Text("a"), object, 1j, {1, 2}, range(3), memoryview(b"a")])
values = st.recursive(
    scalars | odd,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(values)
def test_copy_reads_as_the_value(value: Any) -> None:
    """Plain or odd, it is what recording makes of the value itself."""
    assert to_json_or_repr(value) == read(value)


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
    assert before == thaw(copied)


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
def test_what_has_no_end_comes_to_one(make: Any) -> None:
    """Lists that hold each other, themselves, or a hundred thousand others do not hold up the host."""
    value = make()
    began = time.thread_time()
    frozen({"messages": value})
    assert time.thread_time() - began < 2


def test_nobody_else_s_code_runs() -> None:
    """What an object says of itself, be it to be pickled, is not asked for what is plain."""

    class Own(dict):  # type: ignore[type-arg]
        def __reduce__(self) -> Any:
            raise AssertionError

    assert {"a": {"b": 1}} == read({"a": Own(b=1)})
