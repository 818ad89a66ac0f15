from __future__ import annotations

import copy
import datetime
import json
import math
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk import LayerRequestPreparationError, LayerSchemaValidationError
from layer_sdk._drafts import LENIENT, STRICT, Drafts, error_of, moment, parse_kind
from layer_sdk.schemas import SessionActionError, SessionActionKind, SessionActionRequest, SessionActionScanner
from test_json import ANYTHING, NOON, Colour, Level, Message, Mode

SESSION = uuid.UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")
CEST = datetime.timezone(datetime.timedelta(hours=2))
BOTH = pytest.mark.parametrize("drafts", [STRICT, LENIENT], ids=["strict", "lenient"])


def session(drafts: Drafts = STRICT, **fields: Any) -> dict[str, Any]:
    """Draft a session and give what travels on the wire."""
    return drafts.session("app", **{"session_id": SESSION, "attributes": {}, **fields}).to_dict()


def action(drafts: Drafts = STRICT, **fields: Any) -> dict[str, Any]:
    """Draft an action and give what travels on the wire."""
    draft = drafts.action(**{"kind": "embeddings", "start_time": NOON, "end_time": NOON, **fields}).to_dict()
    json.dumps(draft, ensure_ascii=False, allow_nan=False).encode()
    return draft


# ---- attributes of a session


@BOTH
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        (7, "7"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (SESSION, str(SESSION)),
        (NOON, "2026-03-02T12:00:00Z"),
        (Colour.RED, "red"),
        (Level.HIGH, "3"),
        (Mode.FAST, "fast"),
        (b"\x00\xff", "AP8="),
        ([1, "ü"], '[1, "ü"]'),
        ({"ü": None}, '{"ü": null}'),
    ],
)
def test_session_attribute_becomes_text(drafts: Drafts, value: Any, expected: str) -> None:
    """An attribute of a session is text on the wire, whatever it was."""
    assert {"x": expected} == session(drafts, attributes={"x": value})["attributes"]


@BOTH
def test_none_is_left_out(drafts: Drafts) -> None:
    """An attribute that is None is not there; the caller's own dict stays as it was."""
    attributes = {"user.id": None, "tenant": "t", 7: "seven"}
    before = dict(attributes)
    assert {"tenant": "t", "7": "seven"} == session(drafts, attributes=attributes)["attributes"]
    assert before == attributes


def test_attributes_that_are_no_object() -> None:
    """They are named strictly, and kept as a text leniently."""
    with pytest.raises(
        LayerSchemaValidationError, match="attributes must be an object, such as a dict, but is of type"
    ):
        session(attributes=["a"])
    assert {"value": '["a"]'} == session(LENIENT, attributes=["a"])["attributes"]


def test_attribute_that_json_cannot_hold() -> None:
    """It is named strictly, and becomes a short text leniently."""
    with pytest.raises(LayerRequestPreparationError, match=r'attributes\["user\.id"\] is nan'):
        session(attributes={"user.id": math.nan})
    assert {"user.id": "nan"} == session(LENIENT, attributes={"user.id": math.nan})["attributes"]


# ---- session ids


@BOTH
def test_session_id_as_uuid_and_as_text(drafts: Drafts) -> None:
    """A version 5 UUID is taken in both forms."""
    expected = {"application_id": "app", "session_id": str(SESSION), "attributes": {}}
    assert expected == session(drafts) == session(drafts, session_id=str(SESSION))


@pytest.mark.parametrize(
    "wrong", ["thread-77", uuid.UUID("5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21"), "8d2f4e1a-1c5b-11f1-9b3e-02fc00000001", 7]
)
def test_session_id_of_another_kind(wrong: Any) -> None:
    """Anything else is a schema error."""
    with pytest.raises(LayerSchemaValidationError, match="session_id must be a"):
        session(session_id=wrong)


# ---- points in time

MOMENTS: list[tuple[Any, str]] = [
    (NOON, "2026-03-02T12:00:00Z"),
    (NOON.replace(tzinfo=None), "2026-03-02T12:00:00Z"),
    (NOON.replace(tzinfo=CEST, microsecond=5), "2026-03-02T10:00:00.000005Z"),
    ("2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z"),
    ("2026-03-02t12:00:00z", "2026-03-02T12:00:00Z"),
    ("2026-03-02 12:00:00", "2026-03-02T12:00:00Z"),
    ("2026-03-02T12:00:00.5+02:00", "2026-03-02T10:00:00.500000Z"),
    ("2026-03-02T12:00:00.123456789Z", "2026-03-02T12:00:00.123456Z"),
    ("2026-03-02", "2026-03-02T00:00:00Z"),
]


@BOTH
@pytest.mark.parametrize(("value", "expected"), MOMENTS)
def test_moment_on_the_wire(drafts: Drafts, value: Any, expected: str) -> None:
    """A datetime or its text is RFC 3339 in UTC with a Z; without a zone it is taken as UTC."""
    for draft in (session(drafts, start_time=value, end_time=value), action(drafts, start_time=value, end_time=value)):
        assert (expected, expected) == (draft["start_time"], draft["end_time"])


class Broken(datetime.tzinfo):
    def utcoffset(self, _: datetime.datetime | None) -> datetime.timedelta:
        raise ZeroDivisionError("secret")

    dst = tzname = utcoffset  # type: ignore[assignment]


NO_MOMENTS: list[tuple[Any, str]] = [
    ("yesterday", "but is 'yesterday'"),
    ("", "but is ''"),
    ("2026-02-30T00:00:00Z", "but is '2026-02-30T00:00:00Z'"),
    ("9999-12-31T24:00:00Z", "but is '9999-12-31T24:00:00Z'"),
    ("x" * 1000, "but is 'xxx"),
    (1772452800, "but is of type int"),
    (datetime.date(2026, 3, 2), "but is of type date"),
    (datetime.time(9, 30), "but is of type time"),
    (b"2026-03-02", "but is of type bytes"),
    (datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=1))), "but is datetime.datetime"),
    (datetime.datetime.min.replace(tzinfo=CEST), "but is datetime.datetime"),
    (NOON.replace(tzinfo=Broken()), "but is "),
]


@pytest.mark.parametrize(("value", "words"), NO_MOMENTS)
@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_what_is_no_moment(field: str, value: Any, words: str) -> None:
    """It is named strictly; leniently the default stands in its place."""
    for draft in (session, action):
        with pytest.raises(LayerSchemaValidationError) as caught:
            draft(**{field: value})
        assert str(caught.value).startswith(f"{field} must be a datetime, or text such as 2026-03-02T09:30:00Z, ")
        assert words in str(caught.value)
        assert len(str(caught.value)) < 200
        assert caught.value.__cause__ is not None
    assert field not in session(LENIENT, **{field: value})
    assert "Z" == action(LENIENT, **{field: value})[field][-1]


@settings(deadline=None, max_examples=100)
@given(st.datetimes(timezones=st.none() | st.timezones()))
def test_moment_is_read_once_and_for_all(value: datetime.datetime) -> None:
    """What a draft holds is in UTC, so nobody's time zone is asked when it is sent, or it is an error."""
    try:
        found = moment(value, "start_time")
    except LayerSchemaValidationError:
        assert value.year in (1, 9999)
    else:
        assert datetime.timezone.utc is found.tzinfo
        offset = value.utcoffset() or datetime.timedelta(0)
        assert value.replace(tzinfo=None, fold=0) - offset == found.replace(tzinfo=None)


@BOTH
def test_times_of_an_action_have_defaults(drafts: Drafts) -> None:
    """The end is now, the start is the end."""
    before = datetime.datetime.now(datetime.timezone.utc)
    draft = drafts.action(kind="embeddings")
    assert before <= draft.start_time == draft.end_time <= datetime.datetime.now(datetime.timezone.utc)
    assert NOON == drafts.action(kind="embeddings", end_time=NOON).start_time
    draft = drafts.action(kind="embeddings", start_time=NOON)
    assert NOON == draft.start_time < before <= draft.end_time


# ---- kinds


@pytest.mark.parametrize("kind", list(SessionActionKind))
def test_kind_as_member_and_as_text(kind: SessionActionKind) -> None:
    """A kind may be the enum's member or its value."""
    assert kind is parse_kind(kind) is parse_kind(kind.value)


@pytest.mark.parametrize("kind", ["chat", "", None, 7, ["embeddings"], object(), "\ud800" * 1000])
def test_unknown_kind(kind: Any) -> None:
    """Any other is an error that lists the kinds and is not long."""
    with pytest.raises(LayerSchemaValidationError, match=r"kind must be one of .*embeddings.*, but is ") as caught:
        parse_kind(kind)
    assert len(str(caught.value)) < 300
    str(caught.value).encode()


# ---- data, attributes, error and scanners of an action


def test_whole_action() -> None:
    """Every field is put into JSON and nothing else is added."""
    expected = {
        "kind": "completion_prompt",
        "start_time": "2026-03-02T12:00:00Z",
        "end_time": "2026-03-02T12:00:00Z",
        "attributes": {"id": str(SESSION), "n": [1, None]},
        "data": {"messages": [{"role": "user", "parts": []}]},
        "error": {"message": "late", "code": 504, "details": {"at": "2026-03-02T12:00:00Z"}},
        "scanners": [{"name": "usage", "data": {"colour": "red"}}],
    }
    found = action(
        kind=SessionActionKind.COMPLETION_PROMPT,
        attributes={"id": SESSION, "n": (1, None)},
        data={"messages": [Message("user")]},
        error={"message": "late", "code": 504, "details": {"at": NOON}},
        scanners=({"name": "usage", "data": {"colour": Colour.RED}},),
    )
    assert expected == found


@BOTH
def test_empty_action(drafts: Drafts) -> None:
    """What was not given is not there; the data is null."""
    times = {"start_time": "2026-03-02T12:00:00Z", "end_time": "2026-03-02T12:00:00Z"}
    assert {"kind": "embeddings", **times, "data": None} == action(drafts)


WRONG: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"data": [1]}, "data must be an object, such as a dict, but is of type list", {"data": {"value": [1]}}),
    ({"data": "x"}, "data must be an object, such as a dict, but is of type str", {"data": {"value": "x"}}),
    ({"attributes": 5}, "attributes must be an object", {"attributes": {"value": 5}}),
    ({"data": {"messages": [{"content": 1j}]}}, "data.messages[0].content is of type complex", {}),
    ({"scanners": 5}, "scanners must be a list, but is of type int", {}),
    (
        {"scanners": "usage"},
        "scanners must be a list, but is of type str",
        {"scanners": [{"name": "unnamed", "data": {"value": "usage"}}]},
    ),
    (
        {"scanners": {"name": "usage", "data": {}}},
        "scanners must be a list, but is of type dict",
        {"scanners": [{"name": "usage", "data": {}}]},
    ),
    (
        {"scanners": SessionActionScanner("usage", {})},
        "scanners must be a list, but is of type SessionActionScanner",
        {"scanners": [{"name": "usage", "data": {}}]},
    ),
    ({"scanners": (1 / n for n in [0])}, "scanners could not be read: ZeroDivisionError", {}),
    (
        {"scanners": [{"name": "usage", "data": {}}, {"name": 7, "data": 1}]},
        "scanners[1] must have a name (text) and data (an object)",
        {"scanners": [{"name": "usage", "data": {}}, {"name": "7", "data": {"value": 1}}]},
    ),
    ({"scanners": [{"name": "usage", "data": 1}]}, "scanners[0] must have a name (text) and data (an object)", {}),
    ({"scanners": [{"name": None, "data": {}}]}, "scanners[0] must have a name (text) and data (an object)", {}),
    ({"scanners": b"usage"}, "scanners must be a list, but is of type bytes", {}),
    ({"scanners": [{"name": "usage", "data": {"n": 1j}}]}, "scanners[0].data.n is of type complex", {}),
    ({"error": 5}, "error must be an object", {"error": {"message": "5"}}),
    ({"error": {"code": 1}}, "error.message must be text, but is missing", {}),
    ({"error": {"message": 5}}, "error.message must be text, but is of type int", {"error": {"message": "5"}}),
    (
        {"error": {"message": "m", "code": "E1"}},
        "error.code must be an integer, but is of type str",
        {"error": {"message": "m", "details": {"code": "E1"}}},
    ),
    ({"error": {"message": "m", "code": True}}, "error.code must be an integer, but is of type bool", {}),
    ({"error": {"message": "m", "code": 4.0}}, "error.code must be an integer, but is of type float", {}),
    (
        {"error": {"message": "m", "details": "long"}},
        "error.details must be an object, but is of type str",
        {"error": {"message": "m", "details": {"details": "long"}}},
    ),
    ({"error": "\ud800"}, "error.message holds half of a surrogate pair", {"error": {"message": "?"}}),
]


@pytest.mark.parametrize(("fields", "words", "expected"), WRONG, ids=[words for _, words, _ in WRONG])
def test_wrong_field(fields: dict[str, Any], words: str, expected: dict[str, Any]) -> None:
    """Strictly it is an error that names the place; leniently nothing is lost but the form."""
    before = repr(fields)
    with pytest.raises((LayerSchemaValidationError, LayerRequestPreparationError)) as caught:
        action(**fields)
    assert words in str(caught.value)
    found = action(LENIENT, **fields)
    assert expected == {name: found[name] for name in expected}
    assert before == repr(fields)


@BOTH
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("late", {"message": "late"}),
        ("", {"message": ""}),
        (SessionActionError("late", 504, {"a": 1}), {"message": "late", "code": 504, "details": {"a": 1}}),
        (SessionActionError("late"), {"message": "late"}),
        ({"message": "late", "code": None, "details": None}, {"message": "late"}),
        ({"message": "late", "type": "T"}, {"message": "late", "details": {"type": "T"}}),
        ({"message": "late", "type": "T", "details": {"a": 1}}, {"message": "late", "details": {"a": 1, "type": "T"}}),
        (ValueError("late"), {"message": "late", "details": {"type": "builtins.ValueError"}}),
    ],
)
def test_error_in_every_form(drafts: Drafts, error: Any, expected: dict[str, Any]) -> None:
    """An error may be text, an object, a model or an exception; fields that it has no place for are details."""
    assert expected == action(drafts, error=error)["error"]


@BOTH
def test_fields_that_a_scanner_adds_are_kept(drafts: Drafts) -> None:
    """What a scanner says besides name and data travels along."""
    scanner = {"name": "pii", "data": {}, "version": Level.HIGH}
    assert [{"name": "pii", "data": {}, "version": 3}] == action(drafts, scanners=[scanner])["scanners"]


class StatusError(Exception):
    def __init__(self, status: Any) -> None:
        super().__init__("failed")
        self.status_code = status


@pytest.mark.parametrize(
    ("status", "expected"), [(429, 429), (Level.HIGH, 3), (True, None), ("429", None), (None, None), (1 << 5000, None)]
)
def test_status_of_an_exception(status: Any, expected: int | None) -> None:
    """An exception's integer status_code is the error's code; anything else is none."""
    assert expected == error_of(StatusError(status)).to_dict().get("code")


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError

    @property
    def status_code(self) -> int:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "expected"),
    [(UnreadableError(), "UnreadableError"), (KeyError(), "KeyError"), (ValueError("\ud800"), "?")],
)
def test_exception_that_says_nothing(error: Exception, expected: str) -> None:
    """An exception without words, or whose words or status cannot be read, is named by its class."""
    found = error_of(error)
    kind = type(error)
    assert (expected, {"type": f"{kind.__module__}.{kind.__qualname__}"}) == (found.message, found.details)


# ---- the first actions of a session

MODEL = SessionActionRequest(SessionActionKind.EMBEDDINGS, NOON, NOON, data={"at": NOON}, error=None)


def test_first_actions() -> None:
    """Models and dicts are taken in order, from any iterable."""
    times = {"start_time": "2026-03-02T12:00:00Z", "end_time": "2026-03-02T12:00:00Z"}
    plain = {"kind": "moderation", "end_time": NOON, "scanners": None}
    expected = [
        {"kind": "embeddings", **times, "data": {"at": "2026-03-02T12:00:00Z"}},
        {"kind": "moderation", **times, "data": None},
    ]
    assert expected == session(actions=iter([MODEL, plain]))["actions"]
    assert [] == session(actions=[])["actions"]
    assert {"at": NOON} == MODEL.data


def test_first_actions_are_whole() -> None:
    """Every field of an action arrives, from a dict and from a model."""
    whole: dict[str, Any] = {
        "kind": "moderation",
        "start_time": NOON - datetime.timedelta(minutes=1),
        "end_time": NOON,
        "attributes": {"model.id": "m"},
        "data": {"input": ["a"]},
        "error": {"message": "late"},
        "scanners": [{"name": "usage", "data": {}}],
    }
    expected = action(**whole)
    assert set(whole) == set(expected)
    assert [expected, expected] == session(actions=[whole, STRICT.action(**whole)])["actions"]


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (5, "actions must be a list, but is of type int"),
        ({"kind": "embeddings"}, "actions must be a list, but is of type dict"),
        (MODEL, "actions must be a list, but is of type SessionActionRequest"),
        ([MODEL, "embeddings"], "actions[1] must be a SessionActionRequest or a dict, but is of type str"),
        ([{"kind": "embeddings", "when": 1}], "actions[0] has not the fields of an action: 'when' is none of kind, "),
        ([{"kind": "embeddings", "where": "x"}], "actions[0] has not the fields of an action: 'where' is none of"),
        ([{"kind": "embeddings", 7: 1}], "actions[0] has not the fields of an action: 7 is none of"),
        ([{}], "actions[0] has not the fields of an action: kind is missing"),
        ([{"kind": "chat"}], "actions[0].kind must be one of"),
        ([MODEL, {"kind": "embeddings", "end_time": "x"}], "actions[1].end_time must be a datetime"),
        ([{"kind": "embeddings", "data": {"x": 1j}}], "actions[0].data.x is of type complex"),
        ([{"kind": "embeddings", "error": {"code": 1}}], "actions[0].error.message must be text"),
        ([{"kind": "embeddings", "scanners": [{}]}], "actions[0].scanners[0] must have a name"),
    ],
)
def test_wrong_first_action(actions: Any, words: str) -> None:
    """The error names the action by its index, and the place inside it."""
    with pytest.raises((LayerSchemaValidationError, LayerRequestPreparationError)) as caught:
        session(actions=actions)
    assert words in str(caught.value)


def test_field_that_a_model_adds_is_refused_as_a_dicts_is() -> None:
    """A model with a field that the contract does not know is not sent without it in silence."""
    model = SessionActionRequest.from_dict({**MODEL.to_dict(), "data": None, "when": 1})
    with pytest.raises(LayerSchemaValidationError, match="'when' is none of"):
        session(actions=[model])


# ---- copies


def test_caller_shares_nothing_with_a_draft() -> None:
    """Changing what was given, after the call, changes nothing that is sent."""
    data = {"messages": [{"content": ["a"]}]}
    error, scanner = {"message": "m", "details": {"a": [1]}}, SessionActionScanner("usage", {"a": [1]})
    draft = STRICT.action(kind="embeddings", attributes=data, data=data, error=error, scanners=[scanner])
    before = copy.deepcopy(draft.to_dict())
    data["messages"][0]["content"].append("b")
    error["details"]["a"].append(2)  # type: ignore[index]
    scanner.data["a"].append(2)
    assert before == draft.to_dict()


@settings(deadline=None, max_examples=60)
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_lenient_takes_anything(attributes: Any, data: Any, error: Any, scanners: Any, when: Any) -> None:
    """Whatever is recorded in passing, there is a request that can be sent."""
    found = action(
        LENIENT, attributes=attributes, data=data, error=error, scanners=scanners, start_time=when, end_time=when
    )
    assert {"kind", "start_time", "end_time", "data"} <= set(found)
    texts = session(LENIENT, attributes=attributes, start_time=when)["attributes"]
    assert {str} >= {type(text) for text in texts.values()}


@settings(deadline=None, max_examples=60)
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_strict_takes_or_says_why_not(attributes: Any, data: Any, error: Any, scanners: Any, when: Any) -> None:
    """Whatever is given on purpose, there is a request that can be sent or one of our two errors."""
    try:
        action(attributes=attributes, data=data, error=error, scanners=scanners, start_time=when, end_time=when)
    except (LayerSchemaValidationError, LayerRequestPreparationError) as problem:
        str(problem).encode()
