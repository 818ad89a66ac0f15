"""A pytest plugin: an embedded Layer for the tests of an application, and what was recorded in it.

pytest loads it wherever the SDK is installed, so it imports nothing but pytest until a fixture is asked for.
docs/testing.md shows how to use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, Iterator, Mapping, NoReturn, Optional

import pytest

if TYPE_CHECKING:
    import datetime

    from ._facade import Layer
    from .devserver import Server
    from .schemas import SessionActionError, SessionActionKind, SessionActionScanner

__all__ = ["LayerOptions", "Recorded", "RecordedAction", "RecordedSession"]

LayerOptions = Optional[Dict[str, Any]]

PATIENCE = 10.0
BRIEFLY = 1.0
SHOWN = 200


@dataclass(frozen=True)
class RecordedAction:
    """An action, as Layer received it.

    Attributes:
        session_id: The session that it belongs to.
        kind: What it is.
        start_time: When it began.
        end_time: When it ended.
        attributes: What is known of it.
        data: What was said or done, None where nothing was.
        error: What went wrong, None where nothing did.
        scanners: What scanners found, such as the token usage.
    """

    session_id: str
    kind: SessionActionKind
    start_time: datetime.datetime
    end_time: datetime.datetime
    attributes: Mapping[str, Any]
    data: Mapping[str, Any] | None
    error: SessionActionError | None
    scanners: tuple[SessionActionScanner, ...]


@dataclass(frozen=True)
class RecordedSession:
    """A session, as Layer received it.

    Attributes:
        session_id: Its id.
        application_id: The application that it belongs to.
        attributes: What is known of it.
        start_time: When it began, None where that is not known.
        end_time: When it ended, None where that is not known.
        actions: Its actions, in order.
    """

    session_id: str
    application_id: str
    attributes: Mapping[str, str]
    start_time: datetime.datetime | None
    end_time: datetime.datetime | None
    actions: tuple[RecordedAction, ...]


class Recorded:
    """What a test recorded. Each look waits until all of it has arrived.

    Args:
        server: The embedded Layer.
        layer: The `Layer` that records.
    """

    def __init__(self, server: Server, layer: Layer) -> None:
        self._url = server.url
        self._layers = [layer]
        # What other tests have recorded: by session, how many actions.
        self._before = {each["session_id"]: each["action_count"] for each in self._listed()}

    @property
    def url(self) -> str:
        """Where the embedded Layer answers."""
        return self._url

    def watch(self, layer: Layer) -> None:
        """Wait for what another `Layer` records, too.

        Args:
            layer: One that was initialized with the embedded Layer's URL as `base_url`.
        """
        self._layers.append(layer)

    def sessions(self) -> tuple[RecordedSession, ...]:
        """Give the sessions that were recorded in this test, in the order in which they arrived."""
        self._wait()
        return self._sessions()

    def _sessions(self) -> tuple[RecordedSession, ...]:
        return tuple(self._read(each["session_id"]) for each in reversed(self._listed()) if self._is_new(each))

    def session(self) -> RecordedSession:
        """Give the only session. The test fails where there is none, or another one."""
        __tracebackhide__ = True
        found = self.sessions()
        return found[0] if len(found) == 1 else self._fail(f"one session was expected, and there are {len(found)}")

    def actions(self, kind: SessionActionKind | str | None = None) -> tuple[RecordedAction, ...]:
        """Give the actions of all sessions, in order.

        Args:
            kind: Those of one kind alone, as `SessionActionKind` or its value.
        """
        wanted = None if kind is None else _kind(kind)
        return tuple(
            action for session in self.sessions() for action in session.actions if wanted in (None, action.kind)
        )

    def action(self, kind: SessionActionKind | str | None = None) -> RecordedAction:
        """Give the only action, or the only one of a kind. The test fails where there is none, or another one.

        Args:
            kind: As `SessionActionKind` or its value.
        """
        __tracebackhide__ = True
        found = self.actions(kind)
        name = "action" if kind is None else _kind(kind).value
        return found[0] if len(found) == 1 else self._fail(f"one {name} was expected, and there are {len(found)}")

    def __repr__(self) -> str:
        for layer in self._layers:
            layer.flush(BRIEFLY)
        return "\n".join(_lines(self._sessions())) or "nothing was recorded"

    def _wait(self) -> None:
        __tracebackhide__ = True
        for layer in self._layers:
            if not layer.flush(PATIENCE):
                pytest.fail(f"what was recorded did not arrive within {PATIENCE:.0f} seconds: {layer.stats()}")

    def _fail(self, what: str) -> NoReturn:
        __tracebackhide__ = True
        lost = [stats for stats in (layer.stats() for layer in self._layers) if _is_lossy(stats)]
        told = "".join(f"\nnot all of it arrived: {stats}" for stats in lost)
        pytest.fail(f"{what}. This was recorded:\n{self!r}{told}")

    def _listed(self) -> list[dict[str, Any]]:
        return list(_get(f"{self._url}/dev/sessions?limit={2**31}")["sessions"])

    def _is_new(self, session: Mapping[str, Any]) -> bool:
        before = self._before.get(session["session_id"])
        return before is None or session["action_count"] > before

    def _read(self, session_id: str) -> RecordedSession:
        first = self._before.get(session_id, 0)
        return _session(_get(f"{self._url}/dev/sessions/{session_id}?offset={first}"))


@pytest.fixture(scope="session")
def layer_server() -> Iterator[Server]:
    """An embedded Layer for all tests of the process: `layer_server.url` is where it answers.

    Nothing is set by it; what a test recorded is told apart from what others did by `recorded`.
    """
    try:
        from .devserver import Server
    except ImportError as error:
        pytest.fail(str(error), pytrace=False)
    with Server() as server:
        yield server


@pytest.fixture
def layer_options() -> LayerOptions:
    """The options that `recorded` gives to `layer.init` beside the URL. To be overridden.

    None stands for an application that calls `layer.init` itself, in the test.
    """
    return {}


@pytest.fixture
def recorded(layer_server: Server, layer_options: LayerOptions) -> Iterator[Recorded]:
    """What is recorded in a test by `layer_sdk.layer`, which is initialized for it and shut down after it."""
    from . import layer

    with layer._set_aside():  # noqa: SLF001  (no more than this is needed of it, and by nobody else)
        found = Recorded(layer_server, layer)
        if layer_options is not None:
            layer.init(**{**_defaults(layer_server.url), **layer_options})
        try:
            yield found
        finally:
            layer.shutdown(PATIENCE)


def _defaults(url: str) -> dict[str, Any]:
    from uuid import uuid4

    # One of its own, so that one key names another session in another test, see `Layer.session_id_for`.
    application = f"test-{uuid4()}"
    return {"base_url": url, "firewall_base_url": url, "application_id": application, "environment": "test"}


def _get(url: str) -> dict[str, Any]:
    import json
    from urllib.request import ProxyHandler, build_opener

    # No proxy is asked, and no `requests` either: a test may have replaced both.
    with build_opener(ProxyHandler({})).open(url, timeout=PATIENCE) as answer:
        return dict(json.load(answer))


def _kind(kind: SessionActionKind | str) -> SessionActionKind:
    from .schemas import SessionActionKind as Kind

    return Kind(kind)


def _session(said: Mapping[str, Any]) -> RecordedSession:
    return RecordedSession(
        session_id=said["session_id"],
        application_id=said["application_id"],
        attributes=said["attributes"],
        start_time=_moment(said["start_time"]),
        end_time=_moment(said["end_time"]),
        actions=tuple(_action(said["session_id"], each) for each in said["actions"]),
    )


def _action(session_id: str, said: Mapping[str, Any]) -> RecordedAction:
    from dateutil.parser import isoparse

    from .schemas import SessionActionError, SessionActionScanner

    error = said.get("error")
    return RecordedAction(
        session_id=session_id,
        kind=_kind(said["kind"]),
        start_time=isoparse(said["start_time"]),
        end_time=isoparse(said["end_time"]),
        attributes=said.get("attributes") or {},
        data=said.get("data"),
        error=None if error is None else SessionActionError.from_dict(error),
        scanners=tuple(SessionActionScanner.from_dict(each) for each in said.get("scanners") or ()),
    )


def _moment(text: str | None) -> datetime.datetime | None:
    from dateutil.parser import isoparse

    return None if text is None else isoparse(text)


def _is_lossy(stats: Mapping[str, Any]) -> bool:
    return bool(stats.get("dead_lettered") or any(stats.get("dropped", {}).values()))


def _lines(sessions: tuple[RecordedSession, ...]) -> Iterator[str]:
    for session in sessions:
        yield f"session {session.session_id} {dict(session.attributes)}"
        for action in session.actions:
            said = action.data if action.error is None else action.error.message
            yield f"  {action.kind.value} {said}"[:SHOWN]
