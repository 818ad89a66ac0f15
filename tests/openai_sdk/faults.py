"""Make one function of ours raise, whoever refers to it: what is replaced is its code.

Closures, generators, lambdas and comprehensions are functions as well, inside of the code of another.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import threading
import types
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence, cast

import layer_sdk
import layer_sdk.instrumentation
from layer_sdk._recording import Recorder

FOLDER = str(Path(layer_sdk.instrumentation.__file__).parent)
PACKAGE = "layer_sdk.instrumentation."
KINDS = (
    (inspect.CO_ASYNC_GENERATOR, "async def", "yield"),
    (inspect.CO_COROUTINE, "async def", "pass"),
    (inspect.CO_GENERATOR, "def", "yield"),
    (0, "def", "pass"),
)


class Injected(BaseException):
    """Was raised on purpose.

    Attributes:
        times: How often that was done.
    """

    times = 0

    def __init__(self) -> None:
        super().__init__("injected")
        Injected.times += 1


class InjectedError(Injected, RuntimeError):
    """What is raised where nothing else is asked for."""


class InjectedMemoryError(Injected, MemoryError):
    """As when there is no memory left."""


class InjectedRecursionError(Injected, RecursionError):
    """As when the stack is at its end."""


class InjectedInterrupt(Injected, KeyboardInterrupt):
    """As when Ctrl-C strikes there."""


class SpeechlessError(Injected, Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


ERRORS: tuple[type[Injected], ...] = (InjectedError, InjectedMemoryError, InjectedRecursionError, SpeechlessError)


@dataclass(frozen=True)
class Place:
    """A function that can be made to raise.

    Attributes:
        name: What it is called below `layer_sdk.instrumentation`.
        code: Its code.
        owner: The function whose code is replaced: itself, or the one that makes it.
        inside: In that code, the way to it: an index among the constants each time.
    """

    name: str
    code: types.CodeType
    owner: types.FunctionType
    inside: tuple[int, ...] = ()

    @contextmanager
    def raising(self, error: type[Injected]) -> Iterator[None]:
        """Have it raise."""
        before = self.owner.__code__
        self.owner.__code__ = _replaced(before, self.inside, error)
        try:
            yield
        finally:
            self.owner.__code__ = before


@dataclass(frozen=True)
class Borrowed:
    """A function of another part of the SDK, made to raise where instrumentation calls it."""

    name: str
    code: types.CodeType
    places: tuple[tuple[types.ModuleType, str], ...]

    @contextmanager
    def raising(self, error: type[Injected]) -> Iterator[None]:
        def fail(*_: Any, **__: Any) -> None:
            raise error

        before = [vars(module)[name] for module, name in self.places]
        for module, name in self.places:
            setattr(module, name, fail)
        try:
            yield
        finally:
            for (module, name), function in zip(self.places, before):
                setattr(module, name, function)


def _replaced(code: types.CodeType, inside: tuple[int, ...], error: type[Injected]) -> types.CodeType:
    if not inside:
        return _failing(code, error)
    consts = list(code.co_consts)
    consts[inside[0]] = _replaced(consts[inside[0]], inside[1:], error)
    return code.replace(co_consts=tuple(consts))


def _failing(code: types.CodeType, error: type[Injected]) -> types.CodeType:
    """Make code that raises at once, of the same kind, and with as many variables from outside."""
    define, last = next((define, last) for flag, define, last in KINDS if code.co_flags & flag or not flag)
    free = code.co_freevars
    source = f"""
def outer():
    {" = ".join([*free, "None"])}
    {define} function(*args, **kwargs):
        raise "error"
        {", ".join(free) or "None"}
        {last}
"""
    outer: types.CodeType = next(each for each in compile(source, "<fault>", "exec").co_consts if _is_code(each))
    made: types.CodeType = next(each for each in outer.co_consts if _is_code(each))
    consts = tuple(error if const == "error" else const for const in made.co_consts)
    return made.replace(co_consts=consts, co_name=code.co_name)


def _is_code(const: object) -> bool:
    return isinstance(const, types.CodeType)


def modules() -> list[types.ModuleType]:
    found = pkgutil.walk_packages(layer_sdk.instrumentation.__path__, PACKAGE)
    return [layer_sdk.instrumentation, *(importlib.import_module(each.name) for each in found)]


def places() -> list[Place]:
    """List every function below layer_sdk/instrumentation, and where a call leaves it for the recorder."""
    found = [place for module in modules() for place in _in_module(module)]
    return [*found, *_within("append_later", cast("types.FunctionType", Recorder.append_later))]


def _in_module(module: types.ModuleType) -> Iterator[Place]:
    short = module.__name__[len(PACKAGE) :] or "__init__"
    for name, thing in vars(module).items():
        if inspect.isclass(thing) and thing.__module__ == module.__name__:
            for member, value in vars(thing).items():
                yield from _of(f"{short}.{name}.{member}", value)
        else:
            yield from _of(f"{short}.{name}", thing, module.__file__)


def _of(name: str, thing: Any, file: str | None = None) -> Iterator[Place]:
    functions = [thing.fget, thing.fset] if isinstance(thing, property) else [getattr(thing, "__func__", thing)]
    for function in functions:
        if isinstance(function, types.FunctionType):
            where = function.__code__.co_filename
            if where == file or (file is None and where.startswith(FOLDER)):
                yield from _within(name, function)


def _within(name: str, function: types.FunctionType) -> Iterator[Place]:
    def walk(name: str, code: types.CodeType, inside: tuple[int, ...]) -> Iterator[Place]:
        yield Place(name, code, function, inside)
        for index, const in enumerate(code.co_consts):
            if isinstance(const, types.CodeType):
                yield from walk(f"{name}.{const.co_name}", const, (*inside, index))

    return walk(name, function.__code__, ())


def borrowed() -> list[Borrowed]:
    """List what instrumentation calls of the rest of the SDK, by name."""
    found: dict[types.FunctionType, list[tuple[types.ModuleType, str]]] = {}
    for module in modules():
        for name, thing in vars(module).items():
            if isinstance(thing, types.FunctionType) and is_borrowed(thing):
                found.setdefault(thing, []).append((module, name))
    return [Borrowed(each.__name__, inspect.unwrap(each).__code__, tuple(where)) for each, where in found.items()]


def is_borrowed(function: types.FunctionType) -> bool:
    where = inspect.unwrap(function).__code__.co_filename
    return where.startswith(str(Path(layer_sdk.__file__).parent)) and not where.startswith(FOLDER)


def names_of(functions: Sequence[Place | Borrowed]) -> list[str]:
    """Give their names, numbered where several have the same."""
    found: Counter[str] = Counter()
    names = []
    for function in functions:
        found[function.name] += 1
        names.append(function.name + (f".{found[function.name]}" if found[function.name] > 1 else ""))
    return names


@contextmanager
def called(note: Callable[..., None]) -> Iterator[None]:
    """Tell of every function that is called, and whether on this thread or on one that begins from now on."""
    me = threading.get_ident()

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        if event == "call":
            note(frame.f_code, is_host=threading.get_ident() == me)

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
