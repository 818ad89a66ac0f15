"""The ways in which user code consumes what a call gave it, written once for both kinds of clients.

A way is an async function; with a sync client it never waits, and `SyncFace.run` runs it without an event loop. The
loops are the real ones, `for` and `async for`, since leaving them is half of what is to be compared.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import threading
import time
from typing import Any, Awaitable, Callable, Coroutine

from openai_sdk.observations import Surroundings, seen

Note = Callable[[Any], None]


class BodyError(Exception):
    """What user code raises in the body of its loop."""


class SyncFace:
    """How user code uses `OpenAI`."""

    prefix = ""
    is_async = False

    def run(self, main: Coroutine[Any, Any, None], surroundings: Surroundings) -> None:
        try:
            main.send(None)
        except StopIteration:
            return
        raise AssertionError("a sync client made the script wait")

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    async def loop(self, things: Any, note: Note, count: int | None = None, error: Exception | None = None) -> None:
        for thing in things:
            note(thing)
            count = None if count is None else count - 1
            if count == 0 and error is not None:
                raise error
            if count == 0:
                break

    async def next(self, things: Any) -> Any:
        return next(things)

    async def within(self, manager: Any, inside: Callable[[Any], Awaitable[None]]) -> None:
        with manager as entered:
            await inside(entered)

    async def aside(self, things: Any, note: Note, count: int) -> None:
        """Read in a thread of its own."""
        raised: list[BaseException] = []

        def read() -> None:
            try:
                for thing in things:
                    note(thing)
            except Exception as error:  # noqa: BLE001  (is compared)
                raised.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join(20)
        note(raised)


class AsyncFace:
    """How user code uses `AsyncOpenAI`."""

    prefix = "Async"
    is_async = True

    def run(self, main: Coroutine[Any, Any, None], surroundings: Surroundings) -> None:
        async def handled() -> None:
            asyncio.get_running_loop().set_exception_handler(surroundings.of_loop)
            await main

        asyncio.run(handled())

    async def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        given = function(*args, **kwargs)
        return await given if inspect.isawaitable(given) else given

    async def loop(self, things: Any, note: Note, count: int | None = None, error: Exception | None = None) -> None:
        async for thing in things:
            note(thing)
            count = None if count is None else count - 1
            if count == 0 and error is not None:
                raise error
            if count == 0:
                break

    async def next(self, things: Any) -> Any:
        return await things.__anext__()

    async def within(self, manager: Any, inside: Callable[[Any], Awaitable[None]]) -> None:
        async with manager as entered:
            await inside(entered)

    async def aside(self, things: Any, note: Note, count: int) -> None:
        """Read in a task, and cancel it after so many items, if it is not done."""
        noted: list[Any] = []
        task = asyncio.ensure_future(self.loop(things, lambda thing: noted.append(seen(thing))))
        ends = time.monotonic() + 20
        while len(noted) < count and not task.done() and time.monotonic() < ends:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.001)
        task.cancel()
        done = await asyncio.gather(task, return_exceptions=True)
        note((noted[:count], done))


Face = Any  # one of the two
Way = Callable[[Face, "list[Any]", Note, int], Awaitable[None]]


async def read_all(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note)


async def leave(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note, count)


async def leave_and_go_on(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note, count)
    await face.loop(held[0], note)


async def fail(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note, count, BodyError("in the loop"))


async def by_hand(face: Face, held: list[Any], note: Note, count: int) -> None:
    for _ in range(count):
        note(await face.next(held[0]))


async def by_hand_beyond_the_end(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note)
    for _ in range(2):
        try:
            note(await face.next(held[0]))
        except (StopIteration, StopAsyncIteration) as end:
            note(end)


async def twice(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0], note)
    await face.loop(held[0], note)


async def close(face: Face, held: list[Any], note: Note, count: int) -> None:
    await by_hand(face, held, note, count)
    note(await face.call(held[0].close))


async def close_twice(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].close))
    note(await face.call(held[0].close))


async def go_on_after_close(face: Face, held: list[Any], note: Note, count: int) -> None:
    await close(face, held, note, count)
    note(await face.next(held[0]))


async def close_the_response(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = response_of(held[0])
    await by_hand(face, held, note, count)
    await face.call(response.aclose if face.is_async else response.close)
    await face.loop(held[0], note)


async def close_by_a_kept_method(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = response_of(held[0])
    finish = response.aclose if face.is_async else response.close
    note((finish.__self__ is response, finish.__name__, str(inspect.signature(finish))))
    del response
    held.clear()
    note(await face.call(finish))
    note(seen(finish.__self__))


async def read_the_response(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = response_of(held[0])
    note(await face.call(response.aread if face.is_async else response.read))
    await face.loop(held[0], note)


async def drop(face: Face, held: list[Any], note: Note, count: int) -> None:
    await by_hand(face, held, note, count)
    held.clear()


async def leave_alone(face: Face, held: list[Any], note: Note, count: int) -> None:
    held.clear()


async def keep_the_iterator(face: Face, held: list[Any], note: Note, count: int) -> None:
    stream = held.pop()
    iterator = stream.__aiter__() if face.is_async else iter(stream)
    note((type(iterator), iterator is stream))
    del stream
    note(await face.next(iterator))
    await face.loop(iterator, note)


async def within(face: Face, held: list[Any], note: Note, count: int) -> None:
    async def inside(entered: Any) -> None:
        note(entered is held[0])
        await face.loop(entered, note)

    await face.within(held[0], inside)


async def leave_within(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.within(held[0], lambda entered: face.loop(entered, note, count))


async def fail_within(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.within(held[0], lambda entered: face.loop(entered, note, count, BodyError("in the block")))


async def aside(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.aside(held[0], note, count)


async def read_a_copy(face: Face, held: list[Any], note: Note, count: int) -> None:
    other = copy.copy(held[0])
    note(await face.next(held[0]))
    note(await face.next(other))
    held.clear()
    note((type(other), sorted(vars(other))))
    await face.loop(other, note)


async def pickle_the_response(face: Face, held: list[Any], note: Note, count: int) -> None:
    await by_hand(face, held, note, count)
    response = response_of(held[0])
    for again in (pickle.loads(pickle.dumps(response)), copy.copy(response), copy.deepcopy(response)):  # noqa: S301  (our own)
        await face.call(again.aclose if face.is_async else again.close)
        note(seen(again))
    note(response.is_closed)
    await face.loop(held[0], note)


async def deepcopy(face: Face, held: list[Any], note: Note, count: int) -> None:
    try:
        copy.deepcopy(held[0])
    except (TypeError, AttributeError, NotImplementedError) as error:
        note(type(error).__name__)
    await face.loop(held[0], note)


async def until_done(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].until_done) is held[0])


async def final(face: Face, held: list[Any], note: Note, count: int) -> None:
    stream = held[0]
    get = getattr(stream, "get_final_completion", None) or stream.get_final_response
    first = await face.call(get)
    note((first, first is await face.call(get)))


def response_of(stream: Any) -> Any:
    """Give the httpx response of a stream, or of a helper's."""
    found = getattr(stream, "response", None)
    return getattr(stream, "_response", None) if found is None else found


STREAM_WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        read_all,
        leave,
        leave_and_go_on,
        fail,
        by_hand,
        by_hand_beyond_the_end,
        twice,
        close,
        close_twice,
        go_on_after_close,
        close_the_response,
        close_by_a_kept_method,
        read_the_response,
        drop,
        leave_alone,
        keep_the_iterator,
        within,
        leave_within,
        fail_within,
        aside,
        read_a_copy,
        pickle_the_response,
        deepcopy,
    )
}
HELPER_WAYS: dict[str, Way] = {**STREAM_WAYS, "until_done": until_done, "final": final}
