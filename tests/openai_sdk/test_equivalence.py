"""Whatever user code does with openai, it sees the same with and without us.

A script of calls is played twice in one process, without and with instrumentation, against a server each, and all that
user code can see is compared. `EXAMPLES=5000` in the environment makes a deep run of the random scripts.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections import Counter
from typing import Any, Iterator, Tuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

openai = pytest.importorskip("openai")

from openai_sdk.accepting import watching  # noqa: E402  (needs openai)
from openai_sdk.call_scripts import (  # noqa: E402  (needs openai)
    APIS,
    BAD_MODELS,
    CLIENTS,
    HEADERS,
    MODELS,
    MODES,
    OPTIONS,
    THERE,
    Stage,
    Step,
    ways_of,
)
from openai_sdk.faces import AsyncFace, Face, SyncFace  # noqa: E402
from openai_sdk.observations import UPSTREAM  # noqa: E402
from openai_sdk.steady_server import SteadyOpenAI  # noqa: E402

EXAMPLES = int(os.environ.get("EXAMPLES", "50"))
FACES = (SyncFace(), AsyncFace())
MAIN = ("chat", "chat-stream", "chat-parse", "chat-helper", "response", "response-stream", "response-helper")
HASTY = ("models", "speech")  # the answer begins at once, so that it is luck whether it is there within 50 ms

Servers = Tuple[SteadyOpenAI, SteadyOpenAI]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Two servers; every method was called once, so that what is imported late is there."""
    plain, watched = SteadyOpenAI(), SteadyOpenAI()
    with plain, watched:
        for face in FACES:
            Stage(face, plain).play([Step(api, mode=mode, way=way) for api, mode, way in once_each()])
        yield plain, watched


def once_each() -> Iterator[tuple[str, str, str]]:
    for api in THERE:
        for mode in modes_of(api):
            yield api, mode, next(iter(ways_of(api, mode)), "")


def modes_of(api: str) -> tuple[str, ...]:
    if APIS[api].paths == ("post",) or APIS[api].gives == "manager":
        return MODES[:1]
    return MODES if APIS[api].gives == "stream" else MODES[:3]


def compare(servers: Servers, face: Face, script: list[Step], kind: str = "OpenAI") -> None:
    """Play a script twice, and fail where user code could tell which time it was."""
    plain, watched = (Stage(face, server) for server in servers)
    plain.play(script, kind)
    with watching() as layer:
        watched.play(script, kind)
        is_recorded = layer.stats()["accepted"] > 0
    assert is_recorded or not any(method == "POST" and "nowhere" not in path for method, path, *_ in plain.arrived)
    assert [] == [*differences(plain, watched)]


def differences(plain: Stage, watched: Stage) -> Iterator[Any]:
    for (step, expected), (_, actual) in zip(plain.noted, watched.noted):
        if expected != actual:
            yield step, first_difference(expected, actual)
    if plain.arrived != watched.arrived:
        yield "requests", first_difference(plain.arrived, watched.arrived)
    if plain.surroundings.warned != watched.surroundings.warned:
        yield "warnings", plain.surroundings.warned, watched.surroundings.warned
    before, after = logged(plain), logged(watched)
    if before != after:
        yield "logs", before - after, after - before
    stray = Counter({what: n for what, n in watched.surroundings.stray.items() if not what[0].startswith(UPSTREAM)})
    if stray - plain.surroundings.stray:
        yield "stray errors", stray - plain.surroundings.stray
    yield from left_behind(plain, watched)


def left_behind(plain: Stage, watched: Stage) -> Iterator[Any]:
    """Compare what is left of a call. A stream that is let go of is closed sooner with us than without."""
    is_first = True
    for (step, _), *pools, before, after in zip(
        plain.noted, plain.pools, watched.pools, plain.garbage, watched.garbage
    ):
        busy = [sum(state != "IDLE" for state in pool) for pool in pools]
        if busy[0] < busy[1] or (is_first and busy[0] == 0 and pools[0] != pools[1]):
            yield step, "connections", pools
        if after > 0 == before:
            yield step, "garbage", after
        is_first = is_first and busy[0] == 0  # after that, the one has more connections to choose from


def logged(stage: Stage) -> Counter[tuple[str, int, str]]:
    """Give what was logged; of connections, when they are closed is another matter, see `left_behind`."""
    return Counter({what: n for what, n in stage.surroundings.logged.items() if not what[0].startswith("httpcore")})


def first_difference(expected: Any, actual: Any, path: tuple[Any, ...] = ()) -> Any:
    """Find where two descriptions part."""
    kinds = (type(expected), type(actual))
    if kinds in (((list,) * 2), ((tuple,) * 2)) and len(expected) == len(actual):
        expected, actual = dict(enumerate(expected)), dict(enumerate(actual))
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        key = next(key for key in expected if expected[key] != actual[key])
        return first_difference(expected[key], actual[key], (*path, key))
    return path, expected, actual


def consumed() -> list[tuple[str, str]]:
    """Choose what is consumed in each way; the random scripts choose among all that there is."""
    streams = ("response-stream", "image-stream", "chat-helper", "response-helper", "post-own-stream")
    chosen = [*(("chat-stream", mode) for mode in MODES), *((api, "plain") for api in streams)]
    return [each for each in (*chosen, ("chat", "body"), ("speech", "body")) if each[0] in THERE]


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
@pytest.mark.parametrize(("api", "mode"), consumed())
def test_every_way_to_consume(servers: Servers, face: Face, api: str, mode: str) -> None:
    """Each kind of stream, and each unread answer, consumed in each way that there is, looks as it does without us."""
    ways = ways_of(api, mode)
    compare(servers, face, [Step(api, model_of(face, way), mode, way, 1 if way == "aside" else 2) for way in ways])


def model_of(face: Face, way: str) -> str:
    """Choose a model: a task that is cancelled is one that waits, or it might be done before."""
    return "slow" if face.is_async and way == "aside" else "gpt-4o"


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method_with_every_client(servers: Servers, face: Face, kind: str) -> None:
    """Each method in each mode looks as it does without us; for Azure's clients and users' own, as it comes."""
    calls = [each for each in once_each() if kind == "OpenAI" or each[1] == "plain"]
    compare(servers, face, [Step(api, mode=mode, way=way) for api, mode, way in calls], kind)


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
@pytest.mark.parametrize("api", [api for api in MAIN if api in THERE])
def test_every_model(servers: Servers, face: Face, api: str) -> None:
    """Whatever the server answers, with errors and broken streams, looks as it does without us."""
    models = [*MODELS["whole" if APIS[api].gives == "whole" else "stream"], *BAD_MODELS]
    compare(servers, face, [Step(api, model) for model in models])


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option(servers: Servers, face: Face, option: str) -> None:
    """Copies of a client, with and without headers that are Layer's, behave and ask as they do without us."""
    apis = ("chat", "chat-stream", "post", "models")
    compare(servers, face, [Step(api, headers=each, option=option) for api in apis for each in HEADERS])


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
def test_timeouts_of_streams(servers: Servers, face: Face) -> None:
    """A stream that waits too long for its next item ends as it does without us."""
    apis = [api for api in ("chat-stream", "chat-helper", "response-stream") if api in THERE]
    compare(servers, face, [Step(api, "slow", option="no-retries", timeout=0.5) for api in apis])


@st.composite
def steps(draw: st.DrawFn, face: Face) -> Step:
    """Draw one call, and what is done with what it gives."""
    api = draw(st.sampled_from(THERE))
    mode = draw(st.sampled_from(modes_of(api)))
    way = draw(st.sampled_from(list(ways_of(api, mode)) or [""]))
    models = [*MODELS["whole" if APIS[api].gives == "whole" else "stream"], *BAD_MODELS]
    common: dict[str, Any] = {"headers": draw(st.sampled_from(list(HEADERS))), "count": draw(st.integers(1, 12))}
    if APIS[api].gives == "whole" and api not in HASTY and draw(st.integers(0, 9)) == 0:
        return Step(api, "slow", mode, way, **common, option="no-retries", timeout=0.05)
    if model_of(face, way) == "slow":
        return Step(api, "slow", mode, way, **{**common, "count": 1})
    return Step(api, draw(st.sampled_from(models)), mode, way, **common, option=draw(st.sampled_from(list(OPTIONS))))


@pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
@given(data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_scripts(servers: Servers, face: Face, data: st.DataObject) -> None:
    """User code cannot tell whether its calls are recorded."""
    script = data.draw(st.lists(steps(face), min_size=1, max_size=5), label="script")
    compare(servers, face, script, data.draw(st.sampled_from(CLIENTS), label="client"))


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
def test_request_looks_as_before(kind: str) -> None:
    """The method that is watched has the name, the signature, the text and the nature that it has without us."""
    method = getattr(openai, kind).request
    before = looks_of(method)
    with watching():
        watched = getattr(openai, kind).request
        assert watched is not method
        assert before == looks_of(watched)
    assert getattr(openai, kind).request is method


def looks_of(method: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        members = [(name, str(value)) for name, value in inspect.getmembers(method) if name in NAMES]
    nature = inspect.iscoroutinefunction(method), inspect.isfunction(method), inspect.isgeneratorfunction(method)
    return members, inspect.signature(method), nature, inspect.getsource(method)


NAMES = ("__name__", "__qualname__", "__module__", "__doc__", "__annotations__", "__type_params__")
