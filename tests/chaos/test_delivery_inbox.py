"""While a worker attends, what is recorded waits for no lock; whoever asks finds it all the same, in its order."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from chaos.later import Noted, account, act, engine, fields, later, recorder, tell, wait_until
from chaos.recorded import MakeBackground, balance, numbers
from layer_sdk._drafts import Built
from layer_sdk._ids import new_session_id
from layer_sdk.delivery import _lanes
from layer_sdk.delivery._inbox import MOST

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer
    from layer_sdk import Layer
    from layer_sdk.delivery._inbox import Inbox
    from layer_sdk.delivery._record import Record

FOR_EVER = 1e6


def inbox_of(mine: Layer) -> Inbox:
    return engine(mine)._flights.inbox


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def attended(background: MakeBackground, monkeypatch: pytest.MonkeyPatch, noted: Noted) -> Layer:
    """Give a Layer whose worker attends, and looks at nothing before somebody calls it."""
    monkeypatch.setattr(_lanes, "PAUSE", FOR_EVER)
    monkeypatch.setattr(_lanes, "RUSH", FOR_EVER)
    mine = background(http_session=noted)
    monkeypatch.setattr(engine(mine)._flights.workers, "_attention", FOR_EVER)
    later(mine, begun(mine), "first")
    wait_until(lambda: inbox_of(mine).is_attended)
    return mine


def begun(mine: Layer) -> str:
    with mine.session() as session_id:
        return session_id


def test_recording_waits_for_no_lock(fake_layer: FakeLayer, attended: Layer) -> None:
    """Another thread holds the engine's lock: a session and an action are recorded meanwhile, and arrive later."""
    flights, is_held, is_recorded = engine(attended)._flights, threading.Event(), threading.Event()
    kept: list[bool] = []

    def hold() -> None:
        with flights.door.locked():
            is_held.set()
            kept.append(is_recorded.wait(5))

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_held.wait(5)
    session_id = begun(attended)
    later(attended, session_id, "0")
    is_recorded.set()
    thread.join(10)
    assert [True] == kept
    assert attended.flush(20)
    assert ["0"] == fake_layer.keys_by_session()[session_id]


def test_what_is_in_there_is_counted_when_somebody_asks(attended: Layer) -> None:
    """The account knows of it at once, and lacks nothing."""
    before = attended.stats()["accepted"]
    session_id = begun(attended)
    later(attended, session_id, "0")
    assert inbox_of(attended).items
    stats = attended.stats()
    assert (before + 2, 0) == (stats["accepted"], balance(stats))


def test_order_is_kept_whichever_way_records_come(fake_layer: FakeLayer, attended: Layer) -> None:
    """One through the inbox, one past it, one too large for it, an explicit call: as they were recorded."""
    session_id = begun(attended)
    later(attended, session_id, "0")
    act(attended, session_id, "1")
    later(attended, session_id, "2")
    later(attended, session_id, "3", size=inbox_of(attended).largest)
    assert 2 == len(inbox_of(attended).items)
    later(attended, session_id, "4", size=inbox_of(attended).largest + 1)
    assert not inbox_of(attended).items
    later(attended, session_id, "5")
    assert inbox_of(attended).items
    attended.append_action(session_id, **fields("6"))
    later(attended, session_id, "7")
    assert attended.flush(20)
    assert numbers(8) == fake_layer.keys_by_session()[session_id]


def test_explicit_call_queues_behind_what_is_in_there(fake_layer: FakeLayer, attended: Layer) -> None:
    """A session that nobody has looked at yet has something waiting."""
    session_id = begun(attended)
    assert inbox_of(attended).items
    assert engine(attended).has_waiting(UUID(session_id))
    attended.append_action(session_id, **fields("0"))
    assert ["0"] == fake_layer.keys_by_session()[session_id]


def test_explicit_call_queues_behind_what_is_being_taken_out(attended: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the inbox and its lane, a record is nowhere to be seen: who asks waits for it to arrive."""
    flights, is_between = engine(attended)._flights, threading.Event()
    push = flights.lanes.push

    def late(session_id: UUID, record: Record, came: float | None = None) -> None:
        is_between.set()
        time.sleep(0.2)
        push(session_id, record, came)

    session_id = begun(attended)
    monkeypatch.setattr(flights.lanes, "push", late)
    taking = threading.Thread(target=engine(attended)._empty_inbox)
    taking.start()
    assert is_between.wait(5)
    assert engine(attended).has_waiting(UUID(session_id))
    taking.join(5)


@pytest.mark.parametrize("place", ["before", "after"])
def test_interrupt_loses_nothing_that_others_have_recorded(
    fake_layer: FakeLayer, attended: Layer, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Ctrl-C that strikes a flush as it puts a record into its lane, or as it plans that, goes on to the host."""
    session_id = begun(attended)
    lanes = engine(attended)._flights.lanes
    name = {"before": "push", "after": "plan"}[place]
    method = getattr(lanes, name)

    def strike(*_: object) -> None:
        monkeypatch.setattr(lanes, name, method)
        raise KeyboardInterrupt

    monkeypatch.setattr(lanes, name, strike)
    with pytest.raises(KeyboardInterrupt):
        attended.flush(5)
    assert attended.flush(5)
    assert [] == fake_layer.keys_by_session()[session_id]
    assert ({}, 0) == (attended.stats()["dropped"], balance(attended.stats()))


def test_what_is_put_aside_keeps_its_place(fake_layer: FakeLayer, attended: Layer) -> None:
    """A signal handler that strikes in the engine records one action past the inbox, and then one that would fit."""
    session_id = begun(attended)
    with engine(attended)._flights.door.locked():
        act(attended, session_id, "0")
        later(attended, session_id, "1")
    later(attended, session_id, "2")
    assert attended.flush(20)
    assert numbers(3) == fake_layer.keys_by_session()[session_id]


def test_more_than_it_holds_goes_past_it(fake_layer: FakeLayer, attended: Layer) -> None:
    """Nobody has to come for it: whoever finds it full empties it."""
    session_id = begun(attended)
    most = 0
    for number in range(3 * MOST):
        later(attended, session_id, str(number))
        most = max(most, len(inbox_of(attended).items))
    assert MOST == most
    assert attended.flush(30)
    assert numbers(3 * MOST) == fake_layer.keys_by_session()[session_id]


def test_loss_is_told_of_by_what_comes_behind_it(attended: Layer, noted: Noted) -> None:
    """What is discarded in between leaves its mark in its place, not before what came in earlier."""
    session_id = begun(attended)
    later(attended, session_id, "0")
    engine(attended).discard(UUID(session_id), "not_built")
    tell(attended, session_id, partial(list, [fields("1")]))
    assert attended.flush(20)
    assert {"1": {"layer.dropped_before": 1}} == noted.attributes()
    assert {"not_built": 1} == attended.stats()["dropped"]


def test_end_delivers_what_is_in_there(fake_layer: FakeLayer, attended: Layer) -> None:
    """What was recorded right before the end is sent."""
    session_id = begun(attended)
    later(attended, session_id, "0")
    assert inbox_of(attended).items
    attended.shutdown(20)
    assert ["0"] == fake_layer.keys_by_session()[session_id]


@pytest.mark.parametrize(("overflow", "is_attended"), [("block", False), ("drop_oldest", True)])
def test_whoever_may_have_to_wait_does_not_leave_it_to_others(
    background: MakeBackground,
    monkeypatch: pytest.MonkeyPatch,
    overflow: str,
    is_attended: bool,  # noqa: FBT001
) -> None:
    """With `block`, each record finds its room by itself."""
    mine = background(overflow=overflow)
    monkeypatch.setattr(engine(mine)._flights.workers, "_attention", FOR_EVER)
    session_id = begun(mine)
    assert mine.flush(20)
    with engine(mine)._flights.door.locked():
        engine(mine)._flights.workers.attend(time.monotonic())
        assert is_attended == inbox_of(mine).is_attended
    later(mine, session_id, "0")


def test_nobody_attends_once_memory_fills_up(attended: Layer) -> None:
    """What goes past the inbox is the last that it has room beside."""
    monitored = inbox_of(attended)
    assert monitored.is_attended
    monitored._room = 0
    act(attended, begun(attended), "0")
    assert not monitored.is_attended


def test_nobody_attends_once_the_end_has_begun(attended: Layer) -> None:
    """Who records then is told at once what becomes of it, though workers are there and about to look."""
    flights = engine(attended)._flights
    flights.drain()
    assert not flights.inbox.is_attended
    with flights.door.locked():
        flights.workers.attend(time.monotonic())
    assert not flights.inbox.is_attended


def test_worker_looks_before_it_goes_to_sleep(background: MakeBackground) -> None:
    """What came in after it looked last, when nobody had said that somebody attends, keeps it awake."""
    flights = engine(background())._flights
    with flights.door.locked():
        flights.inbox.items.append((new_session_id(), 1, lambda: Built([], []), False, 1, time.monotonic()))
        began = time.monotonic()
        flights.workers._sleep(began + 5)
        assert time.monotonic() - began < 2
        flights.inbox.items.clear()


def test_nobody_attends_after_the_end(background: MakeBackground) -> None:
    """What is recorded then is lost at once, by name."""
    lost: list[str] = []
    mine = background(on_drop=lambda reason, _session, _count: lost.append(reason))
    session_id = begun(mine)
    record, inbox = recorder(mine), inbox_of(mine)
    mine.shutdown(20)
    record.append_later(UUID(session_id), 10, lambda: [fields("0")])
    assert (["closed"], False, 0) == (lost, inbox.is_attended, len(inbox.items))


def test_what_comes_in_is_looked_at_though_nothing_else_happens(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """Bursts and pauses of all lengths, and nobody who asks: each session is created all the same."""
    mine, ids = background(), []
    for number in range(60):
        session_id = begun(mine)
        later(mine, session_id, str(number))
        ids.append(session_id)
        time.sleep((number % 7) * 0.01)
    expected = {session_id: [str(number)] for number, session_id in enumerate(ids)}
    wait_until(lambda: fake_layer.keys_by_session() == expected)
    wait_until(lambda: mine.stats()["sent"] == 120)  # the last answer may be on its way
    assert {"accepted": 120, "sent": 120, "lacks": 0} == account({**mine.stats(), "queued_bytes": 0})


def test_worker_that_goes_leaves_nothing_behind(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """The only worker is held up by the network: another one comes for what comes in."""
    mine = background()
    first = begun(mine)
    wait_until(lambda: first in fake_layer.keys_by_session())
    fake_layer.switch(delay=1.0)
    slow = begun(mine)
    wait_until(lambda: mine.stats()["in_flight"])
    began = time.monotonic()
    quick = begun(mine)
    wait_until(lambda: len(fake_layer.requests()) == 3)
    assert time.monotonic() - began < 1.9  # it does not wait until the other one is answered
    assert mine.flush(20)
    assert {first, slow, quick} == set(fake_layer.keys_by_session())
