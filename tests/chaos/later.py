"""What the tests of deferred records share: what a worker puts into words, and words that have to be waited for."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, NoReturn
from uuid import UUID

import requests

from chaos.recorded import balance
from layer_sdk.delivery import BackgroundDelivery

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer
    from layer_sdk import Layer
    from layer_sdk._recording import Recorder, Tell

PATIENCE = 20.0  # seconds for something to happen on a busy machine
AWAY: dict[str, Any] = {"chances": {"*": {503: 1.0}}}
BACK: dict[str, Any] = {"chances": {}}


def fields(key: str, **more: Any) -> dict[str, Any]:
    """Give the fields of an action that the fake Layer knows by its key."""
    return {"kind": "embeddings", "data": {"key": key, **more}}


def act(mine: Layer, session_id: str, key: str, **more: Any) -> None:
    """Record an action at once."""
    recorder(mine).append(UUID(session_id), **fields(key, **more))


def later(mine: Layer, session_id: str, *keys: str, size: int = 200, **more: Any) -> None:
    """Record something that turns out to be these actions."""
    tell(mine, session_id, lambda: [fields(key, **more) for key in keys], size)


def tell(mine: Layer, session_id: str, words: Tell, size: int = 200) -> None:
    """Record what this puts into words."""
    recorder(mine).append_later(UUID(session_id), size, words)


def fail() -> NoReturn:
    """Be words that cannot be made."""
    raise ZeroDivisionError


def account(stats: dict[str, Any]) -> dict[str, Any]:
    """Give what the account says in the end, and what it lacks."""
    names = ("accepted", "sent", "dead_lettered", "dropped", "queued_bytes")
    return {**{name: stats[name] for name in names if stats[name]}, "lacks": balance(stats)}


def operations(fake_layer: FakeLayer) -> list[str]:
    """Give what Layer was asked for, in order."""
    return [asked.operation for asked in fake_layer.requests()]


def recorder(mine: Layer) -> Recorder:
    assert mine._parts is not None
    return mine._parts.recorder


def engine(mine: Layer) -> BackgroundDelivery:
    assert mine._parts is not None
    sink = mine._parts.sink
    assert isinstance(sink, BackgroundDelivery)
    return sink


class Held:
    """Words that have to be waited for.

    Args:
        keys: Of the actions that it turns out to be.
    """

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self._began = threading.Event()
        self._may_go = threading.Event()
        self.times = 0
        self.thread = ""

    def __call__(self) -> list[dict[str, Any]]:
        self.times += 1
        self.thread = threading.current_thread().name
        self._began.set()
        assert self._may_go.wait(PATIENCE)
        return [fields(key) for key in self._keys]

    def wait(self) -> None:
        """Wait until somebody is about to put it into words."""
        assert self._began.wait(PATIENCE)

    def let_go(self) -> None:
        """Let it be put into words."""
        self._may_go.set()


class Noted(requests.Session):
    """A host's session that notes the actions that were sent, as the server has them."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[dict[str, Any]] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = super().send(request, **options)
        if response.ok and request.body:
            content = json.loads(request.body)
            self.actions += [content] if "kind" in content else content.get("actions", [])
        return response

    def attributes(self) -> dict[str, dict[str, Any]]:
        """Give what is known of each action that has attributes, by its key."""
        return {each["data"]["key"]: each["attributes"] for each in self.actions if each.get("attributes")}


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)
