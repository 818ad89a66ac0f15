from __future__ import annotations

import asyncio
import datetime
import functools
import socket
from fractions import Fraction
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator, List, NewType, Optional, Union
from uuid import UUID, uuid4

import pytest
import requests
from dateutil.parser import isoparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import Annotated

from layer_sdk import Layer, layer
from layer_sdk._ids import session_id_for

if TYPE_CHECKING:
    import uuid
    from uuid import UUID as Id  # noqa: N811  (an alias is what is tested)

    from somewhere import Unknown  # type: ignore[import-not-found]

    from conftest import MakeLayer
    from layer_sdk.devserver import Server

Recorded = Callable[[str], "dict[str, Any]"]

APPLICATION = "53ad4290-bf1a-4f68-b182-6026e869b8cd"
V5 = UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")


@pytest.fixture
def mine(make_layer: MakeLayer) -> Layer:
    return make_layer()


class Hostile:
    """Every look at it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("do not touch")

    __repr__ = __str__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __int__ = _raise


# ---- what is recorded


def test_decorated_call_is_a_session(mine: Layer, recorded: Recorded) -> None:
    """Each call creates a session with the attributes that were given, and those of where it runs."""

    @mine.session(attributes={"user.id": "user-001", "turn": 3})
    def handle(session_id: str = "") -> str:
        return session_id

    first, second = handle(), handle()
    assert first != second
    for session_id in (first, second):
        session = recorded(session_id)
        assert {"user.id": "user-001", "turn": "3"}.items() <= session["attributes"].items()
        assert "layer-python-sdk/" in session["attributes"]["source"]
        assert APPLICATION == session["application_id"]
        assert session["start_time"] is not None
    assert {"accepted": 2, "sent": 2, "dropped": {}}.items() <= mine.stats().items()


def test_block_is_a_session(mine: Layer, recorded: Recorded) -> None:
    """`with` and `async with` give the id of a session that is recorded when the block begins."""

    async def main() -> str:
        async with mine.session(attributes={"kind": "async"}) as session_id:
            assert "async" == recorded(session_id)["attributes"]["kind"]
        return session_id

    with mine.session(attributes={"kind": "sync"}) as session_id:
        assert "sync" == recorded(session_id)["attributes"]["kind"]
    assert (str, 5) == (type(session_id), UUID(session_id).version)
    assert session_id != asyncio.run(main())


def test_callers_attributes_win(mine: Layer, recorded: Recorded) -> None:
    """What the caller says of a session wins over what the SDK would say."""
    with mine.session(attributes={"os": "Plan 9"}) as session_id:
        assert "Plan 9" == recorded(session_id)["attributes"]["os"]


def test_attributes_are_copied(mine: Layer, recorded: Recorded) -> None:
    """The caller's attributes are not changed, and what becomes of them later does not show in the record."""
    attributes = {"user.id": "user-001", "tags": ["a"]}
    with mine.session(attributes=attributes) as session_id:
        attributes["tags"] = ["b"]
    assert {"user.id": "user-001", "tags": ["b"]} == attributes
    assert '["a"]' == recorded(session_id)["attributes"]["tags"]


def test_own_id_is_used(mine: Layer, recorded: Recorded) -> None:
    """A version 5 UUID of the caller's own, as UUID or text, is the session's id."""
    chosen = session_id_for(APPLICATION, "test_own_id_is_used")
    given_ids: list[UUID | str] = [chosen, str(chosen), str(chosen).upper()]
    for given_id in given_ids:
        with mine.session(session_id=given_id) as session_id:
            assert str(chosen) == session_id == recorded(session_id)["session_id"]


@pytest.mark.parametrize(
    "key",
    [
        "thread-77",
        "77",
        77,
        UUID("5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21"),
        "5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21",
        b"77",
    ],
    ids=repr,
)
def test_any_other_id_is_a_natural_key(
    mine: Layer, recorded: Recorded, caplog: pytest.LogCaptureFixture, key: Any
) -> None:
    """An id that is no version 5 UUID is taken as a natural key: always the same session, with one warning."""
    with mine.session(session_id=key) as first, mine.session(session_id=key) as second:
        pass
    assert first == second == recorded(first)["session_id"] == mine.session_id_for(str(key))
    assert 1 == len([message for message in caplog.messages if "natural key" in message])
    assert all(str(key) not in message for message in caplog.messages if len(str(key)) > 5)


# ---- the parameter `session_id`


def by_name(session_id: UUID) -> Any:
    return session_id


def keyword_only(*, session_id: UUID) -> Any:
    return session_id


def positional_only(session_id: UUID, /) -> Any:
    return session_id


def positional_only_later(a: int = 1, b: int = 2, session_id: UUID | None = None, /, *rest: int) -> Any:
    assert (1, 2, ()) == (a, b, rest)
    return session_id


def with_default(question: str = "?", session_id: UUID | None = None, **options: Any) -> Any:
    assert ("?", {}) == (question, options)
    return session_id


FUNCTIONS = [by_name, keyword_only, positional_only, positional_only_later, with_default]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_id_is_passed_however_it_is_taken(mine: Layer, recorded: Recorded, function: Any) -> None:
    """A parameter `session_id` gets the id, by position or by name, whatever kind of parameter it is."""
    session_id = mine.session()(function)()
    assert UUID is type(session_id)
    assert str(session_id) == recorded(str(session_id))["session_id"]


PASSED: dict[str, Callable[[], Any]] = {
    "UUID": lambda: V5,
    "text of a UUID": lambda: str(V5),
    "another version": uuid4,
    "text": lambda: "conversation 7",
    "number": lambda: 7,
    "hostile": Hostile,
}


@pytest.mark.parametrize("make", PASSED.values(), ids=PASSED)
def test_what_the_caller_passes_wins(mine: Layer, make: Callable[[], Any]) -> None:
    """An id that the caller passes reaches the function as it is, by position or by name."""
    value = make()
    assert value is mine.session()(by_name)(value)
    assert value is mine.session()(by_name)(session_id=value)
    assert value is mine.session()(keyword_only)(session_id=value)
    assert value is mine.session()(positional_only)(value)
    assert value is mine.session()(positional_only_later)(1, 2, value)
    assert value is mine.session()(with_default)("?", value)


@pytest.mark.parametrize("passed", [str, UUID])
def test_uuid_that_the_caller_passes_is_the_current_session(
    mine: Layer, recorded: Recorded, passed: Callable[[str], Any]
) -> None:
    """Actions inside belong to the session that the caller passed, and no other is created."""

    @mine.session()
    def handle(session_id: Any) -> str:
        with mine.action(kind="moderation") as action:
            return action.session_id

    session_id = mine.create_session()
    assert session_id == handle(passed(session_id)) == handle(session_id=passed(session_id))
    assert 2 == len(recorded(session_id)["actions"])
    assert 2 == mine.stats()["accepted"]


def test_passed_text_that_is_no_uuid_leaves_a_session_of_its_own(mine: Layer, recorded: Recorded) -> None:
    """Where the caller passes something else, the function gets that, and actions a new session."""

    @mine.session()
    def handle(session_id: str) -> tuple[str, str]:
        with mine.action(kind="moderation") as action:
            return session_id, action.session_id

    passed, current = handle("conversation 7")
    assert "conversation 7" == passed
    assert 1 == len(recorded(current)["actions"])


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_none_counts_as_not_passed(mine: Layer, function: Any) -> None:
    """A None that is passed for the id is replaced by the id."""
    by_position = {"positional_only": (None,), "positional_only_later": (1, 2, None), "with_default": ("?", None)}
    arguments: Any = by_position.get(function.__name__, ())
    named = {} if arguments else {"session_id": None}
    assert UUID is type(mine.session()(function)(*arguments, **named))


def test_function_without_the_parameter_gets_nothing(mine: Layer) -> None:
    """A function that does not ask for the id, or that only takes anything, gets what it is called with."""
    assert ((1,), {"x": 2}) == mine.session()(lambda *args, **kwargs: (args, kwargs))(1, x=2)
    assert 3 == mine.session()(lambda x: x)(3)
    assert {"session_id": "a key"} == mine.session()(lambda **options: options)(session_id="a key")


def test_methods_get_the_id(mine: Layer) -> None:
    """`self` and `cls`, given or bound, do not shift the parameter."""

    class Agent:
        @mine.session()
        def method(self, question: str, session_id: UUID | None = None) -> tuple[str, Any]:
            return question, session_id

        @classmethod
        @mine.session()
        def of(cls, question: str, session_id: UUID | None = None) -> tuple[str, Any]:
            return question, session_id

        @mine.session()
        @staticmethod
        def static(question: str, session_id: UUID | None = None) -> tuple[str, Any]:
            return question, session_id

        def plain(self, question: str, session_id: UUID | None = None) -> tuple[str, Any]:
            return question, session_id

        def __call__(self, question: str, session_id: UUID | None = None) -> tuple[str, Any]:
            return question, session_id

    agent = Agent()
    called: list[Any] = [agent.method, Agent.of, Agent.static, mine.session()(agent.plain), mine.session()(agent)]
    called.append(mine.session()(functools.partial(agent.plain, "?")))
    for function in called[:5]:
        assert ("?", UUID) == (function("?")[0], type(function("?")[1]))
        assert ("?", V5) == function("?", V5) == function("?", session_id=V5)
    assert ("?", UUID) == (called[5]()[0], type(called[5]()[1]))
    assert ("?", V5) == called[5](V5)


def test_other_kinds_of_functions_get_the_id(mine: Layer) -> None:
    """Coroutines, generators and async generators get the id, too."""

    @mine.session()
    async def coroutine(session_id: UUID | None = None) -> Any:
        return session_id

    @mine.session()
    def generator(session_id: UUID | None = None) -> Iterator[Any]:
        yield session_id

    @mine.session()
    async def stream(session_id: UUID | None = None) -> AsyncIterator[Any]:
        yield session_id

    async def main() -> list[Any]:
        return [await coroutine(), *generator(), *[item async for item in stream()]]

    assert [UUID] * 3 == [type(item) for item in asyncio.run(main())]


def test_function_below_another_decorator_gets_the_id_through_it(mine: Layer) -> None:
    """The id goes through a decorator that lets it; one that has a signature of its own is not given more."""

    def passing(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    def narrow(function: Any) -> Any:
        return functools.wraps(function)(lambda question: function(question, session_id="its own"))

    def function(question: str, session_id: UUID | None = None) -> Any:
        return session_id

    def first(session_id: UUID, /) -> Any:
        return session_id

    assert UUID is type(mine.session()(passing(function))("?"))
    assert UUID is type(mine.session()(passing(first))())
    assert "its own" == mine.session()(narrow(function))("?")
    assert UUID is type(mine.session()(mine.session()(mine.action(kind="moderation")(function)))("?"))


SessionKey = NewType("SessionKey", UUID)
UuidAlias = Optional[UUID]


def annotated(annotation: Any) -> Any:
    """Make a function whose `session_id` is annotated so, beside one that cannot be resolved."""

    def function(other: Unknown = None, session_id: Any = None) -> Any:
        return session_id

    function.__annotations__["session_id"] = annotation
    return function


UUIDS = [UUID, UuidAlias, Union[None, UUID, int], SessionKey, Optional[SessionKey], Annotated[UUID, "a note"]]
UUID_TEXTS = [
    *("UUID", "Optional[UUID]", "UUID | None", "None | UUID", "Union[UUID, None]", "UuidAlias", "SessionKey"),
    *("'UUID'", '"UuidAlias"', "Optional['UUID']", "'UUID' | None"),
    # These names are there for type checkers only.
    *("uuid.UUID", "uuid.UUID | None", "Optional[uuid.UUID]", "Union[uuid.UUID, Unknown]", "Unknown | UUID"),
]
TEXTS = [
    str,
    Optional[str],
    Union[str, UUID],
    Any,
    object,
    int,
    List[int],
    "str",
    "str | None",
    "str | UUID",
    "Unknown",
]
TEXTS += ["Union[str, uuid.UUID]", "UuidLike", "not ! python", 7, None]


@pytest.mark.parametrize("annotation", [*UUIDS, *UUID_TEXTS], ids=str)
def test_id_is_a_uuid_where_one_is_asked_for(mine: Layer, annotation: Any) -> None:
    """An annotation that names UUID, by itself or among others than str, is given a UUID."""
    assert UUID is type(mine.session()(annotated(annotation))())


@pytest.mark.parametrize("annotation", TEXTS, ids=str)
def test_id_is_text_everywhere_else(mine: Layer, annotation: Any) -> None:
    """An annotation that names no UUID, or str beside it, is given text."""
    assert str is type(mine.session()(annotated(annotation))())


def test_id_is_text_without_an_annotation(mine: Layer) -> None:
    """Without an annotation, the id is text."""
    bare: Any = lambda session_id: session_id  # noqa: E731  (a lambda cannot be annotated)
    assert str is type(mine.session()(bare)())


def test_names_for_type_checkers_only_are_read_as_text(mine: Layer) -> None:
    """Under `from __future__ import annotations`, a UUID that is imported for type checking is one nevertheless."""

    @mine.session()
    def function(other: Unknown = None, session_id: uuid.UUID | None = None) -> Any:
        return session_id

    @mine.session()
    def renamed(session_id: Id | None = None) -> Any:  # nothing in the text says what `Id` is
        return session_id

    assert (UUID, str) == (type(function()), type(renamed()))


def test_annotation_is_read_when_the_function_is_called(mine: Layer) -> None:
    """A name that is defined after the function is known by the first call."""
    namespace: dict[str, Any] = {}
    source = "def function(session_id: 'Later' = None):\n    return session_id\n"
    exec(source, namespace)  # noqa: S102  (a module of its own)
    decorated = mine.session()(namespace["function"])
    namespace["Later"] = UUID
    assert UUID is type(decorated())


# ---- init and shutdown


def test_decorated_before_init(devserver: Server, recorded: Recorded) -> None:
    """What is decorated before `init` just runs, with an id where it asks for one, and is recorded after `init`."""
    late = Layer()

    @late.session()
    def handle(session_id: UUID | None = None) -> Any:
        return session_id

    assert UUID is type(handle())
    with late.session() as unrecorded:
        assert 5 == UUID(unrecorded).version
    late.init(base_url=devserver.url, application_id=APPLICATION, delivery="inline")
    session_id = handle()
    assert str(session_id) == recorded(session_id)["session_id"]
    late.shutdown()
    assert UUID is type(handle())
    with pytest.raises(requests.HTTPError, match="404"):
        recorded(unrecorded)


def test_module_level_instance_needs_no_init() -> None:
    """`layer` of a program that never calls `init` lets everything pass."""

    @layer.session()
    @layer.action(kind="moderation")
    def handle(question: str) -> str:
        return question

    with layer.session() as session_id, layer.action(kind="moderation") as action:
        assert session_id == action.session_id
    assert ("?", {}) == (handle("?"), layer.stats())


# ---- nothing disturbs the host


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["refused", "500", "no JSON"])
def broken(request: pytest.FixtureRequest, make_layer: MakeLayer, scripted: Callable[..., Any]) -> Layer:
    """A `Layer` whose server is of no use."""
    from scripted_server import Answer

    url = f"http://127.0.0.1:{free_port()}"
    if request.param != "refused":
        url = scripted(Answer(500, b"oops") if request.param == "500" else Answer(201, b"<html>")).url
    return make_layer(base_url=url, http_session=requests.Session())


def test_host_goes_on_without_layer(broken: Layer) -> None:
    """With Layer away or broken, functions and blocks do what they do, and each loss is counted."""

    @broken.session()
    def handle(question: str, session_id: str = "") -> tuple[str, str]:
        return question, session_id

    async def main() -> str:
        async with broken.session() as session_id:
            return session_id

    question, session_id = handle("?")
    assert "?" == question
    with broken.session() as another:
        assert 3 == len({session_id, another, asyncio.run(main())})
    stats = broken.stats()
    assert (3, 0, 3) == (stats["accepted"], stats["sent"], sum(stats["dropped"].values()))


ATTRIBUTES: dict[str, Callable[[], Any]] = {
    "a list": lambda: ["not", "a", "mapping"],
    "text": lambda: "text",
    "a number": lambda: 7,
    "hostile": Hostile,
    "hostile values": lambda: {"hostile": Hostile(), "fraction": Fraction(1, 3), "object": object()},
    "keys": lambda: {7: "a", None: "b", (1, 2): "c", datetime.date(2026, 3, 2): "d"},
    "values": lambda: {"nan": float("nan"), "half": "\ud800", "bytes": b"\xff", "deep": {"a": [1, {"b": set()}]}},
}


@pytest.mark.parametrize("make", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_odd_attributes_are_recorded_somehow(mine: Layer, recorded: Recorded, make: Callable[[], Any]) -> None:
    """Attributes that are no mapping, or that JSON cannot hold, never cost the session or disturb the host."""
    with mine.session(attributes=make()) as session_id:
        pass
    assert mine.session(attributes=make())(with_default)() != session_id
    values = recorded(session_id)["attributes"]
    assert all(isinstance(value, str) for value in values.values())
    assert "source" in values


def test_hostile_session_id_is_survived(mine: Layer, internal_errors: list[BaseException], recorded: Recorded) -> None:
    """An id that raises when it is looked at leaves a session with a new id."""
    hostile: Any = Hostile()
    with mine.session(session_id=hostile) as session_id, mine.action(kind="moderation", session_id=hostile) as action:
        pass
    assert (session_id, 1) == (recorded(session_id)["session_id"], len(recorded(action.session_id)["actions"]))
    assert [RuntimeError] * 2 == [type(error) for error in internal_errors]
    internal_errors.clear()


@given(
    keys=st.lists(st.one_of(st.none(), st.text(), st.uuids(), st.integers()), max_size=3),
    attributes=st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers(), st.binary()), max_size=3),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_id_and_any_attributes_make_a_session(
    mine: Layer, recorded: Recorded, keys: list[Any], attributes: dict[str, Any]
) -> None:
    """Whatever id and attributes are given, the session is recorded, and by the id that the block gave."""
    for key in keys:
        with mine.session(session_id=key, attributes=attributes) as session_id:
            session = recorded(session_id)
        shown = {name: value for name, value in attributes.items() if isinstance(value, str)}
        assert {name.encode("utf-8", "replace").decode() for name in shown} <= set(session["attributes"])
    assert {} == mine.stats()["dropped"]


def test_session_is_recorded_as_it_was_when_it_began(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What the host does to the attributes before a worker comes to them does not show; the time is the beginning's."""
    mine = make_layer(delivery="background")
    attributes = {"user.id": "1"}
    times = [datetime.datetime.now(datetime.timezone.utc)]
    with mine.session(attributes=attributes) as session_id:
        times.append(datetime.datetime.now(datetime.timezone.utc))
        attributes["user.id"] = "2"
        assert mine.stats()["queued"]  # it waits still
    assert mine.flush(10)
    session = recorded(session_id)
    assert "1" == session["attributes"]["user.id"]
    assert times[0] <= isoparse(session["start_time"]) <= times[1]
