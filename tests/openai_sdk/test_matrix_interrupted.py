"""The matrix of calls that are cut short from the host's side, and of those that get no connection."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    CHAT,
    CHAT_FACTS,
    HELLO,
    LEFT,
    STREAM,
    WHOLE,
    Beginning,
    Fields,
    Row,
    answers,
    asks,
    error,
    facts,
    said,
)

if TYPE_CHECKING:
    from openai_sdk.conftest import Check, Host, Requests
    from openai_sdk.expected import Expect

CREATE = "chat.completions.create"
SLOW: Fields = {"model": "slow", "messages": HELLO}
KINDS = pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])


def stops(failed: Fields, *texts: str, end: str | None = None) -> Expect:
    """Expect an error, and what was said before it."""

    def expect(body: Fields) -> list[Fields]:
        known = CHAT_FACTS if texts else {}
        attributes = facts(CHAT, body, end=end, request_id=end is not None, **known)
        return [asks(CHAT, body, HELLO), answers(attributes, said(*texts), failed)]

    return expect


TIMEOUT = error(Beginning(""), "ReadTimeout")
ROWS = [
    Row("timeout", CREATE, {**SLOW, "timeout": 0.2}, ways.failing(ways.whole), stops(TIMEOUT)),
    Row(
        "stream, timeout",
        CREATE,
        {**SLOW, **STREAM, "timeout": 0.3},
        ways.failing(ways.to_the_end),
        stops(TIMEOUT, LEFT, end="error"),
    ),
]


@KINDS
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_timeouts(row: Row, kind: str, check: Check) -> None:
    """A timeout is on record, with what was said before it."""
    check(row, kind)


@KINDS
def test_no_connection(kind: str, host: Host) -> None:
    """That there was no connection is on record, with the cause in place of the error that only says so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    client = host.client(kind).with_options(base_url=f"http://127.0.0.1:{port}/v1")

    async def program() -> str:
        with host.layer.session() as session_id:
            await ways.failing(ways.whole)(lambda: client.chat.completions.create(model="gpt-4o", messages=HELLO))
        return session_id

    failed = error(Beginning(""), "ConnectError")
    assert stops(failed)({"model": "gpt-4o"}) == host.told(host.run(program()))


@KINDS
def test_retries(kind: str, host: Host, openai_requests: Requests) -> None:
    """A call that openai tries again by itself is one call."""
    client = host.client(kind).with_options(max_retries=2)

    async def program() -> str:
        with host.layer.session() as session_id:
            await ways.now(client.chat.completions.create(model="flaky-500", messages=[*HELLO, *HELLO]))
        return session_id

    answer = host.told(host.run(program()))[-1]
    assert 2 == len(openai_requests())
    assert [{"role": "assistant", "content": WHOLE}] == answer["data"]["messages"]


async def until(holds: Callable[[], object]) -> None:
    """Give the event loop its turns until it holds."""
    while not holds():  # noqa: ASYNC110  (it comes from the server's thread)
        await asyncio.sleep(0)


def test_task_cancelled_mid_call(host: Host, openai_requests: Requests) -> None:
    """A task that is cancelled while it waits for the answer is on record as such, and stays cancelled."""

    async def program() -> str:
        with host.layer.session() as session_id:
            task = asyncio.ensure_future(host.client("AsyncOpenAI").chat.completions.create(**SLOW))
        await until(openai_requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return session_id

    assert stops(error("CancelledError", "CancelledError"))(SLOW) == host.told(host.run(program()))


def test_task_cancelled_mid_stream(host: Host) -> None:
    """A task that is cancelled while it waits for the next chunk leaves on record what came before."""
    heard: list[Any] = []

    async def listen() -> None:
        stream = await host.client("AsyncOpenAI").chat.completions.create(**SLOW, **STREAM)
        while True:
            heard.append(await stream.__anext__())

    async def program() -> str:
        with host.layer.session() as session_id:
            task = asyncio.ensure_future(listen())
        await until(lambda: len(heard) == ways.READ)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return session_id

    expect = stops(error("CancelledError", "CancelledError"), LEFT, end="cancelled")
    assert expect({**SLOW, **STREAM}) == host.told(host.run(program()))


@pytest.fixture
def _struck() -> Iterator[None]:
    """Have Ctrl-C strike: a shell's background job ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def strike(holds: Callable[[], object]) -> threading.Thread:
    """Strike Ctrl-C as soon as it holds."""
    main = threading.main_thread().ident

    def wait() -> None:
        while not holds():
            threading.Event().wait(0.001)
        threading.Event().wait(0.02)  # that what is to be struck has begun to wait
        signal.pthread_kill(main or 0, signal.SIGINT)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.usefixtures("_struck")
def test_interrupt_mid_call(host: Host, openai_requests: Requests) -> None:
    """Ctrl-C while a call waits for its answer is on record, and reaches the host."""
    client = host.client("OpenAI")
    striking = strike(openai_requests)
    with host.layer.session() as session_id, pytest.raises(KeyboardInterrupt):
        client.chat.completions.create(**SLOW)
    striking.join()
    assert stops(error("KeyboardInterrupt", "KeyboardInterrupt"))(SLOW) == host.told(session_id)


@pytest.mark.usefixtures("_struck")
def test_interrupt_mid_stream(host: Host) -> None:
    """Ctrl-C while a stream waits for its next chunk leaves on record what came before."""
    heard: list[Any] = []
    striking = strike(lambda: len(heard) == ways.READ)
    with host.layer.session() as session_id, pytest.raises(KeyboardInterrupt):
        heard.extend(host.client("OpenAI").chat.completions.create(**SLOW, **STREAM))
    striking.join()
    expect = stops(error("KeyboardInterrupt", "KeyboardInterrupt"), LEFT, end="cancelled")
    assert expect({**SLOW, **STREAM}) == host.told(session_id)
