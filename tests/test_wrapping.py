from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
import types
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, AsyncGenerator, Callable, Generator, Iterator, List, Tuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from layer_sdk import Layer

if TYPE_CHECKING:
    from conftest import MakeLayer

Decorator = Callable[[Any], Any]
Ops = List[Tuple[Any, ...]]
Log = List[Any]

KIND = "completion_output"


class OwnError(BaseException):
    """An exception that is no Exception."""


ERRORS: dict[str, type[BaseException]] = {
    "value": ValueError,
    "key": KeyError,
    "own": OwnError,
    "stop": StopIteration,
    "async stop": StopAsyncIteration,
    "exit": GeneratorExit,
    "interrupt": KeyboardInterrupt,
    "system": SystemExit,
    "cancelled": asyncio.CancelledError,
}
CATCHES: dict[str, type[BaseException]] = {**ERRORS, "any exception": Exception, "anything": BaseException}


def both(mine: Layer) -> Decorator:
    return lambda function: mine.session()(mine.action(kind=KIND)(function))


def reversed_(mine: Layer) -> Decorator:
    return lambda function: mine.action(kind=KIND)(mine.session()(function))


DECORATORS: dict[str, Callable[[Layer], Decorator]] = {
    "session": lambda mine: mine.session(),
    "action": lambda mine: mine.action(kind=KIND),
    "session over action": both,
    "action over session": reversed_,
    "before init": lambda _: both(Layer()),
}


@pytest.fixture
def mine(make_layer: MakeLayer) -> Layer:
    return make_layer()


@pytest.fixture(params=DECORATORS)
def decorate(request: pytest.FixtureRequest, mine: Layer) -> Decorator:
    return DECORATORS[request.param](mine)


# ---- what a decorated function is


class Callables:
    """One of everything that can be decorated."""

    @staticmethod
    def static(x: int, /, y: str = "y", *, z: bytes = b"z") -> str:
        """Say what was given."""
        return f"{x} {y} {z!r}"

    @classmethod
    def of(cls, x: int) -> str:
        """Say the class."""
        return f"{cls.__name__} {x}"

    def method(self, x: int) -> str:
        """Say the method."""
        return f"method {x}"

    @property
    def getter(self) -> str:
        """Say the property."""
        return "getter"

    def __call__(self, x: int) -> str:
        return f"object {x}"


def plain(x: int, *rest: int, **options: int) -> tuple[int, tuple[int, ...], dict[str, int]]:
    """Be plain."""
    return x, rest, options


async def waiting(x: int) -> int:
    """Wait."""
    await asyncio.sleep(0)
    return x


def counting(x: int) -> Generator[int, None, str]:
    """Count."""
    yield from range(x)
    return "counted"


async def streaming(x: int) -> AsyncGenerator[int, None]:
    """Stream."""
    for item in range(x):
        yield item


FUNCTIONS = [plain, waiting, counting, streaming, Callables.static, Callables().method, Callables.of]
PREDICATES = [inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__qualname__)
def test_function_keeps_what_it_says_of_itself(decorate: Decorator, function: Any) -> None:
    """Name, docstring, module, annotations, signature and kind of a decorated function are those of the function."""
    decorated = decorate(function)
    names = ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__")
    assert [getattr(function, name) for name in names] == [getattr(decorated, name) for name in names]
    assert inspect.signature(function) == inspect.signature(decorated)
    assert [is_kind(function) for is_kind in PREDICATES] == [is_kind(decorated) for is_kind in PREDICATES]
    assert callable(decorated)


def test_plain_function_gets_its_arguments_and_gives_its_value(decorate: Decorator) -> None:
    """Positional and named arguments go through, and the very object that is returned comes back."""
    value = object()
    assert (1, (2, 3), {"z": 4}) == decorate(plain)(1, 2, 3, z=4)
    assert value is decorate(lambda: value)()


def test_calls_give_the_kind_of_object_that_they_gave(decorate: Decorator) -> None:
    """A call of a coroutine function gives a coroutine, of a generator function a generator, and so on."""
    coroutine, generator, stream = decorate(waiting)(7), decorate(counting)(2), decorate(streaming)(2)
    assert (True, True, True) == (
        inspect.iscoroutine(coroutine),
        inspect.isgenerator(generator),
        inspect.isasyncgen(stream),
    )
    assert ("waiting", "counting", "streaming") == (coroutine.__name__, generator.__name__, stream.__name__)

    async def items() -> list[int]:
        return [item async for item in stream]

    assert (7, [0, 1], [0, 1]) == (asyncio.run(coroutine), list(generator), asyncio.run(items()))


def test_static_and_class_methods_stay_what_they_are(decorate: Decorator) -> None:
    """A decorated staticmethod or classmethod is one still, called on the class and on an instance."""

    class Decorated(Callables):
        static = decorate(Callables.__dict__["static"])
        of = decorate(Callables.__dict__["of"])

    assert (staticmethod, classmethod) == (type(vars(Decorated)["static"]), type(vars(Decorated)["of"]))
    assert "1 y b'z'" == Decorated.static(1) == Decorated().static(1)
    assert "Decorated 1" == Decorated.of(1) == Decorated().of(1)
    assert "Say the class." == Decorated.of.__doc__


def test_methods_bind(decorate: Decorator) -> None:
    """A decorated function in a class is a method; a bound method can be decorated, too."""

    class Decorated(Callables):
        method = decorate(Callables.method)

    assert "method 1" == Decorated().method(1) == decorate(Callables().method)(1)


def test_property_stays_a_property(decorate: Decorator) -> None:
    """A getter can be decorated under `property` and over it; setter and docstring stay."""

    class Decorated:
        def __init__(self) -> None:
            self.value = 1

        @property
        @decorate
        def under(self) -> int:
            return self.value

        def _read(self) -> int:
            """Read it."""
            return self.value

        def _write(self, value: int) -> None:
            self.value = value

        over = decorate(property(_read, _write))

    decorated = Decorated()
    decorated.over = 2
    assert (2, 2) == (decorated.under, decorated.over)
    write_only = property(None, vars(Decorated)["over"].fset)
    assert write_only is decorate(write_only)
    assert (property, "Read it.") == (type(vars(Decorated)["over"]), vars(Decorated)["over"].__doc__)


def test_callable_object_keeps_its_kind(decorate: Decorator) -> None:
    """Of a callable object the kind, inherited or not, and the signature are those of its `__call__`."""

    class Waiting:
        async def __call__(self, x: int) -> int:
            """Wait."""
            return x

    class Inheriting(Waiting):
        pass

    assert "object 1" == decorate(Callables())(1)
    for waits in (Waiting(), Inheriting()):
        decorated = decorate(waits)
        assert inspect.iscoroutinefunction(decorated)
        assert inspect.signature(waits) == inspect.signature(decorated)
        assert 7 == asyncio.run(decorated(7))


def test_partial_stays_a_partial(decorate: Decorator) -> None:
    """A decorated partial is a partial with the same arguments and attributes, of the same kind."""
    partials: list[Any] = [functools.partial(plain, 1, z=2), functools.partial(waiting, 3), functools.partial(counting)]
    partials[0].note = "kept"
    decorated = [decorate(partial) for partial in partials]
    assert [(functools.partial, partial.args, partial.keywords) for partial in partials] == [
        (type(partial), partial.args, partial.keywords) for partial in decorated
    ]
    assert "kept" == decorated[0].note
    assert [list(map(inspect.signature, partials))] == [list(map(inspect.signature, decorated))]
    assert (1, (5,), {"z": 2}) == decorated[0](5)
    assert 3 == asyncio.run(decorated[1]())
    assert inspect.isgeneratorfunction(decorated[2])


def test_builtin_function_can_be_decorated(decorate: Decorator) -> None:
    """A function of C, with a signature or without, works decorated."""
    assert (3, 5) == (decorate(len)("abc"), decorate(max)(4, 5))


def test_awaitable_generator_stays_awaitable(decorate: Decorator) -> None:
    """What `types.coroutine` made of a generator can be awaited still."""

    @decorate
    @types.coroutine
    def old_style() -> Generator[None, None, int]:
        yield
        return 7

    async def main() -> int:
        return await old_style()  # type: ignore[no-any-return]

    assert 7 == asyncio.run(main())


@pytest.mark.parametrize(
    "thing", [Callables, functools.cached_property(len), 7, None], ids=["class", "property", "integer", "none"]
)
def test_what_would_become_something_else_stays_as_it_is(
    decorate: Decorator, thing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A class, and what cannot be called, comes back as it is, with a warning."""
    assert thing is decorate(thing)
    assert all("was decorated and stays as it is" in message for message in caplog.messages)
    assert caplog.messages


def test_callable_whose_attributes_raise_comes_back_as_it_is(
    decorate: Decorator, internal_errors: list[BaseException]
) -> None:
    """Decorating never raises: what cannot be looked at stays as it is."""

    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise LookupError(name)

        def __call__(self) -> int:
            return 7

    hostile = Hostile()
    assert hostile is decorate(hostile)
    assert {LookupError} == {type(error) for error in internal_errors}
    internal_errors.clear()


def test_wrong_arguments_are_the_callers_error(decorate: Decorator) -> None:
    """A call that does not fit the signature raises the TypeError that it raised without us."""
    with pytest.raises(TypeError, match=r"plain\(\) missing 1 required positional argument: 'x'"):
        decorate(plain)()
    with pytest.raises(TypeError, match=r"counting\(\) missing 1 required positional argument: 'x'"):
        next(decorate(counting)())


# ---- the same with and without


@st.composite
def programs(draw: st.DrawFn, *, yields: bool, depth: int = 2) -> Ops:
    """Make up the body of a function: things to do, in order. Most of it pauses or yields inside of a `try`."""
    pauses = st.tuples(st.just("yield"), st.integers(0, 9)) if yields else st.just(("pause",))
    leaves: list[st.SearchStrategy[Any]] = [
        pauses,
        pauses,
        st.tuples(st.just("raise"), st.sampled_from(sorted(ERRORS)), st.integers(0, 9)),
        st.tuples(st.just("return"), st.one_of(st.none(), st.integers(0, 9))),
        st.just(("pause",)),
    ]
    if depth:
        inner = programs(yields=yields, depth=depth - 1)
        guarded = st.tuples(pauses, inner).map(lambda parts: [parts[0], *parts[1]])
        caught = st.sampled_from([*CATCHES, *["exit", "anything"] * 4])
        leaves += [st.tuples(st.just("try"), guarded, caught, inner, inner)] * 4
    return draw(st.lists(st.one_of(*leaves), max_size=3))


SCRIPTS = st.lists(
    st.one_of(
        st.just(("send", None)),
        st.tuples(st.just("send"), st.integers(0, 9)),
        st.tuples(st.just("throw"), st.sampled_from([*ERRORS, *["exit"] * 4])),
        st.just(("close",)),
    ),
    max_size=6,
).map(lambda steps: [("send", None), *steps])
TO_THE_END: Ops = [("send", None)] * 60


def shown(error: BaseException | None, thrown: list[BaseException]) -> Any:
    """Describe an exception and its chain; `thrown` are those that can be told by identity."""
    if error is None:
        return None
    mark = next((number for number, each in enumerate(thrown) if each is error), None)
    links = shown(error.__cause__, thrown), shown(error.__context__, thrown), error.__suppress_context__
    return type(error), error.args, mark, links


def generator_body(program: Ops, log: Log, thrown: list[BaseException]) -> Generator[Any, Any, Any]:
    for name, *rest in program:
        if name == "yield":
            log.append(("got", (yield rest[0])))
        elif name == "raise":
            raise ERRORS[rest[0]](rest[1])
        elif name == "return":
            return rest[0]
        elif name == "try":
            body, caught, handler, last = rest
            try:
                log.append(("gave", (yield from generator_body(body, log, thrown))))
            except CATCHES[caught] as error:
                log.append(("caught", shown(error, thrown)))
                yield from generator_body(handler, log, thrown)
            finally:
                log.append("finally")
                yield from generator_body(last, log, thrown)
    log.append("end")
    return None


async def coroutine_body(program: Ops, log: Log, thrown: list[BaseException]) -> Any:
    for name, *rest in program:
        if name == "raise":
            raise ERRORS[rest[0]](rest[1])
        if name == "return":
            return rest[0]
        if name == "pause":
            await asyncio.sleep(0)
        elif name == "try":
            body, caught, handler, last = rest
            try:
                log.append(("gave", await coroutine_body(body, log, thrown)))
            except CATCHES[caught] as error:
                log.append(("caught", shown(error, thrown)))
                await coroutine_body(handler, log, thrown)
            finally:
                log.append("finally")
                await coroutine_body(last, log, thrown)
    log.append("end")
    return None


async def stream_body(  # noqa: C901, PLR0912  (an async generator has no `yield from`)
    program: Ops, log: Log, thrown: list[BaseException]
) -> AsyncGenerator[Any, Any]:
    """Do the same; what stands deeper than one `try` does not yield."""
    for name, *rest in program:
        if name == "yield":
            log.append(("got", (yield rest[0])))
        elif name == "return":
            return
        elif name != "try":
            await coroutine_body([(name, *rest)], log, thrown)
        else:
            body, caught, handler, last = rest
            try:
                for step in body:
                    if step[0] == "yield":
                        log.append(("got", (yield step[1])))
                    await coroutine_body([step], log, thrown)
            except CATCHES[caught] as error:
                log.append(("caught", shown(error, thrown)))
                for step in handler:
                    if step[0] == "yield":
                        log.append(("got", (yield step[1])))
                    await coroutine_body([step], log, thrown)
            finally:
                log.append("finally")
                for step in last:
                    if step[0] == "yield":
                        log.append(("got", (yield step[1])))
                    await coroutine_body([step], log, thrown)
    log.append("end")


@contextmanager
def watched(log: Log) -> Iterator[None]:
    """Put what Python can only print into the log."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda seen: log.append(("unraisable", seen.exc_type, getattr(seen.exc_value, "args", None)))
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = hook


@dataclass(frozen=True)
class Case:
    """What is decorated how, and what is done to it."""

    which: str
    program: Ops
    script: Ops
    handling: bool
    to_the_end: bool

    def steps(self, thrown: list[BaseException]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Give the methods to call, with their arguments."""
        for name, *arguments in self.script + (TO_THE_END if self.to_the_end else []):
            if name == "throw":
                thrown.append(ERRORS[arguments[0]]("thrown"))
                yield name, (thrown[-1],)
            else:
                yield name, tuple(arguments)


def cases(*, yields: bool) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        which=st.sampled_from(sorted(DECORATORS)),
        program=programs(yields=yields),
        script=SCRIPTS,
        handling=st.booleans(),
        to_the_end=st.booleans(),
    )


def drive(function: Any, case: Case) -> Log:
    """Run a generator, or a coroutine, as the script says; everything that anybody can see of it, in order."""
    log: Log = []
    thrown: list[BaseException] = []
    with watched(log):
        driven = function(case.program, log, thrown)
        for name, arguments in case.steps(thrown):
            make = outcome_while_handling if case.handling else outcome
            log.append((name, make(getattr(driven, name), arguments, thrown)))
        log.append("dropped")
        del driven
    return log


def is_decent(log: Log) -> bool:
    """Tell whether a body took its closing for an answer.

    One that goes on is unlike itself inside of any other: a coroutine that awaits on being closed makes Python end the
    one around it, and a generator that nobody holds and that yields on being closed is closed once more.
    """
    return not any(entry[0] in ("close", "unraisable") and "ignored GeneratorExit" in repr(entry) for entry in log)


def outcome(step: Callable[..., Any], arguments: tuple[Any, ...], thrown: list[BaseException]) -> Any:
    try:
        return step(*arguments)
    except BaseException as error:  # noqa: BLE001  (whatever it is)
        return "raised", shown(error, thrown)


def outcome_while_handling(step: Callable[..., Any], arguments: tuple[Any, ...], thrown: list[BaseException]) -> Any:
    try:
        return divmod(1, 0)
    except ZeroDivisionError:
        return outcome(step, arguments, thrown)


def told(context: dict[str, Any]) -> tuple[str, str]:
    return context["message"].partition("<")[0], repr(context.get("exception"))


def drive_stream(function: Any, case: Case) -> Log:
    """Do the same with an async generator; what is left over the event loop closes, now or when it ends."""
    log: Log = []
    kept: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: log.append(("loop", *told(context))))
        thrown: list[BaseException] = []
        stream = function(case.program, log, thrown)
        for name, arguments in case.steps(thrown):
            try:
                log.append((name, await getattr(stream, f"a{name}")(*arguments)))
            except BaseException as error:  # noqa: BLE001  (whatever it is)
                log.append(("raised", shown(error, thrown)))
        log.append("dropped")
        if case.handling:
            kept.append(stream)
        del stream
        for _ in range(30):
            await asyncio.sleep(0)

    with watched(log):
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  (KeyboardInterrupt of a body that the loop closes stops the loop)
            log.append(("run", type(error)))
        kept.clear()
    return log


@pytest.fixture
def quick_collection() -> Iterator[None]:
    """Let the garbage collector look at what a test makes and nothing else."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


equivalence = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.usefixtures("quick_collection")
@equivalence
@given(cases(yields=True))
def test_generator_is_the_same_with_and_without(mine: Layer, case: Case) -> None:
    """Whatever a consumer does to a generator, it sees the same of a decorated one, and so does the body."""
    expected = drive(generator_body, case)
    assume(case.to_the_end or is_decent(expected))
    assert expected == drive(DECORATORS[case.which](mine)(generator_body), case)


@pytest.mark.usefixtures("quick_collection")
@equivalence
@given(cases(yields=False))
def test_coroutine_is_the_same_with_and_without(mine: Layer, case: Case) -> None:
    """Whatever an event loop does to a coroutine, it sees the same of a decorated one, and so does the body."""
    case = replace(case, script=[step for step in case.script if step != ("throw", "exit")], to_the_end=True)
    expected = drive(coroutine_body, case)
    assume(is_decent(expected))
    assert expected == drive(DECORATORS[case.which](mine)(coroutine_body), case)


@pytest.mark.usefixtures("quick_collection")
@equivalence
@given(cases(yields=True))
def test_async_generator_is_the_same_with_and_without(mine: Layer, case: Case) -> None:
    """Whatever a consumer does to an async generator, it sees the same of a decorated one, and so does the body."""
    expected = drive_stream(stream_body, case)
    assume(is_decent(expected))
    assert expected == drive_stream(DECORATORS[case.which](mine)(stream_body), case)


@equivalence
@given(
    which=st.sampled_from(sorted(DECORATORS)),
    error=st.sampled_from(sorted(ERRORS)),
    chained=st.sampled_from(["not", "cause", "context", "hidden"]),
    argument=st.one_of(st.none(), st.integers(), st.text()),
)
def test_plain_function_raises_the_same_with_and_without(
    mine: Layer, which: str, error: str, chained: str, argument: Any
) -> None:
    """An exception of a plain function reaches the caller as the same object with the same chain."""
    raised: list[BaseException] = []

    def function() -> None:
        raised[:] = ERRORS[error](argument), LookupError("first")
        if chained == "not":
            raise raised[0]
        try:
            raise raised[1]
        except LookupError as first:
            if chained == "context":
                raise raised[0]  # noqa: B904  (the chain under test)
            raise raised[0] from (first if chained == "cause" else None)

    def called(function: Callable[[], None]) -> Any:
        with pytest.raises(ERRORS[error]) as caught:
            function()
        return shown(caught.value, raised)

    assert called(function) == called(DECORATORS[which](mine)(function))


@equivalence
@given(
    which=st.sampled_from(sorted(DECORATORS)),
    value=st.one_of(st.none(), st.integers(), st.text(), st.tuples(st.none()), st.lists(st.integers())),
)
def test_plain_function_returns_the_same_with_and_without(mine: Layer, which: str, value: Any) -> None:
    """What a plain function returns comes back as the same object."""
    assert value is DECORATORS[which](mine)(lambda: value)()


# ---- what generators leave behind


def test_abandoned_async_generator_is_closed_once_and_in_order(decorate: Decorator) -> None:
    """An event loop that ends closes what nobody finished, one time and without a complaint."""
    log: Log = []

    @decorate
    async def stream() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            log.append("closing")
            await asyncio.sleep(0)
            log.append("closed")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: log.append(context["message"]))
        kept.append(stream())
        log.append(await kept[0].__anext__())

    kept: list[AsyncGenerator[int, None]] = []
    asyncio.run(main())
    assert [1, "closing", "closed"] == log


def test_async_generator_in_a_cycle_is_closed_by_the_event_loop(decorate: Decorator) -> None:
    """A generator that only the garbage collector finds is closed by the running loop, waiting included."""
    log: Log = []

    class Owner:
        @decorate
        async def stream(self) -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                log.append("closed")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: log.append(context["message"]))
        owner: Any = Owner()
        owner.kept = owner.stream()
        log.append(await owner.kept.__anext__())
        del owner
        gc.collect()
        for _ in range(10):
            await asyncio.sleep(0)
        log.append("end")

    asyncio.run(main())
    assert [1, "closed", "end"] == log


class Thing:
    """Something that can be watched."""


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Leave only reference counts to free what is not needed any more."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_item_is_not_kept_alive(decorate: Decorator) -> None:
    """An item lives for as long as its consumer keeps it."""

    @decorate
    def things() -> Iterator[Thing]:
        yield Thing()
        yield Thing()

    @decorate
    async def stream() -> AsyncGenerator[Thing, None]:
        yield Thing()
        yield Thing()

    async def first() -> Thing:
        thing: Thing = await running.__anext__()
        return thing

    generator, running = things(), stream()
    refs = [weakref.ref(next(generator)), weakref.ref(asyncio.run(first()))]
    assert [None, None] == [ref() for ref in refs]


@pytest.mark.usefixtures("no_collection")
def test_exception_is_not_kept_alive(decorate: Decorator) -> None:
    """An exception that was thrown into a generator, and what its frames hold, is freed with its last user."""

    @decorate
    def things(thing: Thing) -> Iterator[Thing]:
        yield thing

    def leave() -> weakref.ref[Thing]:
        thing = Thing()
        generator = things(thing)
        next(generator)
        with suppress(ValueError):
            generator.throw(ValueError("thrown"))
        return weakref.ref(thing)

    assert leave()() is None


def test_generator_can_be_a_context_manager(decorate: Decorator) -> None:
    """`contextlib.contextmanager` works on a decorated generator, with StopIteration from the block, too."""

    @contextmanager
    @decorate
    def managed() -> Iterator[int]:
        with suppress(LookupError):
            yield 7

    with managed() as value:
        assert 7 == value
    for error in (ValueError("passes"), StopIteration("passes")):
        with pytest.raises(type(error)) as caught, managed():
            raise error
        assert error is caught.value
    with managed():
        raise KeyError("for the body")
