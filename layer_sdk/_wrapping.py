"""Put something around a function without changing what it is: plain, coroutine, generator or async generator."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Dict, Protocol, Tuple, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
Arguments = Tuple[Any, ...]
Options = Dict[str, Any]


class Run(Protocol):
    """One call of a wrapped function. No method raises."""

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


Begin = Callable[[Arguments, Options], Tuple[Run, Arguments, Options]]


def wrap(function: F, begin: Begin) -> F:
    """Wrap a function so that `begin` is asked for a `Run` at each call.

    Args:
        function: A function, method, staticmethod or classmethod, sync or async, generator or not.
        begin: Makes the run of one call and gives the arguments to call with. Must not raise.

    Returns:
        A function of the same kind, name, signature and type.
    """
    if isinstance(function, (staticmethod, classmethod)):
        return cast("F", type(function)(wrap(function.__func__, begin)))
    called = function if inspect.isroutine(function) else vars(type(function)).get("__call__")
    for is_kind, wrapper in _WRAPPERS:
        if is_kind(function) or is_kind(called):
            return cast("F", wrapper(function, begin))
    return cast("F", _wrap_plain(function, begin))


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


def _wrap_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        generator = function(*args, **kwargs)
        step = functools.partial(next, generator)
        try:
            while True:
                value = _step(run, step)
                run.item(value)
                try:
                    sent = yield value
                except GeneratorExit:
                    _step(run, generator.close)
                    run.close()
                    raise
                except BaseException as error:  # noqa: BLE001  (thrown in by the caller, so it goes on in)
                    step = functools.partial(generator.throw, error)
                else:
                    step = functools.partial(generator.send, sent)
        except StopIteration as stop:
            run.finish(stop.value)
            return stop.value
        except GeneratorExit:
            raise
        except BaseException as error:
            run.fail(error)
            raise

    return wrapper


def _wrap_async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        run, args, kwargs = begin(args, kwargs)
        generator = function(*args, **kwargs)
        step = generator.__anext__
        try:
            while True:
                value = await _async_step(run, step)
                run.item(value)
                try:
                    sent = yield value
                except GeneratorExit:
                    await _async_step(run, generator.aclose)
                    run.close()
                    raise
                except BaseException as error:  # noqa: BLE001  (thrown in by the caller, so it goes on in)
                    step = functools.partial(generator.athrow, error)
                else:
                    step = functools.partial(generator.asend, sent)
        except StopAsyncIteration:
            run.finish(None)
        except GeneratorExit:
            raise
        except BaseException as error:
            run.fail(error)
            raise

    return wrapper


def _step(run: Run, step: Callable[[], Any]) -> Any:
    run.resume()
    try:
        return step()
    finally:
        run.suspend()


async def _async_step(run: Run, step: Callable[[], Any]) -> Any:
    run.resume()
    try:
        return await step()
    finally:
        run.suspend()


_Wrapper = Callable[[Callable[..., Any], Begin], Callable[..., Any]]
_WRAPPERS: list[tuple[Callable[[object], bool], _Wrapper]] = [
    (inspect.isasyncgenfunction, _wrap_async_generator),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.iscoroutinefunction, _wrap_coroutine),
]
