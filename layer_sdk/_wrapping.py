"""Put something around a function without changing what it is: plain, coroutine, generator or async generator."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any, Callable, Dict, Tuple, TypeVar, cast

from ._log import warn

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Tuple[Any, ...]
Options = Dict[str, Any]


class Run:
    """One call of a wrapped function, told what becomes of it. This one does nothing. No method raises."""

    def resume(self) -> None:
        """The function's own code is about to go on."""

    def suspend(self) -> None:
        """The caller's code is about to go on."""

    def item(self, value: Any) -> None:
        """A generator has yielded."""

    def finish(self, value: Any) -> None:
        """The function has returned."""

    def close(self) -> None:
        """A generator was left before its end."""

    def fail(self, error: BaseException) -> None:
        """The function has raised."""


# Makes the run of one call and gives the arguments to call with. Must not raise.
Begin = Callable[[Arguments, Options], Tuple[Run, Arguments, Options]]
BeginOf = Callable[[Callable[..., Any]], Begin]


def wrap(function: F, begin_of: BeginOf) -> F:
    """Wrap a function so that each call is a `Run`.

    Args:
        function: A function, method, staticmethod, classmethod, property, partial or other callable object, sync or
            async, generator or not.
        begin_of: Gives the `Begin` of the function proper, found inside of what is around it.

    Returns:
        The same with a function of the same kind, name, signature and type in place of the function proper. A
        callable object becomes a function. What would cease to be what it is, such as a class, comes back as it is.
    """
    given: Any = function
    if isinstance(given, (staticmethod, classmethod)):
        return cast("F", type(given)(wrap(given.__func__, begin_of)))
    if isinstance(given, property):
        return cast("F", given if given.fget is None else given.getter(wrap(given.fget, begin_of)))
    if type(given) is functools.partial:
        partial: Any = functools.partial(wrap(given.func, begin_of), *given.args, **given.keywords)
        partial.__dict__.update(given.__dict__)
        return cast("F", partial)
    if isinstance(given, type) or not callable(given):
        warn("A %s was decorated and stays as it is; decorate its functions instead", type(given).__name__)
        return function
    called = given if inspect.isroutine(given) else getattr(type(given), "__call__", None)  # noqa: B004  (the method itself is wanted)
    for is_kind, wrapper in _WRAPPERS:
        if is_kind(given) or is_kind(called):
            return cast("F", wrapper(given, begin_of(given)))
    return cast("F", _wrap_plain(given, begin_of(given)))


def _wrap_plain(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        run.resume()
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            run.suspend()
            run.fail(error)
            raise
        run.suspend()
        run.finish(value)
        return value

    return wrapper


def _wrap_coroutine(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        run.resume()
        try:
            value = await function(*args, **kwargs)
        except BaseException as error:
            run.suspend()
            run.fail(error)
            raise
        run.suspend()
        run.finish(value)
        return value

    return wrapper


# Of generators:
# - What goes in or comes out travels in a list that is empty while the other side's code runs. A name would keep the
#   value alive, and an exception that a name in its own traceback holds lives until the garbage collector comes.
# - A step is never made while an exception is being handled here: it would become the __context__ of the body's own.
# - GeneratorExit is thrown in like any other exception. Whether it came from close(), which allows no further item,
#   or from throw(), which does, is then for Python to tell, on this generator as it would have been on the body's.


def _wrap_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        slot: list[Any] = [None]
        try:
            generator = function(*args, **kwargs)
            del args, kwargs
            step = generator.send
            while True:
                _step(run, step, slot)
                try:
                    slot.append((yield slot.pop()))
                    step = generator.send
                except BaseException as error:  # noqa: BLE001  (thrown in by the caller, so it goes on in)
                    slot.append(error)
                    step = generator.throw
        except StopIteration as stop:
            run.finish(stop.value)
            return stop.value
        except GeneratorExit:
            run.close()
            raise
        except BaseException as error:
            run.fail(error)
            raise

    return wrapper


def _wrap_async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        slot: list[Any] = [None]
        try:
            generator = function(*args, **kwargs)
            del args, kwargs
            step = functools.partial(_unseen, generator.asend)
            while True:
                await _async_step(run, step, slot)
                try:
                    slot.append((yield slot.pop()))
                    step = generator.asend
                except BaseException as error:  # noqa: BLE001  (thrown in by the caller, so it goes on in)
                    slot.append(error)
                    step = generator.athrow
        except StopAsyncIteration:
            run.finish(None)
        except GeneratorExit:
            run.close()
            raise
        except BaseException as error:
            run.fail(error)
            raise

    return wrapper


def _step(run: Run, step: Callable[[Any], Any], slot: list[Any]) -> None:
    run.resume()
    try:
        slot.append(step(slot.pop()))
    finally:
        run.suspend()
    run.item(slot[0])


async def _async_step(run: Run, step: Callable[[Any], Any], slot: list[Any]) -> None:
    run.resume()
    try:
        slot.append(await step(slot.pop()))
    finally:
        run.suspend()
    run.item(slot[0])


def _unseen(asend: Callable[[Any], Any], value: Any) -> Any:
    """Make the first step of an async generator out of sight of the event loop, which sees the one around it.

    A loop closes the generators that it has seen and that nobody finished. Of two in one another it would close both,
    in any order or at once, and the second to be closed would find the first at work.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=_leave)
    try:
        return asend(value)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave(generator: Any) -> None:
    """Leave an unfinished generator to the one around it, which closes it in its turn."""


def _is_generator_coroutine(function: object) -> bool:
    """Tell a generator that can be awaited (`types.coroutine`): what it yields is between it and the event loop."""
    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return bool(flags & inspect.CO_ITERABLE_COROUTINE)


_Wrapper = Callable[[Callable[..., Any], Begin], Callable[..., Any]]
_WRAPPERS: list[tuple[Callable[[object], bool], _Wrapper]] = [
    (_is_generator_coroutine, _wrap_coroutine),
    (inspect.isasyncgenfunction, _wrap_async_generator),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.iscoroutinefunction, _wrap_coroutine),
]
