from __future__ import annotations

import gc
import json
import signal
import threading
from typing import TYPE_CHECKING, Any, Callable, Iterator
from uuid import uuid4

import pytest
import requests

from layer_sdk import Layer, LayerAuthError, LayerRequestError
from layer_sdk._ids import new_session_id
from layer_sdk.auth import AuthProvider
from layer_sdk.delivery._inline import InlineDelivery
from scripted_server import ACCEPTED, CREATED, SESSION, Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from conftest import MakeLayer
    from layer_sdk.delivery._sink import Sink

Recorded = Callable[[str], "dict[str, Any]"]
Scripted = Callable[..., ScriptedServer]

SECRET = "my card number is 4111 1111 1111 1111"
NOTHING = {"queued": 0, "in_flight": 0, "dead_lettered": 0}


def one_session(layer: Layer) -> str:
    """Record a session with one action."""
    with layer.session() as session_id, layer.action(kind="moderation") as action:
        action.data = SECRET
    return session_id


# ---- arriving


def test_everything_has_arrived_when_a_call_returns(make_layer: MakeLayer, recorded: Recorded) -> None:
    """A session is there when its block begins, an action when its block or call ends, in order."""
    mine = make_layer()
    with mine.session() as session_id:
        assert [] == recorded(session_id)["actions"]
        for number in range(3):
            mine.action(kind="moderation")(lambda: [number])()  # noqa: B023  (called at once)
            assert list(range(number + 1)) == [a["data"]["input"][0] for a in recorded(session_id)["actions"]]
    assert {**NOTHING, "accepted": 4, "sent": 4, "dropped": {}} == mine.stats()


def test_nothing_waits(make_layer: MakeLayer) -> None:
    """Flush has nothing to wait for; shutdown lets go of everything, and counts nothing any more."""
    mine = make_layer()
    one_session(mine)
    assert mine.flush(0.0)
    mine.shutdown()
    one_session(mine)
    assert ({}, True) == (mine.stats(), mine.flush())


def test_threads_are_counted_together(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What many threads record at once has arrived and is counted, each record once."""
    mine = make_layer()
    sessions: list[str] = []
    threads = [threading.Thread(target=lambda: sessions.append(one_session(mine))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [1] * 8 == [len(recorded(session_id)["actions"]) for session_id in sessions]
    assert {**NOTHING, "accepted": 16, "sent": 16, "dropped": {}} == mine.stats()


def test_is_a_sink(make_layer: MakeLayer) -> None:
    """Inline delivery is what recording expects of whatever delivers."""
    wire: Any = None
    sink: Sink = InlineDelivery(wire)
    assert sink.flush()
    assert {**NOTHING, "accepted": 0, "sent": 0, "dropped": {}} == sink.stats()
    assert sink.has_waiting(new_session_id())


# ---- losses


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "http_400"), (401, "http_401"), (404, "http_404"), (500, "http_500"), (520, "http_520")],
)
def test_refusals_are_counted_by_status(
    make_layer: MakeLayer, scripted: Scripted, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What the server refuses is lost by its status; one warning a minute says so, without any content."""
    server = scripted(Answer(status, json.dumps({"detail": SECRET}).encode()))
    mine = make_layer(base_url=server.url, http_session=requests.Session())
    for _ in range(3):
        one_session(mine)
    assert {**NOTHING, "accepted": 6, "sent": 0, "dropped": {reason: 6}} == mine.stats()
    assert [f"A recorded session did not reach Layer: {reason}"] == caplog.messages


def test_answer_that_cannot_be_used_is_a_loss(make_layer: MakeLayer, scripted: Scripted) -> None:
    """A creation whose answer names no session counts as lost; its actions are sent all the same."""
    server = scripted(Answer(201, b"<html>"), ACCEPTED)
    mine = make_layer(base_url=server.url)
    session_id = one_session(mine)
    assert {**NOTHING, "accepted": 2, "sent": 1, "dropped": {"http_201": 1}} == mine.stats()
    assert ["/v1/sessions", f"/v1/sessions/{session_id}/actions"] == [asked.path for asked in server.asked]


def test_no_answer_is_a_loss(make_layer: MakeLayer, scripted: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    """What gets no answer is lost by the class of the error."""
    server = scripted(Answer(cut=True))
    mine = make_layer(base_url=server.url, http_session=requests.Session())
    one_session(mine)
    assert {"LayerRequestError": 2} == mine.stats()["dropped"]
    assert all(message.endswith("did not reach Layer: LayerRequestError") for message in caplog.messages)


class NoCredentials(AuthProvider):
    """Has none to give."""

    def get_headers(self) -> dict[str, str]:
        raise LayerAuthError(SECRET)


def test_missing_credentials_are_a_loss(make_layer: MakeLayer, caplog: pytest.LogCaptureFixture) -> None:
    """Without credentials nothing is sent, and what says so holds no secret."""
    mine = make_layer(auth_provider=NoCredentials())
    one_session(mine)
    assert {"LayerAuthError": 2} == mine.stats()["dropped"]
    assert caplog.messages
    assert SECRET not in caplog.text


class Breaking(requests.Session):
    """A host's session that raises something of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def request(self, *_: Any, **__: Any) -> Any:
        raise self._error


def test_other_errors_stay_inside(
    make_layer: MakeLayer, internal_errors: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw is kept from the host, counted by its class, and logged without its text."""
    mine = make_layer(http_session=Breaking(ZeroDivisionError(SECRET)))
    one_session(mine)
    assert {**NOTHING, "accepted": 2, "sent": 0, "dropped": {"ZeroDivisionError": 2}} == mine.stats()
    assert [ZeroDivisionError] * 2 == [type(error) for error in internal_errors]
    assert SECRET not in caplog.text
    internal_errors.clear()


def test_interrupt_reaches_the_host(make_layer: MakeLayer) -> None:
    """Ctrl+C while a record is being sent goes on to the host; the record is counted."""
    mine = make_layer(http_session=Breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt), mine.session():
        pass
    assert {**NOTHING, "accepted": 1, "sent": 0, "dropped": {"KeyboardInterrupt": 1}} == mine.stats()


# ---- what the server says of a session


def test_conflict_means_that_the_session_is_there(make_layer: MakeLayer, scripted: Scripted) -> None:
    """A creation that is answered with 409 is no loss, and actions follow to the same session."""
    server = scripted(Answer(409, b'{"detail": "exists"}'), ACCEPTED)
    mine = make_layer(base_url=server.url)
    session_id = one_session(mine)
    assert {**NOTHING, "accepted": 2, "sent": 2, "dropped": {}} == mine.stats()
    assert f"/v1/sessions/{session_id}/actions" == server.asked[1].path


def test_word_of_the_server_holds(make_layer: MakeLayer, scripted: Scripted) -> None:
    """Where the server answers with another id than ours, actions of that session, and of no other, go there."""
    server = scripted(CREATED, ACCEPTED, ACCEPTED)
    mine = make_layer(base_url=server.url)
    with mine.session() as session_id:
        mine.action(kind="moderation")(lambda: 1)()
        mine.action(kind="moderation", session_id=session_id)(lambda: 2)()
        other = uuid4()
        mine.action(kind="moderation", session_id=other)(lambda: 3)()
    assert session_id != SESSION
    paths = [asked.path for asked in server.asked]
    expected = [SESSION, SESSION, str(other)]
    assert ["/v1/sessions", *(f"/v1/sessions/{each}/actions" for each in expected)] == paths


def test_servers_ids_are_kept_apart(make_layer: MakeLayer, scripted: Scripted) -> None:
    """Each session has the id that the server gave it, whichever of them was created last."""
    given: list[str] = []

    def answer(asked: Asked) -> Answer:
        if asked.path != "/v1/sessions":
            return ACCEPTED
        given.append(str(uuid4()))
        return Answer(201, json.dumps({"session_id": given[-1]}).encode(), {"Content-Type": "application/json"})

    server = scripted(answer)
    mine = make_layer(base_url=server.url)
    with mine.session(), mine.session() as inner:
        pass
    with mine.action(kind="moderation", session_id=inner):
        pass
    assert f"/v1/sessions/{given[1]}/actions" == server.asked[-1].path


# ---- wherever the thread stands


class Interrupted(requests.Session):
    """Has something happen in the middle of a request; counts how many requests are in one another."""

    def __init__(self) -> None:
        super().__init__()
        self.interruption: Callable[[], Any] | None = None
        self.inside = self.deepest = 0

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.inside += 1
        self.deepest = max(self.inside, self.deepest)
        interruption, self.interruption = self.interruption, None
        try:
            if interruption is not None:
                interruption()
            return super().request(*args, **kwargs)
        finally:
            self.inside -= 1


def test_recording_out_of_a_signal_handler(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What a signal handler records in the middle of a sending is sent after it: pools cannot be entered twice."""
    session = Interrupted()
    mine = make_layer(http_session=session)
    sessions: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda *_: sessions.append(one_session(mine)))
    try:
        for _ in range(3):
            session.interruption = lambda: signal.raise_signal(signal.SIGTERM)
            sessions.append(one_session(mine))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (6, 1) == (len(sessions), session.deepest)
    assert [1] * 6 == [len(recorded(session_id)["actions"]) for session_id in sessions]
    assert {**NOTHING, "accepted": 12, "sent": 12, "dropped": {}} == mine.stats()


def test_recording_in_the_middle_of_an_explicit_call(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What a signal handler records in the middle of an explicit call is sent after it, whatever becomes of it."""
    session = Interrupted()
    mine = make_layer(http_session=session)
    sessions: list[str] = []

    def fail() -> None:
        sessions.append(one_session(mine))
        raise requests.ConnectionError

    session.interruption = lambda: sessions.append(one_session(mine))
    sessions.append(mine.create_session(actions=[{"kind": "moderation"}]))
    session.interruption = fail
    with pytest.raises(LayerRequestError):
        mine.append_action(sessions[0], kind="moderation")
    assert (3, 1) == (len(sessions), session.deepest)
    assert [1] * 3 == [len(recorded(session_id)["actions"]) for session_id in sessions]
    assert {**NOTHING, "accepted": 4, "sent": 4, "dropped": {}} == mine.stats()


def test_recording_out_of_the_garbage_collector(make_layer: MakeLayer, recorded: Recorded) -> None:
    """A generator that the garbage collector closes in the middle of a sending is recorded after it."""
    session = Interrupted()
    mine = make_layer(http_session=session)
    session_id = mine.create_session()

    @mine.action(kind="moderation", session_id=session_id)
    def generator(kept: list[Any]) -> Iterator[str]:
        yield "left"
        kept.clear()

    def leave() -> None:
        kept: list[Any] = []
        kept.append(generator(kept))
        next(kept[0])

    leave()
    session.interruption = gc.collect
    other = one_session(mine)
    assert 1 == session.deepest
    assert [["left"]] == [action["data"]["input"] for action in recorded(session_id)["actions"]]
    assert 1 == len(recorded(other)["actions"])
    assert {**NOTHING, "accepted": 3, "sent": 3, "dropped": {}} == mine.stats()


def test_interrupted_sending_leaves_the_next_one_alone(make_layer: MakeLayer, recorded: Recorded) -> None:
    """After Ctrl+C in the middle of a sending, the thread sends as before."""
    session = Interrupted()
    mine = make_layer(http_session=session)

    def interrupt() -> None:
        raise KeyboardInterrupt

    session.interruption = interrupt
    with pytest.raises(KeyboardInterrupt):
        one_session(mine)
    assert 1 == len(recorded(one_session(mine))["actions"])
    assert {**NOTHING, "accepted": 3, "sent": 2, "dropped": {"KeyboardInterrupt": 1}} == mine.stats()
