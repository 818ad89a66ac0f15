"""What instrumentation keeps of a provider's objects: their fields at one moment, and what they weigh."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from layer_sdk._plain import MAX_DEPTH, weigh
from layer_sdk.instrumentation._snapshot import is_model, snapshot, weighed_snapshot


class Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    text: str | None = None
    parts: list[Any] | None = None
    schema_: Any = pydantic.Field(default=None, alias="schema")


NONE: list[tuple[Any, Any]] = [
    (None, None),
    (Part(text="a"), {"text": "a"}),
    (Part(parts=[None, Part()]), {"parts": [None, {}]}),
    (Part(more={"a": None, "b": 0}, none=None), {"more": {"b": 0}}),  # type: ignore[call-arg]
    (Part(schema={"a": None}), {"schema": {}}),
    (Part(parsed=Part(), text=""), {"text": ""}),  # type: ignore[call-arg]
    ({1: (None, {"a": None})}, {1: [None, {}]}),
    ([memoryview(b"a"), {"a": range(1)}], ["YQ==", {"a": [0]}]),
]


@pytest.mark.parametrize(("value", "expected"), NONE)
def test_fields_that_are_none_are_left_out(value: Any, expected: Any) -> None:
    """Wherever they stand, as what the provider did not say; what stands in a list stays."""
    assert expected == snapshot(value)


def test_nothing_is_shared_that_can_change() -> None:
    """What the host changes later does not show."""
    part = Part(parts=[{"a": ["b"]}], more=[Part(text="c")])  # type: ignore[call-arg]
    kept = snapshot(part)
    part.parts[0]["a"].append("x")  # type: ignore[index]
    part.more[0].text = "x"  # type: ignore[attr-defined]
    part.text = "x"
    assert {"parts": [{"a": ["b"]}], "more": [{"text": "c"}]} == kept


def test_what_is_too_deep_is_cut_off() -> None:
    """An object that holds itself is kept as far as it is of use, without fields that are None."""
    part = Part()
    part.parts = [part]
    assert "None" not in str(snapshot(part))
    assert MAX_DEPTH >= str(snapshot(part)).count("parts")


@pytest.mark.parametrize(
    "value",
    ["a" * 9000, Part(text="a" * 9000), Part(parts=["a" * 9000]), {"a" * 9000: 1}, [{"a": {"a" * 9000}}], [0.5] * 1000],
    ids=["text", "field", "item", "name", "set", "numbers"],
)
def test_weight(value: Any) -> None:
    """What is kept weighs about what it takes of memory, wherever it stands."""
    kept, size = weighed_snapshot(value)
    assert 0.98 < size / weigh(kept) < 1.02


def test_models_are_known_once_they_were_met() -> None:
    """A class of models is told from others when one of them was kept; what is no model never is."""

    class Met(Part):
        pass

    before = is_model(Met())
    snapshot([Met(), object(), {}])
    assert (False, True, [False] * 3) == (before, is_model(Met()), [is_model(each) for each in (object(), {}, "")])
