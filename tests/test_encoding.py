"""The JSON of a request's body, with orjson and without it."""

from __future__ import annotations

import json
import math
import sys
from types import SimpleNamespace
from typing import Any, Callable

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layer_sdk import _encoding
from layer_sdk._encoding import encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e-4, 1e-4)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))
TINY = 1e-7


class Named(str):
    """A text of a type of its own."""

    __slots__ = ()


def by_python(value: Any) -> bytes:
    """Write a value as Python does."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def nested(levels: int) -> Any:
    """Make lists in each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_orjson_writes_where_it_is_installed() -> None:
    """With it, all that it writes as Python does is written by it."""
    assert _encoding._quick is not None
    assert by_python({"a": [1, "b"]}) == _encoding._quick({"a": [1, "b"]})


@settings(deadline=None, max_examples=500)
@given(VALUES)
@example([TINY, -9e-5, 2.5e-5, 1e-4, 1e-10, {"1e-7": "it is 1e-7"}])
@example(1 << 64)
@example({"a": -(1 << 63) - 1})
def test_bytes_are_the_same_with_and_without(value: Any) -> None:
    """Whatever JSON can hold is written with the same bytes, as Python's own writes it."""
    assert by_python(value) == encode(value)


@pytest.mark.parametrize(
    "value",
    [Named("a"), {Named("a"): 1}, (1, 2), {1: True}, nested(300), [True, 1 << 70], {"a": [TINY]}],
    ids=["text", "name", "tuple", "number as a name", "deep", "integer", "float"],
)
def test_what_orjson_leaves_is_written_by_python(value: Any) -> None:
    """What it refuses, or would write in its own way, is the same as without it."""
    assert by_python(value) == encode(value)


@pytest.mark.parametrize("value", ["it is 1e-7", "0.00001", "2e-3", "re-1", "e-", "e-5", "9e-55", "9e-5"])
def test_text_that_looks_like_such_a_number_stays(value: str) -> None:
    """A text may say what a number is written as."""
    assert by_python(value) == encode(value) == by_python(json.loads(encode(value)))


HOLDS_ITSELF: list[Any] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize("is_quick", [True, False], ids=["orjson", "without"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("\ud800", UnicodeEncodeError),
        ({"a": object()}, TypeError),
        ({"a": b"b"}, TypeError),
        (HOLDS_ITSELF, RecursionError),
    ],
    ids=["surrogate", "object", "bytes", "circle"],
)
def test_what_json_cannot_hold_is_an_error(
    value: Any, error: type[Exception], monkeypatch: pytest.MonkeyPatch, *, is_quick: bool
) -> None:
    """It is the same error with and without orjson."""
    if not is_quick:
        monkeypatch.setattr(_encoding, "_quick", None)
    with pytest.raises(error):
        encode(value)


def test_nothing_is_missed_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed Python writes, and refuses what is no number."""
    monkeypatch.setattr(_encoding, "_quick", None)
    assert '{"a":["ü",0.5,1e-07]}'.encode() == encode({"a": ["ü", 0.5, TINY]})
    with pytest.raises(ValueError, match="Out of range float"):
        encode(math.nan)


def of_another_kind(dumps: Callable[..., bytes]) -> Any:
    """Make a module that looks like it."""
    return SimpleNamespace(
        dumps=dumps, OPT_PASSTHROUGH_DATACLASS=1, OPT_PASSTHROUGH_DATETIME=2, OPT_PASSTHROUGH_SUBCLASS=4
    )


@pytest.mark.parametrize(
    "module",
    [
        None,
        SimpleNamespace(dumps=orjson.dumps),
        of_another_kind(lambda *_, **__: b"[]"),
        of_another_kind(lambda *_, **__: 1 / 0),  # type: ignore[arg-type]
    ],
    ids=["absent", "old", "writes otherwise", "broken"],
)
def test_one_that_does_not_fit_is_left(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orjson that is not there, too old, broken, or that writes other bytes than are known of is not used."""
    monkeypatch.setitem(sys.modules, "orjson", module)
    assert _encoding._load() is None
