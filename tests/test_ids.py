from __future__ import annotations

import copy
import pickle
import uuid
from functools import reduce
from operator import or_
from typing import Any, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk import LayerSchemaValidationError
from layer_sdk._ids import (
    NAMESPACE,
    as_uuid,
    new_session_id,
    parse_chosen_session_id,
    parse_session_id,
    session_id_for,
)

APPLICATION = "53ad4290-bf1a-4f68-b182-6026e869b8cd"
SESSION = uuid.UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")
OTHER_VERSIONS = [uuid.uuid1(), uuid.uuid3(NAMESPACE, "x"), uuid.uuid4(), uuid.UUID(int=0)]
NO_IDS: list[Any] = [
    "",
    "thread-77",
    "2ed6657d",
    "\ud800",
    "x" * 36,
    b"2ed6657d-e927-568b-95e1-2665a8aea6a2",
    7,
    None,
    [],
    object(),
]


@pytest.mark.parametrize("parse", [parse_session_id, parse_chosen_session_id, as_uuid])
@pytest.mark.parametrize("value", [SESSION, str(SESSION), str(SESSION).upper(), SESSION.hex, f"urn:uuid:{SESSION}"])
def test_id_as_uuid_and_as_text(parse: Callable[[Any], Any], value: Any) -> None:
    """An id may be a UUID or its text."""
    assert SESSION == parse(value)


@pytest.mark.parametrize("value", NO_IDS, ids=lambda value: ascii(value).partition(" at ")[0])
def test_what_is_no_id(value: Any) -> None:
    """Anything else is an error that says what is wanted and, of a text, what came."""
    for parse in (parse_session_id, parse_chosen_session_id):
        with pytest.raises(LayerSchemaValidationError, match="session_id must be a UUID, given as") as caught:
            parse(value)
        shown = f"{value!a:.60}" if isinstance(value, str) else f"of type {type(value).__name__}"
        assert str(caught.value).endswith(f"as text, but is {shown}")
        assert isinstance(caught.value.__cause__, (AttributeError, TypeError, ValueError))
    assert as_uuid(value) is None


@pytest.mark.parametrize("value", OTHER_VERSIONS)
def test_chosen_id_of_another_version(value: uuid.UUID) -> None:
    """An id that the caller makes up must be of version 5; the error says how to get one."""
    assert value == parse_session_id(value)
    for given_as in (value, str(value)):
        with pytest.raises(LayerSchemaValidationError, match=r"layer\.session_id_for") as caught:
            parse_chosen_session_id(given_as)
        expected = f"session_id must be a version 5 UUID, but {value} has version {value.version}; "
        assert str(caught.value).startswith(expected)


def test_new_id() -> None:
    """New ids are of version 5 and all different."""
    made = {new_session_id() for _ in range(1000)}
    assert (1000, {5}, {uuid.RFC_4122}) == (len(made), {each.version for each in made}, {each.variant for each in made})


def test_new_id_is_a_uuid_as_its_constructor_makes_it() -> None:
    """It is equal to what is read from its text, and can be copied, pickled and written as any other."""
    made = new_session_id()
    same = uuid.UUID(str(made))
    assert (same, hash(same), repr(same), same.is_safe) == (made, hash(made), repr(made), made.is_safe)
    assert [made] * 3 == [copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))]  # noqa: S301  (our own)
    assert uuid.UUID is type(made)
    with pytest.raises(TypeError, match="immutable"):
        made.int = 1  # type: ignore[misc]


def test_every_bit_of_a_new_id_that_may_vary_does() -> None:
    """None of the 122 is always the same."""
    made = [new_session_id().int for _ in range(200)]
    ones, zeros = reduce(or_, made), reduce(or_, [~each for each in made])
    fixed = 0xF000_C000_0000_0000_0000
    assert ((1 << 128) - 1) & ~fixed == ones & zeros & ~fixed & ((1 << 128) - 1)


@pytest.mark.parametrize(
    ("application_id", "key", "expected"),
    [
        (APPLICATION, "thread-77", "22ef4746-7ea0-5082-bf46-ac64e328e343"),
        (APPLICATION, "Gespräch 日本 \U0001f600", "4543d682-5440-5ad7-aa62-830f7e142ee8"),
        ("my-application", "thread-77", "969b511a-912a-57d4-ab48-b6d3d5f6a904"),
    ],
)
def test_id_of_a_natural_key_never_changes(application_id: str, key: str, expected: str) -> None:
    """These ids are in servers' databases: whatever changes them splits every conversation in two."""
    assert expected == str(session_id_for(application_id, key))


def test_namespace_is_the_one_of_old() -> None:
    """The namespace under all keys is fixed for ever."""
    assert "fa2d3b25-6445-5f6c-9866-2d550a238a80" == str(NAMESPACE)


@settings(deadline=None, max_examples=100)
@given(st.text(), st.text())
def test_id_of_a_natural_key_is_an_ordinary_version_5_uuid(application_id: str, key: str) -> None:
    """Anybody can compute it: UUIDv5 of application, a zero, and the key, in UTF-8."""
    found = session_id_for(application_id, key)
    expected = uuid.uuid5(NAMESPACE, f"{as_uuid(application_id) or application_id}\0{key}")
    assert (expected, found) == (found, parse_chosen_session_id(str(found)))


def test_every_application_has_keys_of_its_own() -> None:
    """The same key in two applications gives two ids, and parts of names do not run into each other."""
    made = [session_id_for(*names) for names in [("a", "bc"), ("ab", "c"), ("", "abc"), ("a", "bd")]]
    assert len(made) == len(set(made))


@pytest.mark.parametrize("spelt", [APPLICATION.upper(), f"{{{APPLICATION}}}", APPLICATION.replace("-", "")])
def test_spelling_of_the_application_does_not_count(spelt: str) -> None:
    """Two processes that write the same application differently have the same sessions."""
    assert session_id_for(APPLICATION, "thread-77") == session_id_for(spelt, "thread-77")


@pytest.mark.parametrize("key", [77, SESSION])
def test_key_that_is_an_integer_or_uuid(key: Any) -> None:
    """It counts as its text."""
    assert session_id_for(APPLICATION, str(key)) == session_id_for(APPLICATION, key)


def test_key_of_undecodable_bytes() -> None:
    """A key with half of a surrogate pair, as file names may have, has an id of its own."""
    assert session_id_for(APPLICATION, "\udcff") != session_id_for(APPLICATION, "\udcfe")


@pytest.mark.parametrize("key", [None, b"thread-77", 7.5, ["a"]])
def test_key_that_names_nothing(key: Any) -> None:
    """None would be one session for all who have no key; it is refused, as is what has no text of its own."""
    with pytest.raises(LayerSchemaValidationError, match="key must be text that names the session, but is of type"):
        session_id_for(APPLICATION, key)
