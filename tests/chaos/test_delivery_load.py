"""A host that records one thing after another: what is due gives way, one thread sends, and nobody is woken in vain."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Callable
from uuid import UUID

import pytest

from chaos.later import Held, engine, tell, wait_until
from chaos.recorded import MakeBackground, record
from layer_sdk._drafts import Built
from layer_sdk.delivery import _flights, _gate, _lanes, _workers

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer
    from layer_sdk.delivery._door import Door

FOR_EVER = 1e6


@pytest.fixture
def rush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a host that has recorded to record on for ever."""
    monkeypatch.setattr(_lanes, "PAUSE", FOR_EVER)
    monkeypatch.setattr(_lanes, "RUSH", FOR_EVER)


def counted(monkeypatch: pytest.MonkeyPatch, holder: object, name: str) -> list[object]:
    """Count the calls of a method, by their first argument."""
    method: Callable[..., object] = getattr(holder, name)
    calls: list[object] = []

    def called(*arguments: object) -> object:
        calls.append(arguments[0] if arguments else None)
        return method(*arguments)

    monkeypatch.setattr(holder, name, called)
    return calls


def is_done_in_time(work: Callable[[], object]) -> bool:
    """Do something that may never come to its end on a thread; tell whether it did."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def test_what_is_due_gives_way_until_the_host_pauses(background: MakeBackground) -> None:
    """It may go a hundredth of a second after the last record, or nine tenths after it was due; to the figures."""
    mine = background()
    flights = engine(mine)._flights
    record(mine, 1)
    with flights.door.locked():
        pushed = flights.lanes._pushed
        when = [flights.ready_at(pushed + due) - pushed for due in (-5.0, -0.895, -0.5, 0.0, 0.5)]
    assert pytest.approx([-4.1, 0.005, 0.01, 0.01, 0.5]) == when


@pytest.mark.parametrize(
    ("worked", "went_by", "is_busy"), [(0.9, 1.0, True), (0.2, 1.0, False), (0.004, 0.004, False), (0.9, 0.004, False)]
)
def test_host_that_works_does_not_pause(
    background: MakeBackground,
    worked: float,
    went_by: float,
    is_busy: bool,  # noqa: FBT001
) -> None:
    """A process that has used most of a processor since somebody looked is in a rush, though it has not recorded."""
    flights = engine(background())._flights
    with flights.door.locked():
        now = time.monotonic()
        flights.workers._seen = time.process_time() - worked, now - went_by
        flights.workers._look()
        assert is_busy == (flights.lanes._pushed >= now)


@pytest.mark.usefixtures("rush")
def test_flush_does_not_give_way(background: MakeBackground) -> None:
    """Whoever flushes waits for nothing but the answers."""
    mine = background()
    record(mine, 2, sessions=3)
    assert mine.flush(20)
    assert (9, 3) == (mine.stats()["sent"], mine.stats()["requests"])


@pytest.mark.usefixtures("rush")
def test_explicit_call_does_not_give_way(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A call that goes behind what waits in its session has that sent, and is answered."""
    mine = background()
    (session_id,) = record(mine, 1)
    assert is_done_in_time(lambda: mine.append_action(session_id, kind="embeddings", data={"key": "1"}))
    assert ["0", "1"] == fake_layer.keys_by_session()[session_id]


@pytest.mark.usefixtures("rush")
def test_a_lot_does_not_give_way(background: MakeBackground) -> None:
    """What takes more than a quarter of the memory there is goes, however busy the host is."""
    mine = background(max_queue_bytes=400_000)
    record(mine, 1, sessions=20)
    assert 100_000 > mine.stats()["queued_bytes"]
    record(mine, 1, sessions=1, text="x" * 100_000)
    wait_until(lambda: 100_000 > mine.stats()["queued_bytes"])


def test_host_that_never_pauses_is_delivered_all_the_same(
    background: MakeBackground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due goes after a while, even where the host records without end."""
    monkeypatch.setattr(_lanes, "PAUSE", FOR_EVER)
    mine = background()
    record(mine, 1)
    wait_until(lambda: record(mine, 1) and mine.stats()["sent"])


def test_one_thread_sends_and_one_waits_beside_it(background: MakeBackground, monkeypatch: pytest.MonkeyPatch) -> None:
    """While answers are quick and one keeps up, there is no third thread, however many sessions are due at once."""
    monkeypatch.setattr(_workers, "GRACE", FOR_EVER)
    monkeypatch.setattr(_workers, "LONG_GRACE", FOR_EVER)
    mine = background()
    record(mine, 1, sessions=200)
    assert mine.flush(30)
    assert (200, 2) == (mine.stats()["requests"], mine.stats()["workers"])


def test_whoever_flushes_is_woken_once(background: MakeBackground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty answers come, and with the last one the thread that waits for them is woken."""
    monkeypatch.setattr(_flights, "PATIENCE", 20.0)
    mine = background()
    door: Door = engine(mine)._flights.door
    waits = counted(monkeypatch, door, "wait")
    record(mine, 1, sessions=50)
    assert mine.flush(30)
    assert 1 == sum(condition is door.changed for condition in waits)


def test_flush_is_woken_when_nothing_is_to_be_sent(background: MakeBackground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What turns out to be no action at all is no answer to wait for."""
    monkeypatch.setattr(_flights, "PATIENCE", FOR_EVER)
    mine = background()
    (session_id,) = record(mine, 1)
    assert mine.flush(20)
    engine(mine).append_later(UUID(session_id), 100, lambda: Built([], ["before_send"]))
    assert is_done_in_time(mine.flush)
    assert {"before_send": 1} == mine.stats()["dropped"]


def test_recording_wakes_nobody_while_a_request_is_under_way(
    fake_layer: FakeLayer, background: MakeBackground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that waits beside one that sends is not woken for each record."""
    monkeypatch.setattr(_workers, "GRACE", FOR_EVER)
    monkeypatch.setattr(_workers, "LONG_GRACE", FOR_EVER)
    fake_layer.switch(delay=1.0)
    mine = background()
    workers = engine(mine)._flights.workers
    record(mine, 1)
    wait_until(lambda: mine.stats()["in_flight"])
    record(mine, 1)
    wait_until(lambda: workers._wakes)
    notified = counted(monkeypatch, workers._work, "notify")
    record(mine, 1, sessions=20)
    assert [] == notified


def test_recording_wakes_nobody_during_an_outage(background: MakeBackground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the next probe there is nothing to do, whatever is recorded."""
    monkeypatch.setattr(_gate, "FIRST_DELAY", 60.0)
    mine = background(base_url="http://127.0.0.1:1")
    record(mine, 1, sessions=5)
    wait_until(lambda: mine.stats()["gate"] == "outage")
    workers = engine(mine)._flights.workers
    wait_until(lambda: not workers._flying)
    wait_until(lambda: workers._wakes)
    notified = counted(monkeypatch, workers._work, "notify")
    record(mine, 1, sessions=20)
    assert [] == notified


def test_one_thread_alone_wakes_to_look(
    fake_layer: FakeLayer, background: MakeBackground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several threads that have nothing to do, one wakes when something is due, and the others rest."""
    fake_layer.switch(delay=0.2)
    mine = background()
    flights = engine(mine)._flights
    workers = flights.workers
    monkeypatch.setattr(workers, "_idle", 1000.0)
    record(mine, 1, sessions=30)
    assert mine.flush(30)
    wait_until(lambda: len(workers._wakes) == workers.count)
    monkeypatch.setattr(flights.lanes, "_linger", 60.0)
    record(mine, 1)
    sleeps = counted(monkeypatch, workers, "_sleep")
    with flights.door.locked():
        workers.wake()
    wait_until(lambda: len(sleeps) == workers.count)
    soon = time.monotonic() + 500
    assert (True, 1) == (workers.count > 2, sum(until < soon for until in workers._wakes))


def test_another_goes_on_where_the_first_is_held_up(
    background: MakeBackground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers were quick, and one that does not come holds up its session alone."""
    monkeypatch.setattr(_workers, "LONG_GRACE", FOR_EVER)
    monkeypatch.setattr(_flights, "SLOW", FOR_EVER)
    mine = background()
    held = Held("0")
    (session_id,) = record(mine, 1)
    assert mine.flush(20)
    tell(mine, session_id, held)
    held.wait()
    record(mine, 1, sessions=3)
    wait_until(lambda: 8 == mine.stats()["sent"])
    held.let_go()
    assert mine.flush(20)


def test_one_session_that_lands_and_flies_again_calls_nobody(
    background: MakeBackground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Action by action goes out, and the thread beside is not called for each of them."""
    mine = background()
    (session_id,) = record(mine, 1)
    assert mine.flush(20)
    notified = counted(monkeypatch, engine(mine)._flights.workers._work, "notify")
    for number in range(1, 51):
        mine.append_action(session_id, kind="embeddings", data={"key": str(number)}, wait=False)
    assert mine.flush(20)
    assert (51, True) == (mine.stats()["requests"], len(notified) < 10)
