"""Whatever of ours fails, and however: the host's calls give what they give without us, and the failure is reported."""

from __future__ import annotations

import os
import types
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

import pytest

from layer_sdk import _log
from layer_sdk.instrumentation import _snapshot

openai = pytest.importorskip("openai")

from openai_sdk.accepting import watching  # noqa: E402  (needs openai)
from openai_sdk.call_scripts import THERE, Stage, Step  # noqa: E402
from openai_sdk.faces import AsyncFace, Face, SyncFace  # noqa: E402
from openai_sdk.faults import (  # noqa: E402
    ERRORS,
    FOLDER,
    Borrowed,
    Injected,
    InjectedError,
    InjectedInterrupt,
    Place,
    borrowed,
    called,
    names_of,
    places,
)
from openai_sdk.observations import UPSTREAM  # noqa: E402
from openai_sdk.steady_server import SteadyOpenAI  # noqa: E402

if TYPE_CHECKING:
    from layer_sdk import Layer

FACES = {"sync": SyncFace(), "async": AsyncFace()}
STEPS = [
    step
    for step in (
        Step("chat", "tools", headers="layer"),
        Step("chat", "choices-null"),
        Step("chat", "err-400", headers="key"),
        Step("chat", "flaky-500", option="headers"),
        Step("chat", option="nowhere"),
        Step("chat", mode="raw"),
        Step("chat", mode="body", way="read"),
        Step("chat", mode="body", way="leave_pieces"),
        Step("chat-parse", "json"),
        Step("chat-parse", "length"),
        Step("chat-stream"),
        Step("chat-stream", "tools"),
        Step("chat-stream", way="leave"),
        Step("chat-stream", way="close"),
        Step("chat-stream", way="drop"),
        Step("chat-stream", way="leave_alone"),
        Step("chat-stream", "mid-error"),
        Step("chat-stream", "mid-cut"),
        Step("chat-stream", mode="raw"),
        Step("chat-stream", mode="parsed", way="leave"),
        Step("chat-stream", mode="body", way="lines"),
        Step("chat-helper", way="final"),
        Step("chat-helper", way="leave_within"),
        Step("completion"),
        Step("completion-stream"),
        Step("embeddings"),
        Step("moderation"),
        Step("response", "tools"),
        Step("response-stream"),
        Step("response-stream", "reasoning", way="by_hand"),
        Step("background"),
        Step("image"),
        Step("image-stream"),
        Step("speech"),
        Step("speech", mode="body", way="pieces"),
        Step("transcription"),
        Step("transcription-stream"),
        Step("translation"),
        Step("post", headers="layer"),
        Step("post-own-stream"),
        Step("post-elsewhere", headers="layer"),
    )
    if step.api in THERE
]
# Through these go the host's own calls, items and bytes: nothing of ours stands above them that could catch what they
# raise. So they do nothing but pass on what the host asked for, and ask for the rest where it may fail.
PASSING = (
    "_patch.Patch._called.method",
    "_patch.Patch._awaited.method",
    "_streams.SyncTap.__iter__",
    "_streams.SyncTap.__next__",
    "_streams.AsyncTap.__aiter__",
    "_streams.AsyncTap.__anext__",
    "_streams.Tap.reading",
    "_streams.Tap._read",
    "_streams.Tap.astep",
    "_streams.Tap.__getattr__",
    "_streams.Tap.__del__",
    "_streams._close.close",
    "_streams._aclose.aclose",
    "_bodies._Method.__call__",
    "_bodies._Method.__self__",
    "_bodies._Method.__reduce__",
    "_bodies._aread",
    "_imports.ImportHook.find_spec",
)
ALL: list[Place | Borrowed] = [*places(), *borrowed()]
FUNCTIONS = [each for each in ALL if each.name not in PASSING]

# These are called by the functions above, and report what goes wrong in what they call, not what goes wrong in them.
REPORTING = (
    "_streams._tell",
    "_streams.Tap.closed",
    "_streams.Tap.finish",
    "_streams.Tap.over",
)
# Where these are at the end of the stack, an answer is read in another way, which takes its time.
CAREFUL = ("_bodies.plain_json", "_bodies._may_be_deep", "_bodies._finite", "_bodies._integer", "_bodies._no_number")
FEW, MANY = (
    (None, None) if "ALL_FAULTS" in os.environ else (4, 12)
)  # calls for each function, with unusual errors and without

Key = Tuple[str, Step]  # of one call: which face makes it


@pytest.fixture(scope="module")
def server() -> Iterator[SteadyOpenAI]:
    server = SteadyOpenAI()
    with server:
        yield server


@pytest.fixture
def reported() -> Iterator[list[type[BaseException]]]:
    """What was reported. Only the types: an error holds on to the frames that it came through, and these to streams."""
    found: list[type[BaseException]] = []
    before = _log.observers[:]
    _log.observers[:] = [lambda error: found.append(type(error))]
    yield found
    _log.observers[:] = before


@pytest.fixture(scope="module")
def expected(server: SteadyOpenAI) -> dict[Key, Stage]:
    """Each call without us."""
    for face in FACES.values():
        Stage(face, server).play(STEPS)  # what is imported late is there
    return {(name, step): play(server, face, [step]) for name, face in FACES.items() for step in STEPS}


@pytest.fixture(scope="module")
def hits(server: SteadyOpenAI) -> Hits:
    """Which functions are called: by the host's thread, by a worker, and during which calls."""
    hits: Hits = {True: {}, False: {}}
    for name, face in FACES.items():
        for step in STEPS:

            def note(code: types.CodeType, *, is_host: bool, key: Key = (name, step)) -> None:
                hits[is_host].setdefault(code, []).append(key)

            with watching(at_once=True) as layer:
                with called(note):
                    play(server, face, [step])
                assert layer.flush(20)
    return hits


Hits = Dict[bool, Dict[types.CodeType, List[Key]]]


def play(server: SteadyOpenAI, face: Face, script: list[Step]) -> Stage:
    _snapshot._names.clear()
    stage = Stage(face, server)
    stage.play(script)
    return stage


def some(keys: list[Key], most: int | None) -> list[Key]:
    """Choose among calls, evenly."""
    found = list(dict.fromkeys(keys))
    return found if most is None or len(found) <= most else [found[i * len(found) // most] for i in range(most)]


def check(server: SteadyOpenAI, expected: dict[Key, Stage], keys: list[Key]) -> None:
    """Make calls, and see that each gives what it gives without us."""
    for name, face in FACES.items():
        script = [step for each, step in keys if each == name]
        stages = [expected[name, step] for step in script]
        found = play(server, face, script)
        assert [noted for stage in stages for noted in stage.noted] == found.noted
        assert [each for stage in stages for each in stage.arrived] == found.arrived
        assert [each for stage in stages for each in stage.surroundings.warned] == found.surroundings.warned
        stray = [what for what in found.surroundings.stray if not what[0].startswith(UPSTREAM)]
        assert [] == stray


def test_list_of_functions_is_complete(hits: Hits) -> None:
    """Each function of ours that a call reaches is one of those that are made to raise, or one that passes on."""
    listed = places()
    reached = {code for codes in hits.values() for code in codes if code.co_filename.startswith(FOLDER)}
    assert reached <= {place.code for place in listed}
    assert 200 < len(reached)
    assert set(PASSING) | set(REPORTING) | set(CAREFUL) <= {place.name for place in listed}


@pytest.mark.parametrize("function", FUNCTIONS, ids=names_of(FUNCTIONS))
def test_failure_on_the_thread_of_the_host(
    server: SteadyOpenAI,
    expected: dict[Key, Stage],
    hits: Hits,
    reported: list[type[BaseException]],
    function: Place | Borrowed,
) -> None:
    """Whichever function fails that a call reaches, and with whatever error, the call does what it does without us."""
    keys = hits[True].get(function.code, [])
    for error in ERRORS if keys else ():
        Injected.times = 0
        reported.clear()
        with failing_calls(function, error):
            check(server, expected, some(keys, MANY if error is InjectedError else FEW))
            assert function.name in REPORTING or (Injected.times > 0) == (error in reported)


@contextmanager
def failing_calls(function: Place | Borrowed, error: type[Injected], **options: Any) -> Iterator[Layer]:
    """Have a function fail while calls are made: what is made once for all calls is made before, unless in it."""
    with ExitStack() as stack:
        if isinstance(function, Place) and function.inside:
            stack.enter_context(function.raising(error))
        layer = stack.enter_context(watching(lossy=True, **options))
        with function.raising(error):
            yield layer


VICTIMS = ("openai._Watch.begin", "openai._observer.Observer._take", "openai._chat.feed", "openai._errors.describe")
REPORTERS = ("_base.hush", "swallow")


@pytest.mark.parametrize("names", [(victim, reporter) for victim in VICTIMS for reporter in REPORTERS])
@pytest.mark.parametrize("error", ERRORS)
def test_failure_of_the_report(
    server: SteadyOpenAI, expected: dict[Key, Stage], hits: Hits, names: tuple[str, str], error: type[Injected]
) -> None:
    """Where even the report of a failure fails, the call does what it does without us."""
    victim, reporter = names
    by_name = {function.name: function for function in FUNCTIONS}
    keys = hits[True][by_name[victim].code]
    Injected.times = 0
    with watching(lossy=True), by_name[victim].raising(error), by_name[reporter].raising(error):
        check(server, expected, some(keys, FEW))
    assert Injected.times >= 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Python's, of one in a finalizer
@pytest.mark.parametrize("function", FUNCTIONS, ids=names_of(FUNCTIONS))
def test_interrupt_in_our_midst(
    server: SteadyOpenAI,
    expected: dict[Key, Stage],
    hits: Hits,
    reported: list[type[BaseException]],
    function: Place | Borrowed,
) -> None:
    """Ctrl-C that strikes inside of us goes on to the host, and leaves nothing locked or in disorder behind."""
    keys = hits[True].get(function.code, [])
    for name, step in {key[0]: key for key in keys}.values():
        with watching(lossy=True) as layer:
            with function.raising(InjectedInterrupt), suppress(InjectedInterrupt):
                play(server, FACES[name], [step])
            check(server, expected, [(name, step), (name, STEPS[0])])
            assert layer.stats()["accepted"] > 0
    assert InjectedInterrupt not in reported


@pytest.mark.parametrize("function", FUNCTIONS, ids=names_of(FUNCTIONS))
def test_failure_on_a_worker(
    server: SteadyOpenAI,
    expected: dict[Key, Stage],
    hits: Hits,
    reported: list[type[BaseException]],
    function: Place | Borrowed,
) -> None:
    """Where putting a call into words fails, the call does what it does without us, and the loss has a name."""
    keys = [key for key in hits[False].get(function.code, []) if key[0] == "sync"]
    is_worker_s = function.code not in hits[True]
    for error in ERRORS if keys else ():
        Injected.times = 0
        reported.clear()
        with failing_calls(function, error, at_once=True) as layer:
            check(server, expected, some(keys, FEW))
            assert layer.flush(20)
            stats = layer.stats()
        assert stats["accepted"] == stats["sent"] + sum(stats["dropped"].values())
        if function.name in CAREFUL and issubclass(error, RecursionError):
            assert {} == stats["dropped"]
        elif is_worker_s and Injected.times:
            assert ["not_built"] == list(stats["dropped"])
            assert error in reported
