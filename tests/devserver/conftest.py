"""What the tests of the embedded Layer share: real servers, in this process and in others, and real HTTP clients."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from typing import Any, Callable, Iterator

import httpx
import pytest

from layer_sdk.devserver import Server, Settings

Start = Callable[..., httpx.Client]
Launch = Callable[..., "tuple[subprocess.Popen[str], str]"]

_PROGRAM = """
import sys
from layer_sdk.devserver import Settings, run
exec(sys.argv[2])
run(Settings(database=sys.argv[1] or None), on_ready=lambda url: print(url, flush=True))
"""


def _new_session_id() -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(uuid.uuid4())))


@pytest.fixture(scope="module")
def layer() -> Iterator[httpx.Client]:
    """A client of one server that a module's tests share."""
    with Server() as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers of a test's own, and give it a client of each."""
    with ExitStack() as stack:

        def started(**chosen: Any) -> httpx.Client:
            server = stack.enter_context(Server(Settings(**chosen)))
            return stack.enter_context(httpx.Client(base_url=server.url))

        yield started


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Start servers in processes of their own, and give the test each process and its URL."""
    with ExitStack() as stack:

        def launched(settings: Settings, before: str = "") -> tuple[subprocess.Popen[str], str]:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            arguments = [sys.executable, "-c", _PROGRAM, str(settings.database or ""), before]
            process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, process.stdout.readline().strip()

        yield launched


@pytest.fixture
def session_id(layer: httpx.Client) -> str:
    """A session, new for each test, on the server that a module's tests share."""
    chosen = _new_session_id()
    layer.post("/v1/sessions", json={"application_id": "an-application", "session_id": chosen}).raise_for_status()
    return chosen


@pytest.fixture
def new_id() -> Callable[[], str]:
    """Make up version 5 UUIDs."""
    return _new_session_id
