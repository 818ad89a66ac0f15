from __future__ import annotations

import base64
import collections
import copy
import datetime
import decimal
import enum
import fractions
import json
import math
import pathlib
import sys
import threading
import types
import uuid
from collections import abc
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from typing import Any, Callable, ClassVar, Iterator, NamedTuple

import attr
import attrs
import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import v1 as pydantic_v1

from layer_sdk import LayerRequestPreparationError, SessionActionError
from layer_sdk._json import JSON, to_json_or_repr, weighed_json, weighed_json_or_repr
from layer_sdk._plain import MAX_DEPTH, MAX_VALUES, weigh

UTC = datetime.timezone.utc
CEST = datetime.timezone(datetime.timedelta(hours=2))
NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=UTC)
ID = uuid.UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")


def to_json(value: Any, where: str) -> JSON:
    """Copy what is handed over on purpose."""
    return weighed_json(value, where)[0]


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(str, enum.Enum):
    FAST = "fast"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Message:
    role: str
    parts: list[Any] = field(default_factory=list)
    shared: ClassVar[list[Any]] = []
    seed: InitVar[int] = 0


@dataclass(frozen=True)
class Slotted:
    __slots__ = ("at",)
    at: datetime.datetime


@attrs.define
class Defined:
    colour: Colour
    inner: Any = None


@attr.s
class Classic:
    x: int = attr.ib(default=1)


class Model(pydantic.BaseModel):
    id: uuid.UUID
    at: datetime.datetime
    nested: list[Message] = []
    key: pydantic.SecretStr | None = None


class Narrow(pydantic.BaseModel):
    n: int

    def model_dump(self) -> dict[str, Any]:  # type: ignore[override]
        """Dump as a model does that takes no arguments."""
        return {"narrow": self.n}


class Point(NamedTuple):
    x: int
    y: float


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another text"


class Count(int):
    def __int__(self) -> int:
        raise ArithmeticError


class Share(float):
    def __float__(self) -> float:
        raise ArithmeticError


class Headers(abc.Mapping):  # type: ignore[type-arg]
    def __getitem__(self, key: str) -> str:
        return key.upper()

    def __iter__(self) -> Iterator[str]:
        return iter(["a", "b"])

    def __len__(self) -> int:
        return 2


class Zoneless(datetime.tzinfo):
    def utcoffset(self, _: datetime.datetime | None) -> None:
        return None

    dst = tzname = utcoffset


FORMS: dict[str, tuple[Any, Any]] = {
    "datetime": (NOON, "2026-03-02T12:00:00Z"),
    "datetime of another zone": (NOON.replace(tzinfo=CEST), "2026-03-02T10:00:00Z"),
    "naive datetime": (NOON.replace(tzinfo=None, microsecond=5), "2026-03-02T12:00:00.000005Z"),
    "datetime of a zone that has no offset": (NOON.replace(tzinfo=Zoneless()), "2026-03-02T12:00:00Z"),
    "date": (datetime.date(2026, 3, 2), "2026-03-02"),
    "time": (datetime.time(9, 30), "09:30:00"),
    "timedelta": (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
    "UUID": (ID, str(ID)),
    "Enum": (Colour.RED, "red"),
    "IntEnum": (Level.HIGH, 3),
    "str and Enum": (Mode.FAST, "fast"),
    "Flag": (Rights.READ | Rights.WRITE, 3),
    "Decimal": (decimal.Decimal("1.10"), "1.10"),
    "bytes": (b"\x00\xff", "AP8="),
    "bytearray": (bytearray(b"\x00\xff"), "AP8="),
    "memoryview": (memoryview(b"\x00\xff"), "AP8="),
    "memoryview with steps": (memoryview(b"\x00\x01\xff")[::2], "AP8="),
    "dataclass": (Message("user", [Colour.RED]), {"role": "user", "parts": ["red"]}),
    "dataclass, frozen, with slots": (Slotted(NOON), {"at": "2026-03-02T12:00:00Z"}),
    "attrs": (Defined(Colour.RED, Defined(Colour.RED)), {"colour": "red", "inner": {"colour": "red", "inner": None}}),
    "attrs of old": (Classic(), {"x": 1}),
    "model of ours": (SessionActionError("late", 504), {"message": "late", "code": 504}),
    "pydantic": (
        Model(id=ID, at=NOON, nested=[Message("user")]),
        {"id": str(ID), "at": "2026-03-02T12:00:00Z", "nested": [{"role": "user", "parts": []}], "key": None},
    ),
    "pydantic with a field of another type": (
        Model.model_construct(id="x", at=7, nested=None, key=None),
        {"id": "x", "at": 7, "nested": None, "key": None},
    ),
    "pydantic root": (pydantic.RootModel[list[int]]([1]), [1]),
    "pydantic that overrides model_dump": (Narrow(n=1), {"narrow": 1}),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "frozenset": (frozenset({"b", "a"}), ["a", "b"]),
    "mapping": (Headers(), {"a": "A", "b": "B"}),
    "defaultdict": (collections.defaultdict(list, a=[1]), {"a": [1]}),
    "OrderedDict": (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "mappingproxy": (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
    "keys": ({"b": 1, "a": 2}.keys(), ["b", "a"]),
    "values": ({"b": 1, "a": 2}.values(), [1, 2]),
    "items": ({"b": 1, "a": 2}.items(), [["b", 1], ["a", 2]]),
    "tuple": ((1, (2,)), [1, [2]]),
    "namedtuple": (Point(1, 2.5), [1, 2.5]),
    "deque": (collections.deque([1, Colour.RED]), [1, "red"]),
    "range": (range(3), [0, 1, 2]),
    "UserList": (collections.UserList([1]), [1]),
    "UserString": (collections.UserString("ab"), "ab"),
    "path": (pathlib.PurePosixPath("/tmp/x"), "/tmp/x"),  # noqa: S108  (only a name)
    "subclass of str": (Text("text"), "text"),
    "subclass of int": (Count(7), 7),
    "subclass of float": (Share(0.5), 0.5),
    "NumPy integer": (np.int64(7), 7),
    "NumPy float": (np.float32(0.5), 0.5),
    "NumPy double": (np.float64(0.5), 0.5),
    "NumPy long double": (np.longdouble(0.5), 0.5),
    "NumPy bool": (np.bool_(True), True),  # noqa: FBT003
    "NumPy text": (np.str_("a"), "a"),
    "NumPy moment": (np.datetime64("2026-03-02T12:00:00", "s"), "2026-03-02T12:00:00Z"),
    "NumPy moment in nanoseconds": (np.datetime64("2026-03-02T12:00:00", "ns"), "2026-03-02T12:00:00Z"),
    "NumPy span in nanoseconds": (np.timedelta64(1_500_000_000, "ns"), 1.5),
    "NumPy array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "NumPy array without dimensions": (np.array(5), 5),
    "NumPy array of objects": (np.array([Colour.RED, None], dtype=object), ["red", None]),
    "NumPy array of long doubles": (np.array([0.5], dtype=np.longdouble), [0.5]),
    "NumPy array of moments": (np.array(["2026-03-02"], dtype="datetime64[ns]"), ["2026-03-02T00:00:00Z"]),
    "NumPy array with a mask": (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    "empty NumPy array": (np.array([]), []),
}


@pytest.mark.parametrize(("value", "expected"), FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("copied_by", [to_json, to_json_or_repr])
def test_obvious_form(copied_by: Callable[[Any, str], Any], value: Any, expected: Any) -> None:
    """What has an obvious form in JSON is put into it, at the top and inside."""
    assert expected == copied_by(value, "data")
    assert {"a": [expected]} == copied_by({"a": [value]}, "data")
    assert type(expected) is type(copied_by(value, "data"))


def test_pydantic_of_old() -> None:
    """A model of pydantic 1 is put into its fields, too."""

    class Old(pydantic_v1.BaseModel):
        at: datetime.date

    assert {"at": "2026-03-02"} == to_json(Old(at=datetime.date(2026, 3, 2)), "data")


def test_set_without_order_keeps_all_that_it_holds() -> None:
    """A set of what cannot be sorted becomes a list in any order."""
    found = to_json({1, "a", None}, "data")
    assert isinstance(found, list)
    assert {1, "a", None} == set(found)


KEYS: list[tuple[Any, str]] = [
    (1, "1"),
    (1.5, "1.5"),
    (1e22, "1e+22"),
    (True, "true"),
    (None, "null"),
    (ID, str(ID)),
    (Colour.RED, "red"),
    (Level.HIGH, "3"),
    (Mode.FAST, "fast"),
    (NOON, "2026-03-02T12:00:00Z"),
    (datetime.date(2026, 3, 2), "2026-03-02"),
    (decimal.Decimal("1.10"), "1.10"),
    (np.int64(5), "5"),
    (b"\x00\xff", "AP8="),
    (Text("text"), "text"),
    ("\U0001f600 \x00", "\U0001f600 \x00"),
]


@pytest.mark.parametrize(("key", "expected"), KEYS)
def test_key_becomes_text(key: Any, expected: str) -> None:
    """A key that is no text is written as JSON writes its value."""
    assert {expected: 1} == to_json({key: 1}, "data") == to_json_or_repr({key: 1})


LONG = 10**5000


class Opaque:
    def __repr__(self) -> str:
        return "<an opaque thing>"


REFUSED: list[tuple[Any, str, Any]] = [
    (Opaque(), "data is of type Opaque, which has no form in JSON", "<an opaque thing>"),
    ({"messages": [{"content": Opaque()}]}, "data.messages[0].content is of type Opaque", None),
    ([[1, {"a b": {"ü": 1j}}]], 'data[0][1]["a b"].ü is of type complex', [[1, {"a b": {"ü": "1j"}}]]),
    ({7: {"x": Opaque()}}, "data[7].x is of type Opaque", {"7": {"x": "<an opaque thing>"}}),
    (math.nan, "data is nan, which JSON cannot hold", "nan"),
    ([-math.inf], "data[0] is -inf", ["-inf"]),
    (np.float32("nan"), "data is nan", "nan"),
    (np.array([1.0, np.inf]), "data[1] is inf", [1.0, "inf"]),
    (np.longdouble("nan"), "data is nan", "nan"),
    (np.complex64(1), "data is of type complex", "(1+0j)"),
    ("\ud800!", "data holds half of a surrogate pair", "?!"),
    ({"\ud800": 1}, 'data["\\ud800"] holds half of a surrogate pair', {"?": 1}),
    (LONG, "data is an integer too long: 16610 bits", "<int of 16610 bits>"),
    ({LONG: 1}, "is an integer too long", {"<int of 16610 bits>": 1}),
    ({(1, 2): 3}, "data[(1, 2)] is a key of type tuple; JSON's keys are text", {"(1, 2)": 3}),
    ({1: "a", "1": "b"}, 'data["1"] is a second key that JSON writes as "1"', None),
    ({math.nan: 1}, "data[nan] is nan", {"nan": 1}),
    (pydantic.SecretStr("x"), "data is of type SecretStr", "SecretStr('**********')"),
    (ValueError("x"), "data is of type ValueError", "ValueError('x')"),
    (int, "data is of type type", "<class 'int'>"),
    (fractions.Fraction(1, 3), "data is of type Fraction", "Fraction(1, 3)"),
    (iter(()), "data is of type tuple_iterator", None),
    (datetime.datetime.max.replace(tzinfo=datetime.timezone(-datetime.timedelta(hours=1))), "OverflowError", None),
    (range(10**12), "data is of type range, which has no form in JSON", "range(0, 1000000000000)"),
]


@pytest.mark.parametrize(("value", "words", "expected"), REFUSED, ids=[words for _, words, _ in REFUSED])
def test_what_json_cannot_hold(value: Any, words: str, expected: Any) -> None:
    """Strictly it is an error that names the place and the problem; leniently it becomes a short text."""
    with pytest.raises(LayerRequestPreparationError) as caught:
        to_json(value, "data")
    assert words in str(caught.value)
    str(caught.value).encode()
    found = to_json_or_repr(value)
    assert len(dump(found)) < 400
    assert expected in (None, found)


def test_error_has_the_objects_own_exception_as_its_cause() -> None:
    """What a property raised is attached to the error."""

    @dataclass
    class Failing:
        x: int = 0

        def __getattribute__(self, name: str) -> Any:
            if name == "x":
                raise LookupError("secret words")
            return super().__getattribute__(name)

    with pytest.raises(LayerRequestPreparationError, match="of type Failing could not be read: LookupError") as caught:
        to_json([Failing()], "data")
    assert isinstance(caught.value.__cause__, LookupError)
    assert "secret" not in str(caught.value)


# ---- structures without end


def nested(levels: int, around: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = around(value)
    return value


def test_depth_has_a_limit() -> None:
    """As many levels as allowed are copied; one more is an error, or a text in the deepest place."""
    assert nested(MAX_DEPTH) == to_json(nested(MAX_DEPTH), "data")
    with pytest.raises(LayerRequestPreparationError, match="is nested more than 100 levels deep"):
        to_json(nested(MAX_DEPTH + 1), "data")
    assert dump(nested(MAX_DEPTH)).replace(b"1", b'"<list>"') == dump(to_json_or_repr(nested(100_000)))


@pytest.mark.parametrize("around", [lambda x: {"k": x}, lambda x: (x,), Defined, lambda x: Message("", [x])])
def test_deep_values_of_any_kind(around: Callable[[Any], Any]) -> None:
    """Depth without end never exhausts the stack."""
    with pytest.raises(LayerRequestPreparationError, match="levels deep"):
        to_json(nested(5000, around), "data")
    dump(to_json_or_repr(nested(5000, around)))


def holding_itself() -> list[Any]:
    values: list[Any] = []
    values.extend([values, values])
    return values


def held_by_an_object() -> dict[str, Any]:
    message = Message("user")
    message.parts += [{"of": message}, message]
    return {"message": message}


@pytest.mark.parametrize(
    ("value", "words", "expected"),
    [
        (holding_itself(), "data[0] holds itself", ["<list>", "<list>"]),
        (
            held_by_an_object(),
            "data.message.parts[0].of holds itself",
            {"message": {"role": "user", "parts": [{"of": "<Message>"}, "<Message>"]}},
        ),
    ],
)
def test_value_that_holds_itself(value: Any, words: str, expected: Any) -> None:
    """A circle is named where it closes; leniently a text stands there."""
    with pytest.raises(LayerRequestPreparationError) as caught:
        to_json(value, "data")
    assert words == str(caught.value)
    assert expected == to_json_or_repr(value)


def test_value_that_stands_in_two_places_is_no_circle() -> None:
    """The same object beside itself is copied twice."""
    shared = {"a": [1]}
    found = to_json([shared, shared], "data")
    assert [shared, shared] == found
    assert isinstance(found, list)
    assert found[0] is not found[1]


def test_tangle_of_values_comes_to_an_end() -> None:
    """Values with more ways through them than there is time are refused, or cut off."""
    tangle: Any = "x"
    for _ in range(60):
        tangle = [tangle, tangle]
    with pytest.raises(LayerRequestPreparationError, match="holds too many values, or values that hold each other"):
        to_json(tangle, "data")
    assert isinstance(to_json_or_repr(tangle), list)


def test_long_list_of_numbers_passes() -> None:
    """What a large request of embeddings holds is no tangle."""
    vector = [0.1] * 1536
    assert MAX_VALUES > 2048 * 1536
    assert 2048 == len(to_json([vector] * 2048, "data"))  # type: ignore[arg-type]


# ---- whatever the object does


def failing(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("no")


class Meta(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise ZeroDivisionError


class Nameless(metaclass=Meta):
    __repr__ = failing


class Strange(str):
    __slots__ = ()
    encode = failing
    __len__ = failing


class StrangeRepr:
    def __repr__(self) -> str:
        return Strange("strange \ud800")


class Equal:
    """A key that cannot be compared with the other one of its hash."""

    def __hash__(self) -> int:
        return 1

    __eq__ = failing
    __repr__ = failing


class Endless(abc.Sequence):  # type: ignore[type-arg]
    def __getitem__(self, index: Any) -> Any:
        return Endless()

    def __len__(self) -> int:
        return 10**9


def hostile(**members: Any) -> Any:
    return type("Hostile", (), members)()


HOSTILE: dict[str, Any] = {
    "__repr__": hostile(__repr__=failing),
    "__repr__ that is no text": hostile(__repr__=lambda _: 5),
    "__repr__ of a strange text": StrangeRepr(),
    "__class__": hostile(__class__=property(failing), __repr__=failing),
    "__class__ that lies": hostile(__class__=dict),
    "__class__ that lies about text": hostile(__class__=str),
    "__class__ that lies about an Enum": hostile(__class__=enum.Enum),
    "__getattribute__": hostile(__getattribute__=failing),
    "__getattr__": hostile(__getattr__=failing),
    "__fspath__": hostile(__fspath__=failing),
    "__iter__ of a mapping": type("M", (Headers,), {"__iter__": failing})(),
    "__getitem__ of a mapping": type("M", (Headers,), {"__getitem__": failing})(),
    "keys of a dict": type("D", (dict,), {"keys": failing, "__iter__": failing})(a=1),
    "__iter__ of a list": type("L", (list,), {"__iter__": failing})([1]),
    "__lt__ of what a set holds": {hostile(__lt__=failing), hostile(__lt__=failing)},
    "model_dump": hostile(model_fields={}, model_dump=failing),
    "attrs": hostile(__attrs_attrs__=5),
    "dataclass": hostile(__dataclass_fields__=5),
    "name of the class": Nameless(),
    "module of the class": hostile(__module__=5),
    "text": Strange("a"),
    "sequence without end": Endless(),
    "released memory": memoryview(b"x"),
}
HOSTILE["released memory"].release()


@pytest.mark.parametrize("name", HOSTILE)  # by name: pytest would look at the objects themselves
@pytest.mark.parametrize(
    "around", [lambda x: x, lambda x: {"a": [1, x, 2]}, lambda x: {x: 1}, lambda x: {(x,): 1}, Defined]
)
def test_hostile_object(name: str, around: Callable[[Any], Any]) -> None:
    """Leniently nothing that an object does is heard of; strictly it is one of our errors, if one at all."""
    try:
        whole = around(HOSTILE[name])
    except (TypeError, ValueError):  # cannot be a key
        return
    dump(to_json_or_repr(whole))
    try:
        dump(to_json(whole, "data"))
    except LayerRequestPreparationError as error:
        str(error).encode()


def test_hostile_part_leaves_the_rest_whole() -> None:
    """What cannot be read is a text in its place; its neighbours are copied."""
    found = to_json_or_repr({"a": 1, "b": hostile(__repr__=failing), "c": [Equal()], "d": Colour.RED})
    assert {"a": 1, "b": "<Hostile>", "c": ["<Equal>"], "d": "red"} == found


def test_key_that_cannot_be_shown() -> None:
    """A key whose repr raises is named by its type."""
    with pytest.raises(LayerRequestPreparationError, match=r"data\[<Equal>\] is of type Equal"):
        to_json({Equal(): 1}, "data")
    assert {"<Equal>": 1} == to_json_or_repr({Equal(): 1})


def test_end_of_the_program_is_not_held_up() -> None:
    """KeyboardInterrupt and its like are the host's, in both modes."""

    def interrupted(_: Any) -> str:
        raise KeyboardInterrupt

    for copied_by in (to_json, to_json_or_repr):
        with pytest.raises(KeyboardInterrupt):
            copied_by(hostile(__fspath__=interrupted), "data")


def test_long_repr_is_cut() -> None:
    """The text of an unknown object is short."""
    found = to_json_or_repr(hostile(__repr__=lambda _: "x" * 10_000))
    assert "x" * 200 + "..." == found


def test_text_is_never_cut() -> None:
    """A text that JSON cannot hold keeps its length: half of a surrogate pair becomes a question mark."""
    assert "x" * 9_999 + "?" == to_json_or_repr("x" * 9_999 + "\udc00")


def test_little_stack_is_left() -> None:
    """Close to the end of the stack, too, there is a result or our error."""
    value = {"a": [{"b": [Opaque()]}]}
    outcomes: list[object] = []

    def descend() -> None:
        with suppress(RecursionError):
            descend()
        for copied_by in (to_json, to_json_or_repr):
            try:
                outcomes.append(dump(copied_by(value, "data")))
            except (LayerRequestPreparationError, RecursionError) as error:
                outcomes.append(type(error))

    descend()
    # In the innermost frames Python cannot even call; from then on nobody hears of the stack.
    assert RecursionError not in outcomes[20:]
    assert [LayerRequestPreparationError, dump({"a": [{"b": ["<an opaque thing>"]}]})] == outcomes[-2:]


def test_dict_that_another_thread_changes() -> None:
    """A dict that grows and shrinks meanwhile is copied as it was at one moment."""
    value: dict[str, Any] = {str(n): [n] for n in range(500)}
    stop = threading.Event()

    def change() -> None:
        n = 500
        while not stop.is_set():
            value[str(n)] = [n]
            del value[str(n - 500)]
            n += 1

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(50):
            for copied_by in (to_json, to_json_or_repr):
                found = copied_by(value, "data")
                assert isinstance(found, dict)
                assert 500 <= len(found) <= 501
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


# ---- properties

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
SURROGATES = st.text(st.characters(), max_size=10)
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(1300, 1400).map(lambda digits: 10**digits),
    st.floats(),
    st.complex_numbers(),
    SURROGATES,
    st.binary(max_size=10),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.datetimes(timezones=st.none() | st.timezones()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    st.sampled_from([*Colour, *Level, *Mode, *Rights, Ellipsis, NotImplemented, int, len, object()]),
    st.builds(pathlib.PurePosixPath, st.text("a/\udcff", max_size=5)),
    st.builds(Slotted, st.datetimes()),
)
ANYTHING = st.recursive(
    HASHABLE | st.builds(range, st.integers(0, 5)) | st.builds(ValueError, SURROGATES) | st.builds(bytearray),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(collections.deque),
        st.lists(inner).map(iter),
        st.dictionaries(HASHABLE | st.tuples(HASHABLE), inner),
        st.dictionaries(HASHABLE, inner).map(types.MappingProxyType),
        st.sets(HASHABLE),
        st.frozensets(HASHABLE),
        st.builds(Message, SURROGATES, st.lists(inner)),
        st.builds(Defined, st.sampled_from(Colour), inner),
        st.builds(types.SimpleNamespace, x=inner),
    ),
    max_leaves=20,
)


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def containers(value: Any) -> Iterator[int]:
    """Give the identity of every list and dict."""
    if isinstance(value, (list, dict)):
        yield id(value)
        for item in value.values() if isinstance(value, dict) else value:
            yield from containers(item)


@settings(deadline=None, max_examples=200)
@given(JSON_VALUES)
def test_json_stays_what_it_is(value: Any) -> None:
    """What JSON can hold is copied value for value and type for type, and shares no container with the original."""
    before = copy.deepcopy(value)
    for copied_by in (to_json, to_json_or_repr):
        found = copied_by(value, "data")
        assert dump(value) == dump(found)
        assert repr(before) == repr(found) == repr(value)
        assert not set(containers(value)) & set(containers(found))


@settings(deadline=None, max_examples=200)
@given(ANYTHING)
def test_anything_can_be_dumped(value: Any) -> None:
    """Leniently every object has a result that can be dumped; strictly it has, or it is our error."""
    shown = repr(value)
    dump(to_json_or_repr(value))
    try:
        found = to_json(value, "data")
    except LayerRequestPreparationError as error:
        str(error).encode()
    else:
        dump(found)
        assert not set(containers(value)) & set(containers(found))
    assert shown == repr(value)


@settings(deadline=None, max_examples=100)
@given(st.binary())
def test_bytes_come_back(value: bytes) -> None:
    """The text of bytes is base64 and holds all of them."""
    text = to_json(value, "data")
    assert isinstance(text, str)
    assert value == base64.b64decode(text, validate=True)


@settings(deadline=None, max_examples=100)
@given(
    st.datetimes(
        min_value=datetime.datetime(2, 1, 1),  # noqa: DTZ001  (hypothesis wants it naive)
        max_value=datetime.datetime(9998, 1, 1),  # noqa: DTZ001  (hypothesis wants it naive)
        timezones=st.timezones(),
    )
)
def test_moment_stays_the_same_moment(value: datetime.datetime) -> None:
    """A point in time of any zone is written in UTC with a Z, to the microsecond."""
    text = to_json(value, "data")
    assert isinstance(text, str)
    offset = value.utcoffset() or datetime.timedelta(0)
    assert f"{(value.replace(tzinfo=None, fold=0) - offset).isoformat()}Z" == text


@settings(deadline=None)
@given(JSON_VALUES, st.sampled_from([lambda value: value, lambda value: (value, value)]))
def test_weight_is_that_of_the_copy(value: Any, around: Callable[[Any], Any]) -> None:
    """What is weighed as it is copied, be it plain or odd, weighs what its copy does."""
    copied = to_json(around(value), "data")
    expected = (copied, weigh(copied))
    assert (expected, expected) == (weighed_json(around(value), "data"), weighed_json_or_repr(around(value)))
