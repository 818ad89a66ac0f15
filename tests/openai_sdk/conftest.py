"""What the tests with the real openai package share: scripts/openai_versions.py runs them with one version each."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Iterator, NamedTuple

import pytest

from openai_sdk import openai_answers as answers
from openai_sdk.loopback_openai import LoopbackOpenAI, Received

if TYPE_CHECKING:
    from layer_sdk import Layer
    from openai_sdk.expected import Row

MakeClient = Callable[..., Any]
Requests = Callable[[], "list[Received]"]
SharedClient = Callable[[str], Any]
Run = Callable[[Awaitable[Any]], Any]
Told = Callable[[object], "list[dict[str, Any]]"]
Check = Callable[["Row", str], None]

MOMENTS = ("start_time", "end_time", "received_at")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder with `openai`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("openai")


@pytest.fixture(scope="session", autouse=True)
def frozen_imports() -> None:
    """Have the garbage collector look through what tests make, not at all of openai's classes each time."""
    pytest.importorskip("openai")
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_openai_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every variable that could steer openai."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def openai_server() -> Iterator[LoopbackOpenAI]:
    """An OpenAI on this machine, shared by all tests; loopback_openai.py tells which model does what."""
    with LoopbackOpenAI() as server:
        yield server


@pytest.fixture
def openai_requests(openai_server: LoopbackOpenAI) -> Iterator[Requests]:
    """Give what arrived there since the test began. What hangs when it ends is let go."""
    before = len(openai_server.requests)
    yield lambda: openai_server.requests[before:]
    openai_server.release()


def address(server: LoopbackOpenAI, kind: str) -> dict[str, str]:
    """Tell a client of that class where the server is."""
    azure = {"azure_endpoint": server.url, "api_version": "2024-10-21"}
    return azure if "Azure" in kind else {"base_url": server.base_url}


@pytest.fixture
def make_client(openai_server: LoopbackOpenAI) -> Iterator[MakeClient]:
    """Make clients that ask the loopback server, once: `OpenAI`, or another class by its name."""
    openai = pytest.importorskip("openai")
    made: list[Any] = []

    def make(kind: str = "OpenAI", **options: Any) -> Any:
        given = {"api_key": "k", "max_retries": 0, **address(openai_server, kind), **options}
        client = getattr(openai, kind)(**given)
        made.append(client)
        return client

    yield make
    for each in made:
        if not each.__class__.__name__.startswith("Async"):  # those are closed in their event loop, by the test
            each.close()


@pytest.fixture
def client(make_client: MakeClient) -> Any:
    """An `openai.OpenAI` that asks the loopback server, once."""
    return make_client()


# ---- what is recorded


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop for all tests: an `AsyncOpenAI` keeps its connections in one."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Run:
    """Run a coroutine to its end."""
    return loop.run_until_complete


@pytest.fixture(scope="session")
def shared_client(openai_server: LoopbackOpenAI, loop: asyncio.AbstractEventLoop) -> Iterator[SharedClient]:
    """Give the client of that class that all tests share: to make one takes longer than a test."""
    openai = pytest.importorskip("openai")
    made: dict[str, Any] = {}

    def give(kind: str) -> Any:
        if kind not in made:
            made[kind] = getattr(openai, kind)(api_key="k", max_retries=0, **address(openai_server, kind))
        return made[kind]

    yield give
    for each in made.values():
        closing = each.close()
        if inspect.isawaitable(closing):
            loop.run_until_complete(closing)


@pytest.fixture
def watched(make_layer: Callable[..., Layer]) -> Layer:
    """A `Layer` that watches, and delivers in the background as most do."""
    return make_layer(delivery="background")


@pytest.fixture
def told(watched: Layer, recorded: Callable[[object], dict[str, Any]], openai_requests: Requests) -> Told:
    """Give the actions on record of a session, once all have arrived, without what differs from run to run.

    What OpenAI derives from the test's first request to make an id is written `<1>`, from the second `<2>`.
    """

    def read(session_id: object) -> list[dict[str, Any]]:
        assert watched.flush(10)
        actions = recorded(session_id)["actions"]
        assert all(action["start_time"] <= action["end_time"] for action in actions)
        text = json.dumps([{name: each[name] for name in each if name not in MOMENTS} for each in actions])
        for number, received in enumerate(openai_requests(), 1):
            for fields in (received.fields, {"model": "", **received.fields}):
                text = text.replace(answers.digest(fields), f"<{number}>")
        return list(json.loads(text))

    return read


class Host(NamedTuple):
    """A program that uses openai and is watched.

    Attributes:
        client: Gives the shared client of a class.
        layer: Watches.
        run: Runs a coroutine.
        told: Gives what is recorded of a session.
    """

    client: SharedClient
    layer: Layer
    run: Run
    told: Told


@pytest.fixture
def host(shared_client: SharedClient, watched: Layer, run: Run, told: Told) -> Host:
    """All that most tests need."""
    return Host(shared_client, watched, run, told)


@pytest.fixture
def check(host: Host) -> Check:
    """Make the call of a row with a client of that class, and compare what is recorded."""

    async def program(call: Callable[[], Any], row: Row) -> str:
        with host.layer.session() as session_id:
            await row.way(call)
        return session_id

    def make_call(row: Row, kind: str) -> None:
        method = method_of(host.client(kind), row)
        session_id = host.run(program(lambda: method(**row.body), row))
        assert row.expected == host.told(session_id)

    return make_call


def method_of(client: Any, row: Row) -> Any:
    """Find the method of a row; where this version has it not, or not all of its arguments, the test is skipped."""
    method = client
    for name in row.method.split("."):
        method = getattr(method, name, None)
        if method is None:
            pytest.skip(f"there is no {row.method} yet")
    unknown = set(row.body) - set(inspect.signature(method).parameters)
    if unknown:
        pytest.skip(f"{row.method} does not take {', '.join(sorted(unknown))} yet")
    return method
