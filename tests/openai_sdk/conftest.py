"""What the tests with the real openai package share: scripts/openai_versions.py runs them with one version each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from openai_sdk.loopback_openai import LoopbackOpenAI, Received

MakeClient = Callable[..., Any]
Requests = Callable[[], "list[Received]"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder with `openai`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("openai")


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
def openai_requests(openai_server: LoopbackOpenAI) -> Requests:
    """Give what arrived there since the test began."""
    before = len(openai_server.requests)
    return lambda: openai_server.requests[before:]


@pytest.fixture
def make_client(openai_server: LoopbackOpenAI) -> Iterator[MakeClient]:
    """Make clients that ask the loopback server, once: `OpenAI`, or another class by its name."""
    openai = pytest.importorskip("openai")
    made: list[Any] = []

    def make(kind: str = "OpenAI", **options: Any) -> Any:
        azure = {"azure_endpoint": openai_server.url, "api_version": "2024-10-21"}
        where = azure if "Azure" in kind else {"base_url": openai_server.base_url}
        client = getattr(openai, kind)(**{"api_key": "k", "max_retries": 0, **where, **options})
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
