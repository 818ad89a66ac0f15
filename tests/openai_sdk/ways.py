"""The ways in which a host uses what a call gives, each written once for `OpenAI` and `AsyncOpenAI`."""

from __future__ import annotations

import asyncio
import gc
import inspect
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Awaitable, Callable

import pytest

Call = Callable[[], Any]
Way = Callable[[Call], Awaitable[None]]

READ = 4  # chunks of a chat that one reads who leaves early: the role, and the three pieces that come before a fault
EVENTS = 7  # of a response: the four that come before any text, and three pieces


async def now(value: Any) -> Any:
    """Wait for what has to be waited for."""
    return await value if inspect.isawaitable(value) else value


@asynccontextmanager
async def within(manager: Any) -> AsyncIterator[Any]:
    """Enter and leave what one enters by `with` or by `async with`."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


async def read(items: Any, number: int | None = None) -> None:
    """Read with `for` or with `async for`: all, or so many items and then `break`."""
    seen = 0
    if hasattr(items, "__aiter__"):
        async for _ in items:
            seen += 1
            if seen == number:
                break
    else:
        for _ in items:
            seen += 1
            if seen == number:
                break


async def whole(call: Call) -> None:
    """Take the answer, and let go of it."""
    await now(call())


def collected(way: Way) -> Way:
    """Make the way after which garbage is collected: some versions tie what is not read to its end into a cycle."""

    async def collected_way(call: Call) -> None:
        await way(call)
        gc.collect()

    return collected_way


unread = collected(whole)


async def to_the_end(call: Call) -> None:
    """Read a stream to its end."""
    await read(await now(call()))


def broken_off(number: int = READ) -> Way:
    """Make the way that leaves a stream by `break`; of an async one its event loop takes care, in a moment."""

    async def way(call: Call) -> None:
        await read(await now(call()), number)
        for _ in range(5):
            await asyncio.sleep(0)

    return way


def in_a_block(number: int = READ) -> Way:
    """Make the way that leaves a stream, and the `with` block that it was opened by."""

    async def way(call: Call) -> None:
        async with within(await now(call())) as stream:
            await read(stream, number)

    return way


async def closed(call: Call) -> None:
    """Read a part of a stream and close it."""
    stream = await now(call())
    await read(stream, READ)
    await now(stream.close())


def failing(way: Way) -> Way:
    """Make the way that meets an error; which one is a matter of what is recorded."""

    async def failing_way(call: Call) -> None:
        with pytest.raises(Exception) as caught:  # noqa: PT011  (of many classes)
            await way(call)
        assert not isinstance(caught.value, AssertionError)

    return failing_way


async def parsed(call: Call) -> None:
    """Parse a raw answer."""
    await now((await now(call())).parse())


async def parsed_to_the_end(call: Call) -> None:
    """Parse a raw answer that is a stream, and read it."""
    await read(await now((await now(call())).parse()))


def responding(use: Callable[[Any], Any]) -> Way:
    """Make the way of `with_streaming_response`: its block does that with the response."""

    async def way(call: Call) -> None:
        async with within(call()) as response:
            await now(use(response))

    return way


async def stream_of_response(call: Call) -> None:
    """Parse a response that is a stream, and read it."""
    async with within(call()) as response:
        await read(await now(response.parse()))


parse_of_response = responding(lambda response: response.parse())
json_of_response = responding(lambda response: response.json())
lines_of_response = responding(lambda response: read(response.iter_lines()))
bytes_of_response = responding(lambda response: read(response.iter_bytes()))
head_of_response = responding(lambda response: response.headers)

helper = responding(read)
helper_until_done = responding(lambda stream: stream.until_done())


def helper_left(number: int = READ) -> Way:
    """Make the way that leaves a helper early."""
    return responding(lambda stream: read(stream, number))
