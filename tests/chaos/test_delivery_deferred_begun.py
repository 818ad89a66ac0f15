"""A session recorded along with its first action: both arrive, and both are counted, whatever becomes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

import pytest

from chaos.later import AWAY, Held, account, act, engine, fail, fields, operations, recorder
from chaos.recorded import MakeBackground, balance
from layer_sdk._ids import new_session_id
from layer_sdk.delivery._record import weigh_request

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer
    from layer_sdk import Layer, SessionActionRequest
    from layer_sdk._recording import Tell

BEGUN = 1_700_000_000.25


def begin(mine: Layer, words: Tell) -> str:
    """Record that a session begins, with what this puts into words."""
    session_id = new_session_id()
    recorder(mine).append_later(session_id, 200, words, begun=BEGUN)
    return str(session_id)


@pytest.mark.parametrize("delivery", ["background", "inline"])
def test_both_arrive_in_one_request(fake_layer: FakeLayer, background: MakeBackground, delivery: str) -> None:
    """The session begins when it is said to, with what all sessions say; inline it is a request of its own."""
    mine = background(delivery=delivery, environment="test")
    session_id = begin(mine, lambda: [fields("0"), fields("1")])
    act(mine, session_id, "2")
    assert mine.flush(10)
    assert {session_id: ["0", "1", "2"]} == fake_layer.keys_by_session()
    asked = fake_layer.requests()
    assert {"background": 1, "inline": 4}[delivery] == len(asked)
    assert ({"accepted": 4, "sent": 4, "lacks": 0}) == account({"queued_bytes": 0, **mine.stats()})


def test_both_are_counted_before_there_are_words(background: MakeBackground) -> None:
    """Two were accepted and wait; a flush that comes meanwhile waits for both."""
    mine = background()
    held = Held("0", "1")
    begin(mine, held)
    stats = mine.stats()
    assert (2, 2, 0) == (stats["accepted"], stats["queued"], balance(stats))
    assert not mine.flush(0.05)
    held.let_go()
    assert mine.flush(10)
    assert {"accepted": 3, "sent": 3, "lacks": 0} == account(mine.stats())


def test_each_is_weighed_as_what_it_is(background: MakeBackground) -> None:
    """The sizes that come along are those of the session and of each action, in that order."""
    mine = background()
    built = recorder(mine)._begun_and_built(new_session_id(), BEGUN, lambda: [fields("0"), fields("1" * 1000)], None)
    assert [weigh_request(request) for request in built.requests] == built.sizes


def test_words_that_cannot_be_made_leave_the_session(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """The action is lost by name; the session begins, and what comes behind it is sent."""
    mine = background()
    session_id = begin(mine, fail)
    act(mine, session_id, "1")
    assert mine.flush(10)
    assert {session_id: ["1"]} == fake_layer.keys_by_session()
    assert ["create"] == operations(fake_layer)
    assert {"accepted": 3, "sent": 2, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    assert ["ZeroDivisionError"] == [type(error).__name__ for error in internal_errors]
    internal_errors.clear()


def test_before_send_that_discards_leaves_the_session(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What `before_send` says of the action is not said of the session."""

    def even(action: SessionActionRequest) -> SessionActionRequest | None:
        assert isinstance(action.data, dict)
        return None if int(action.data["key"]) % 2 else action

    mine = background(before_send=even)
    session_id = begin(mine, lambda: [fields("0"), fields("1")])
    begin(mine, lambda: [fields("3")])
    assert mine.flush(10)
    assert {session_id: ["0"]} == {key: found for key, found in fake_layer.keys_by_session().items() if found}
    assert ["create", "create"] == operations(fake_layer)
    assert {"accepted": 5, "sent": 3, "dropped": {"before_send": 2}, "lacks": 0} == account(mine.stats())


def test_before_send_that_ends_the_thread_loses_both_by_name(
    background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """A SystemExit in the words is as many losses as there were records."""

    def leave(_: Any) -> NoReturn:
        raise SystemExit(3)

    mine = background(before_send=leave)
    begin(mine, lambda: [fields("0")])
    assert mine.flush(10)
    assert {"accepted": 2, "dropped": {"not_built": 2}, "lacks": 0} == account(mine.stats())
    assert ["SystemExit"] == [type(error).__name__ for error in internal_errors]
    internal_errors.clear()


def test_both_are_lost_together(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What has to give way for want of memory, or of time at the end, is two records, and told of as two."""
    fake_layer.switch(**AWAY)
    lost: list[Any] = []
    mine = background(max_queue_bytes=100_000, on_drop=lambda *loss: lost.append(loss))
    session_id = new_session_id()
    recorder(mine).append_later(session_id, 200_000, lambda: [fields("0")], begun=BEGUN)
    assert [("too_large", str(session_id), 2)] == lost
    held = Held("0")
    ended = begin(mine, held)
    engine(mine).close(0.1)
    held.let_go()
    assert ("shutdown", ended, 2) == lost[-1]
    stats = account(mine.stats())
    assert (4, {"too_large": 2, "shutdown": 2}, 0) == (stats["accepted"], stats["dropped"], stats["lacks"])


def test_spool_has_both(fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path) -> None:
    """With a spool the words are made at once, and both stand in it."""
    mine = background(spool_dir=tmp_path, spool="always")
    times: list[float] = []

    def words() -> list[dict[str, Any]]:
        times.append(time.monotonic())
        return [fields("0")]

    session_id = begin(mine, words)
    assert 1 == len(times)
    assert mine.flush(10)
    assert {session_id: ["0"]} == fake_layer.keys_by_session()
    assert {"accepted": 2, "sent": 2, "lacks": 0} == account(mine.stats())


def test_session_that_the_server_knows_already(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """It is there, and the action is appended to it."""
    mine = background()
    session_id = str(new_session_id())
    mine.create_session(session_id=session_id)
    recorder(mine).append_later(UUID(session_id), 200, lambda: [fields("0")], begun=BEGUN)
    assert mine.flush(10)
    assert {session_id: ["0"]} == fake_layer.keys_by_session()
