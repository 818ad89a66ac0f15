from __future__ import annotations

import asyncio
import datetime
import socket
import traceback
from fractions import Fraction
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Generator, Iterator
from uuid import UUID, uuid4

import pytest
import requests
from dateutil.parser import isoparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layer_sdk import (
    Layer,
    LayerSchemaValidationError,
    SessionActionError,
    SessionActionKind,
    SessionActionScanner,
)

if TYPE_CHECKING:
    from conftest import MakeLayer
    from layer_sdk.devserver import Server

Recorded = Callable[[str], "dict[str, Any]"]
Actions = Callable[[], "list[dict[str, Any]]"]

OUTPUT = SessionActionKind.COMPLETION_OUTPUT


@pytest.fixture
def mine(make_layer: MakeLayer) -> Layer:
    return make_layer()


@pytest.fixture
def actions(mine: Layer, recorded: Recorded) -> Iterator[Actions]:
    """Run the test in a session; what was recorded of it."""
    with mine.session() as session_id:
        yield lambda: list(recorded(session_id)["actions"])


class Hostile:
    """Every look at it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("do not touch")

    __repr__ = __str__ = __bool__ = __len__ = __iter__ = __eq__ = __hash__ = __int__ = _raise


def said(content: str, role: str = "assistant") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content}]}


# ---- what is recorded of a call


def test_call_is_recorded(mine: Layer, actions: Actions) -> None:
    """A call is an action of its kind: with the result as data, its attributes, and when it began and ended."""
    before = datetime.datetime.now(datetime.timezone.utc)

    @mine.action(kind=OUTPUT, attributes={"model.id": "gpt-4o-mini", "temperature": 0.2})
    def answer(question: str) -> str:
        return question[::-1]

    assert "olleh" == answer("hello")
    (action,) = actions()
    assert "completion_output" == action["kind"]
    assert said("olleh") == action["data"]
    assert {"model.id": "gpt-4o-mini", "temperature": 0.2} == action["attributes"]
    assert {"error", "scanners"}.isdisjoint(action)
    start, end = (isoparse(action[name]) for name in ("start_time", "end_time"))
    assert before <= start <= end <= datetime.datetime.now(datetime.timezone.utc)


@pytest.mark.parametrize("kind", SessionActionKind)
def test_kind_may_be_text(mine: Layer, actions: Actions, kind: SessionActionKind) -> None:
    """A kind is given as enum or as text."""
    assert 1 == mine.action(kind=kind)(lambda: 1)()
    assert 2 == mine.action(kind=kind.value)(lambda: 2)()
    assert [kind.value] * 2 == [action["kind"] for action in actions()]


@pytest.mark.parametrize("kind", ["completion", "", None, 7, "COMPLETION_PROMPT"])
def test_unknown_kind_is_an_error_at_once(mine: Layer, kind: Any) -> None:
    """A kind that does not exist raises where the decorator is written, with `init` or without."""
    for layer in (mine, Layer()):
        with pytest.raises(LayerSchemaValidationError, match="kind must be one of completion_output, "):
            layer.action(kind=kind)


RESULTS: list[tuple[Any, dict[str, Any]]] = [
    (({"input": ["a"]}, None, None), {"data": {"input": ["a"]}}),
    (({"input": ["a"]},), {"data": {"input": ["a"]}}),
    (("a", None), {"data": {"input": ["a"]}}),
    ((None, SessionActionError(message="refused", code=403)), {"error": {"message": "refused", "code": 403}}),
    ((None, {"message": "refused", "why": "rude"}), {"error": {"message": "refused", "details": {"why": "rude"}}}),
    (
        ("a", None, [SessionActionScanner(name="usage", data={"total_tokens": 9}), {"name": "pii", "data": {"n": 0}}]),
        {
            "data": {"input": ["a"]},
            "scanners": [{"name": "usage", "data": {"total_tokens": 9}}, {"name": "pii", "data": {"n": 0}}],
        },
    ),
    ((52.5, 13.4), {"data": {"input": [52.5, 13.4]}}),
    (None, {"data": None}),
    (7, {"data": {"value": 7}}),
    ({"input": []}, {"data": {"input": []}}),
]


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_result_is_recorded_and_comes_back(
    mine: Layer, actions: Actions, result: Any, expected: dict[str, Any]
) -> None:
    """The convention (data, error, scanners) is recorded as the three, anything else as data; the caller gets all."""
    assert result is mine.action(kind="moderation")(lambda: result)()
    (action,) = actions()
    assert {"data": None, **expected} == {
        name: action[name] for name in action if name in ("data", "error", "scanners")
    }


def test_exception_in_the_result_is_recorded(mine: Layer, actions: Actions) -> None:
    """An exception that is returned by convention is described, and not raised."""
    result = (None, LookupError("no such order"))
    assert result is mine.action(kind="moderation")(lambda: result)()
    assert {"message": "no such order", "details": {"type": "builtins.LookupError"}} == actions()[0]["error"]


TEXTS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
    | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(TEXTS, JSON, max_size=3), attributes=JSON)
def test_any_json_arrives_as_it_is(mine: Layer, recorded: Recorded, data: dict[str, Any], attributes: Any) -> None:
    """An object that JSON can hold arrives unchanged, as data and among the attributes."""
    with mine.session() as session_id:
        mine.action(kind="moderation", attributes={"any": attributes})(lambda: data)()
    (action,) = recorded(session_id)["actions"]
    assert (data, {"any": attributes}) == (action["data"], action["attributes"])


# ---- exceptions


class StatusError(Exception):
    """What clients of HTTP services raise."""

    status_code = 429


def test_exception_is_recorded_and_goes_on(mine: Layer, actions: Actions) -> None:
    """An exception is the action's error; the caller gets the same object, with a traceback to its own line."""
    raised = StatusError("slow down")

    def limited() -> None:
        raise raised from LookupError("the reason")

    with pytest.raises(StatusError) as caught:
        mine.action(kind=OUTPUT)(limited)()
    assert raised is caught.value
    assert "the reason" == str(raised.__cause__)
    assert raised.__context__ is None
    last = traceback.extract_tb(raised.__traceback__)[-1]
    assert ("limited", 'raise raised from LookupError("the reason")') == (last.name, last.line)
    (action,) = actions()
    expected = {"message": "slow down", "code": 429, "details": {"type": "test_action_scope.StatusError"}}
    assert (expected, None) == (action["error"], action["data"])


STOPS = [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit]


@pytest.mark.parametrize("stop", STOPS)
def test_what_stops_a_program_stops_it(mine: Layer, actions: Actions, stop: type[BaseException]) -> None:
    """KeyboardInterrupt and its like are recorded and go on, from functions, coroutines and blocks."""
    raised = stop()

    def function() -> None:
        raise raised

    async def coroutine() -> None:
        raise raised

    def block() -> None:
        with mine.action(kind=OUTPUT):
            raise raised

    runs: list[Callable[[], Any]] = [
        mine.action(kind=OUTPUT)(function),
        lambda: mine.action(kind=OUTPUT)(coroutine)().send(None),
        block,
    ]
    for run in runs:
        with pytest.raises(stop) as caught:
            run()
        assert raised is caught.value
    errors = [action.get("error", {}).get("message") for action in actions()]
    assert [stop.__name__, stop.__name__, None if stop is GeneratorExit else stop.__name__] == errors


def test_cancelled_task_is_cancelled(mine: Layer, actions: Actions) -> None:
    """Cancelling a decorated coroutine cancels it, and is recorded."""

    @mine.action(kind=OUTPUT)
    async def waits() -> None:
        await asyncio.sleep(60)

    async def main() -> bool:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())
    assert "CancelledError" == actions()[0]["error"]["message"]


class OddError(Exception):
    """Cannot be read."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    @property
    def status_code(self) -> int:
        raise RuntimeError("no status")


def test_exception_that_cannot_be_read_is_recorded(mine: Layer, actions: Actions) -> None:
    """An exception whose own methods raise is recorded by its type, from a call and from a block."""

    def block() -> None:
        with mine.action(kind=OUTPUT):
            raise OddError

    for function in (mine.action(kind=OUTPUT)(block), block):
        with pytest.raises(OddError):
            function()
    assert ["OddError"] * 3 == [action["error"]["message"] for action in actions()]


# ---- coroutines and generators


def test_coroutine_is_recorded(mine: Layer, actions: Actions) -> None:
    """What a coroutine gives is the data; one that is never awaited is no action."""

    @mine.action(kind=OUTPUT)
    async def answer(question: str) -> str:
        await asyncio.sleep(0)
        return question[::-1]

    answer("never awaited").close()
    assert "olleh" == asyncio.run(answer("hello"))
    assert [said("olleh")] == [action["data"] for action in actions()]


def items(*values: Any) -> Generator[Any, None, None]:
    yield from values


async def stream(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


async def listed(stream: Any) -> list[Any]:
    return [item async for item in stream]


def test_text_that_is_yielded_is_joined(mine: Layer, actions: Actions) -> None:
    """A generator of texts is recorded as one text when it has ended, and not before."""
    decorated = mine.action(kind=OUTPUT)(items)("It ", "left ", "today.")
    assert "It " == next(decorated)
    assert [] == actions()
    assert ["left ", "today."] == list(decorated)
    assert ["It ", "left "] == asyncio.run(listed(mine.action(kind=OUTPUT)(stream)("It ", "left ")))
    assert [said("It left today."), said("It left ")] == [action["data"] for action in actions()]


def test_other_items_are_listed(mine: Layer, actions: Actions) -> None:
    """Items that are no text are recorded as a list."""
    chunks = [{"role": "assistant", "content": "It"}, {"role": "assistant", "content": "left"}]
    assert chunks == list(mine.action(kind=OUTPUT)(items)(*chunks))
    assert [1, "two"] == asyncio.run(listed(mine.action(kind="embeddings")(stream)(1, "two")))
    assert [None] == list(mine.action(kind=OUTPUT)(items)(None))
    assert [{"messages": chunks}, {"input": [1, "two"]}, {"value": [None]}] == [action["data"] for action in actions()]


def test_result_of_a_generator_is_its_data(mine: Layer, actions: Actions) -> None:
    """A generator that returns something is recorded as that, by convention, too."""

    @mine.action(kind="moderation")
    def generator() -> Generator[int, None, Any]:
        yield 1
        return "checked", None, [{"name": "usage", "data": {}}]

    def consumer() -> Generator[int, None, Any]:
        result = yield from generator()
        assert "checked" == result[0]

    assert [1] == list(consumer())
    assert [({"input": ["checked"]}, [{"name": "usage", "data": {}}])] == [
        (a["data"], a["scanners"]) for a in actions()
    ]


def test_empty_generator_is_recorded(mine: Layer, actions: Actions) -> None:
    """A generator that yields nothing is an action without data; one that is never asked is no action."""
    assert [] == list(mine.action(kind=OUTPUT)(items)())
    mine.action(kind=OUTPUT)(items)("never asked").close()
    assert [None] == [action["data"] for action in actions()]


def test_generator_that_is_left_is_recorded(mine: Layer, actions: Actions) -> None:
    """A generator that is closed early is recorded with what it yielded, without an error."""
    decorated = mine.action(kind=OUTPUT)(items)("It ", "left ")
    next(decorated)
    decorated.close()

    async def main() -> None:
        running: Any = mine.action(kind=OUTPUT)(stream)("It ", "left ")
        await running.__anext__()
        await running.aclose()

    asyncio.run(main())
    assert [(said("It "), None)] * 2 == [(action["data"], action.get("error")) for action in actions()]


def test_generator_that_raises_is_recorded(mine: Layer, actions: Actions) -> None:
    """A generator that fails is recorded with what it yielded and the error."""

    @mine.action(kind=OUTPUT)
    def failing() -> Iterator[str]:
        yield "It "
        raise LookupError("lost")

    @mine.action(kind=OUTPUT)
    async def failing_stream() -> AsyncIterator[str]:
        yield "It "
        raise LookupError("lost")

    for run in (lambda: list(failing()), lambda: asyncio.run(listed(failing_stream()))):
        with pytest.raises(LookupError, match="lost"):
            run()
    assert [(said("It "), "lost")] * 2 == [(action["data"], action["error"]["message"]) for action in actions()]


def test_endless_generator_is_recorded_up_to_a_limit(mine: Layer, actions: Actions) -> None:
    """Of very many items the first ten thousand are kept; the consumer gets them all."""
    assert 10_005 == len(list(mine.action(kind="embeddings")(items)(*range(10_005))))
    assert list(range(10_000)) == actions()[0]["data"]["input"]


# ---- blocks


def test_block_is_recorded_as_it_was_filled_in(mine: Layer, actions: Actions) -> None:
    """A block's action is what was put into it, and is recorded when the block ends."""
    with mine.action(kind="completion_prompt", attributes={"model.id": "gpt-4o-mini"}) as action:
        action.data = "Where is my order?"
        action.attributes["turn"] = 3
        action.scanners = [SessionActionScanner(name="usage", data={"total_tokens": 9})]
        assert [] == actions()
    (recorded_action,) = actions()
    assert said("Where is my order?", "user") == recorded_action["data"]
    assert {"model.id": "gpt-4o-mini", "turn": 3} == recorded_action["attributes"]
    assert [{"name": "usage", "data": {"total_tokens": 9}}] == recorded_action["scanners"]
    assert UUID(action.session_id).version == 5


def test_async_block_is_recorded(mine: Layer, actions: Actions) -> None:
    """`async with` records as `with` does, exceptions included."""

    async def main() -> None:
        async with mine.action(kind="moderation") as action:
            action.data = "a"
            raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        asyncio.run(main())
    assert [({"input": ["a"]}, "lost")] == [(action["data"], action["error"]["message"]) for action in actions()]


def test_error_of_a_block(mine: Layer, actions: Actions) -> None:
    """An exception that leaves a block is its error, unless one was set by hand; one that stays inside is none."""

    def leave(error: Any) -> None:
        with mine.action(kind="moderation") as action:
            action.error = error
            raise LookupError("lost")

    for error in (None, "by hand", ValueError("by hand"), {"message": "by hand"}):
        with pytest.raises(LookupError, match="lost"):
            leave(error)
    with mine.action(kind="moderation"), pytest.raises(LookupError):
        leave(None)
    messages = [action.get("error", {}).get("message") for action in actions()]
    assert ["lost", "by hand", "by hand", "by hand", "lost", None] == messages


def test_action_ends_once(mine: Layer, actions: Actions) -> None:
    """An action that is ended by hand is recorded then, and not again when its block ends."""
    with mine.action(kind="moderation") as action:
        action.data = "a"
        action.end()
        action.data = "b"
        action.end()
    assert [{"input": ["a"]}] == [action["data"] for action in actions()]


def test_blocks_of_one_scope_nest(mine: Layer, actions: Actions) -> None:
    """One `layer.action(...)` object gives an action of its own each time that it is entered."""
    scope = mine.action(kind="moderation")
    with scope as outer:
        outer.data = "outer"
        with scope as inner:
            inner.data = "inner"
    assert ["inner", "outer"] == [action["data"]["input"][0] for action in actions()]


def test_leaving_twice_is_harmless(mine: Layer, actions: Actions) -> None:
    """A scope that is left more often than it was entered records nothing more."""
    scope = mine.action(kind="moderation")
    scope.__exit__(None, None, None)
    with scope:
        pass
    scope.__exit__(None, None, None)
    assert 1 == len(actions())


# ---- the session


@pytest.mark.parametrize("make", [str, UUID, lambda text: text.upper()])
def test_session_may_be_given(mine: Layer, recorded: Recorded, make: Callable[[str], Any]) -> None:
    """An action goes to the session that it is given, as text or as UUID, whatever is current."""
    session_id = mine.create_session()
    with mine.session() as current:
        mine.action(kind="moderation", session_id=make(session_id))(lambda: 1)()
        with mine.action(kind="moderation", session_id=make(session_id)) as action:
            assert session_id == action.session_id
    assert (2, 0) == (len(recorded(session_id)["actions"]), len(recorded(current)["actions"]))


def test_session_that_is_no_version_5_uuid_may_be_given(mine: Layer) -> None:
    """An id that the server made, of whatever version, is used as it is."""
    session_id = uuid4()
    with mine.action(kind="moderation", session_id=session_id) as action:
        assert str(session_id) == action.session_id
    assert {"http_404": 1} == mine.stats()["dropped"]


def test_session_may_be_a_natural_key(mine: Layer, recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """Any other text names a session by natural key, which is made to exist; one warning says so."""
    for number in range(2):
        mine.action(kind="moderation", session_id="thread-78")(lambda: number)()  # noqa: B023  (called at once)
    assert [{"value": 0}, {"value": 1}] == [a["data"] for a in recorded(mine.session_id_for("thread-78"))["actions"]]
    assert 1 == len([message for message in caplog.messages if "natural key" in message])


def test_without_a_session_an_action_gets_its_own(make_layer: MakeLayer, devserver: Server) -> None:
    """Each action without a session is recorded in a new one."""
    application_id = str(uuid4())
    mine = make_layer(application_id=application_id)
    decorated: Any = mine.action(kind="moderation")(lambda: 1)
    decorated()
    decorated()
    with mine.action(kind="moderation") as action:
        pass
    listed = requests.get(f"{devserver.url}/dev/sessions", params={"limit": "100"}, timeout=10).json()["sessions"]
    found = [session for session in listed if session["application_id"] == application_id]
    assert [1, 1, 1] == [session["action_count"] for session in found]
    assert action.session_id in [session["session_id"] for session in found]


def test_stacked_actions_are_recorded_each(mine: Layer, actions: Actions) -> None:
    """A function that is decorated twice is two actions, the inner one first."""
    decorated: Any = mine.action(kind="completion_output")(mine.action(kind="moderation")(lambda: "a"))
    assert "a" == decorated()
    assert ["moderation", "completion_output"] == [action["kind"] for action in actions()]


# ---- init and shutdown


def test_decorated_before_init(devserver: Server, recorded: Recorded) -> None:
    """Before `init` and after `shutdown` a decorated function just runs; in between it is recorded."""
    late = Layer()
    decorated, scope = late.action(kind="moderation")(items), late.action(kind="moderation")
    assert [1, 2] == list(decorated(1, 2))
    with scope as action:
        action.data = "not recorded"
    late.init(base_url=devserver.url, application_id="my-application", delivery="inline")
    with late.session() as session_id:
        assert [3] == list(decorated(3))
        with scope as action:
            action.data = "recorded"
    late.shutdown()
    assert [4] == list(decorated(4))
    with scope:
        pass
    assert [[3], ["recorded"]] == [action["data"]["input"] for action in recorded(session_id)["actions"]]


# ---- snapshots


def test_record_is_a_snapshot(mine: Layer, actions: Actions) -> None:
    """What the host does to its objects after they were recorded does not show, and recording changes none of them."""
    attributes: dict[str, Any] = {"tags": ["a"]}
    result: dict[str, Any] = {"input": ["a"]}

    @mine.action(kind="moderation", attributes=attributes)
    def generator() -> Generator[Any, None, None]:
        item = ["a"]
        yield item
        item.append("b")
        yield item

    assert result is mine.action(kind="moderation", attributes=attributes)(lambda: result)()
    assert [["a", "b"]] * 2 == list(generator())
    result["input"].append("b")
    attributes["tags"].append("b")
    first, second = actions()
    assert ({"input": ["a"]}, {"tags": ["a"]}) == (first["data"], first["attributes"])
    assert {"input": [["a"], ["a", "b"]]} == second["data"]
    assert ({"input": ["a", "b"]}, {"tags": ["a", "b"]}) == (result, attributes)


def test_iterators_are_not_used_up(mine: Layer, actions: Actions) -> None:
    """An iterator that a function returns reaches the caller with everything in it."""
    assert [1, 2] == list(mine.action(kind="moderation")(lambda: iter([1, 2]))())
    assert "list_iterator" in actions()[0]["data"]["value"]


# ---- nothing disturbs the host


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["refused", "500"])
def broken(request: pytest.FixtureRequest, make_layer: MakeLayer, scripted: Callable[..., Any]) -> Layer:
    """A `Layer` whose server is of no use."""
    from scripted_server import Answer

    url = scripted(Answer(500, b"oops")).url if request.param == "500" else f"http://127.0.0.1:{free_port()}"
    return make_layer(base_url=url, http_session=requests.Session())


def test_host_goes_on_without_layer(broken: Layer) -> None:
    """With Layer away or broken, functions return, raise and yield as they do, and each loss is counted."""
    decorate = broken.action(kind="moderation")
    assert "a" == decorate(lambda: "a")()
    assert [1, 2] == list(decorate(items)(1, 2))
    assert [1, 2] == asyncio.run(listed(decorate(stream)(1, 2)))
    with pytest.raises(ZeroDivisionError):
        decorate(lambda: divmod(1, 0))()
    with decorate as action:
        action.data = "a"
    stats = broken.stats()
    assert (10, 0, 10) == (stats["accepted"], stats["sent"], sum(stats["dropped"].values()))


class HostileDict(dict):  # type: ignore[type-arg]
    """A dict whose contents cannot be had."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("do not touch")

    __iter__ = __getitem__ = __contains__ = __len__ = items = keys = values = get = copy = _raise


def circular() -> Any:
    circle: list[Any] = []
    circle.append({"again": circle})
    return circle


ODD: dict[str, Callable[[], Any]] = {
    "hostile": Hostile,
    "hostile inside": lambda: {"a": [Hostile()]},
    "hostile dict": lambda: HostileDict(a=1),
    "hostile error": lambda: (None, Hostile()),
    "hostile scanners": lambda: (None, None, [Hostile()]),
    "circular": circular,
    "object": object,
    "fraction": lambda: Fraction(1, 3),
    "function": lambda: print,
    "not a number": lambda: float("nan"),
    "half of a pair": lambda: "\ud800",
    "bytes": lambda: b"\xff",
    "very long integer": lambda: 10**5000,
    "odd keys": lambda: {1: 1, None: 2, (1, 2): 3, b"b": 4},
    "exception": lambda: ValueError("returned"),
    "class": lambda: Hostile,
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", ["completion_output", "embeddings"])
def test_odd_data_is_recorded_somehow(mine: Layer, actions: Actions, make: Callable[[], Any], kind: str) -> None:
    """Data that JSON cannot hold is recorded as far as it can be, returned, yielded or set, and never disturbs."""
    value = make()
    assert value is mine.action(kind=kind)(lambda: value)()
    (item,) = mine.action(kind=kind)(items)(value)
    assert value is item
    with mine.action(kind=kind) as action:
        action.data = value
    assert [kind] * 3 == [action["kind"] for action in actions()]
    assert all(isinstance(action["data"], dict) for action in actions())


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_odd_fields_never_disturb(mine: Layer, make: Callable[[], Any], internal_errors: list[BaseException]) -> None:
    """Whatever is put into an action's fields, the block ends as it would without us."""
    with mine.action(kind="moderation", attributes=make()) as action:
        action.error = make()
    with mine.action(kind="moderation") as action:
        action.scanners = make()
        action.attributes = make()
    assert 4 == mine.stats()["accepted"] + len(internal_errors)
    internal_errors.clear()
