"""What a worker is to put into words, on its way to Layer over real HTTP: what it becomes, and who waits for it."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from chaos.later import (
    Held,
    account,
    act,
    engine,
    fail,
    later,
    operations,
    tell,
    wait_until,
)
from chaos.recorded import MakeBackground, balance, numbers, record
from layer_sdk import LayerHTTPError, SessionActionRequest
from layer_sdk._ids import new_session_id
from layer_sdk._suppression import is_suppressed

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer


# ---- what a record turns out to be


def test_record_turns_out_to_be_none_one_or_several(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Each counts as what it is, in its place, and all of it travels with the request that makes the session."""
    mine = background()
    with mine.session() as session_id:
        act(mine, session_id, "0")
        later(mine, session_id, "1")
        later(mine, session_id)
        later(mine, session_id, "2", "3", "4")
        act(mine, session_id, "5")
        later(mine, session_id, "6", "7")
    assert mine.flush(10)
    assert ({session_id: numbers(8)}, ["create"]) == (fake_layer.keys_by_session(), operations(fake_layer))
    assert {"accepted": 9, "sent": 9, "lacks": 0} == account(mine.stats())


def test_session_whose_beginning_is_lost_is_begun_by_its_action(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """Where what is known of a session cannot be put into words, its actions arrive all the same, and it is counted."""
    mine = background()
    session_id = str(new_session_id())
    engine(mine).append_later(UUID(session_id), 10, fail, opens=True)
    later(mine, session_id, "0")
    assert mine.flush(10)
    assert {session_id: ["0"]} == fake_layer.keys_by_session()
    assert {"accepted": 2, "sent": 1, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    assert [ZeroDivisionError] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_record_of_a_session_that_is_there_is_appended(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Behind the creation each action is a request, one at a time, in order; nothing makes no request."""
    mine = background()
    with mine.session() as session_id:
        assert mine.flush(10)
        later(mine, session_id, "0", "1", "2")
        later(mine, session_id)
        act(mine, session_id, "3")
        later(mine, session_id, "4")
    assert mine.flush(10)
    assert {session_id: numbers(5)} == fake_layer.keys_by_session()
    assert (1, ["create"] + ["append"] * 5) == (fake_layer.most_in_flight(), operations(fake_layer))
    assert {"accepted": 6, "sent": 6, "lacks": 0} == account(mine.stats())


def test_session_of_records_that_are_nothing_leaves_nothing_behind(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """A lane in which nothing is left is forgotten, so that flush and the end have nothing to wait for."""
    mine = background()
    with mine.session() as session_id:
        assert mine.flush(10)
        for _ in range(3):
            later(mine, session_id)
    assert mine.flush(10)
    assert ({"accepted": 1, "sent": 1, "lacks": 0}, 0) == (account(mine.stats()), mine.stats()["lanes"])
    assert ["create"] == operations(fake_layer)


def test_account_holds_while_records_turn_out_to_be_others(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What was accepted is sent, waiting, under way or lost at every moment, and in the end memory is empty."""
    fake_layer.switch(chances={"append": {422: 0.05}})
    mine = background()
    stop = threading.Event()
    wrong: set[int] = set()

    def watch() -> None:
        while not stop.is_set():
            wrong.add(balance(mine.stats()))

    def hammer() -> None:
        for _ in range(20):
            with mine.session() as session_id:
                for number in range(5):
                    later(mine, session_id, *numbers(number))
                    act(mine, session_id, "x")

    threads = [threading.Thread(target=hammer) for _ in range(3)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    is_flushed = mine.flush(30)
    stop.set()
    watcher.join()
    stats = mine.stats()
    assert (True, {0}, 0) == (is_flushed, wrong, stats["queued_bytes"])
    assert 3 * 20 * (1 + 10 + 5) == stats["accepted"] == stats["sent"] + stats["dead_lettered"]


# ---- who waits for what


def test_flush_waits_for_all_that_a_record_turned_out_to_be(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A flush that began before the record was built comes back when the last of its actions has arrived."""
    fake_layer.switch(delay={"append": 0.05})
    mine = background()
    found: list[Any] = []
    with mine.session() as session_id:
        assert mine.flush(10)
        held = Held(*numbers(5))
        tell(mine, session_id, held)
        held.wait()
        flushes = [threading.Thread(target=lambda: found.append((mine.flush(20), fake_layer.keys()))) for _ in range(2)]
        for thread in flushes:
            thread.start()
        wait_until(lambda: len(engine(mine)._flights.account._tickets) == 2)
        held.let_go()
        for thread in flushes:
            thread.join()
    assert [(True, numbers(5))] * 2 == found


def test_flush_does_not_wait_for_what_came_after_it(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """While a later record is still being built, a flush for what came before it ends, in the same lane as well."""
    fake_layer.switch(delay=0.3)
    mine = background()
    found: list[bool] = []
    with mine.session() as session_id:
        later(mine, session_id, "0")
        thread = threading.Thread(target=lambda: found.append(mine.flush(20)))
        thread.start()
        wait_until(lambda: fake_layer.keys() == ["0"])
        held = Held("1", "2")
        tell(mine, session_id, held)
        thread.join()
        assert [True] == found
        held.let_go()
    assert mine.flush(10)
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()


def test_host_goes_on_while_a_record_is_built(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Recording into the same session and others, asking for the account and flushing others need not wait for it."""
    mine = background()
    with mine.session() as session_id:
        held = Held("0", "1")
        tell(mine, session_id, held)
        held.wait()
        for number in range(2, 100):
            (later if number % 2 else act)(mine, session_id, str(number))
        assert [0, 0] == [balance(mine.stats()), held.times - 1]
        (other,) = record(mine, 3)
        fake_layer.wait_for(3, 10)
        assert {other: numbers(3)} == fake_layer.keys_by_session()
        assert not mine.flush(0.05)
        held.let_go()
    assert mine.flush(20)
    assert numbers(100) == fake_layer.keys_by_session()[session_id]
    assert {"accepted": 105, "sent": 105, "lacks": 0} == account(mine.stats())


def test_explicit_call_goes_behind_what_is_still_to_be_built(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """It waits its turn behind all that the record turns out to be, and so does one that Layer refuses."""
    mine = background()
    with mine.session() as session_id:
        later(mine, session_id, "0", "1")
        mine.append_action(session_id, kind="embeddings", data={"key": "2"})
        assert {session_id: numbers(3)} == fake_layer.keys_by_session()
        later(mine, session_id, "3", "4")
        with pytest.raises(LayerHTTPError):
            mine.append_action(session_id, kind="embeddings", data={"key": "5", "poison": True})
    assert {session_id: numbers(5)} == fake_layer.keys_by_session()
    assert 0 == balance(mine.stats())


@pytest.mark.parametrize("workers", [8, 0])
def test_before_send_that_waits_for_its_own_action_is_not_left_waiting(
    fake_layer: FakeLayer, background: MakeBackground, workers: int
) -> None:
    """A flush or an explicit call in there does not wait for itself, on a worker or where the host's thread sends."""
    flushed: list[bool] = []

    def wait(action: SessionActionRequest) -> SessionActionRequest:
        assert isinstance(action.data, dict)
        if action.data["key"] == "0":
            flushed.append(mine.flush())
            mine.append_action(session_id, kind="embeddings", data={"key": "explicit"})
        return action

    mine = background(before_send=wait)
    engine(mine)._flights.workers._limit = workers
    with mine.session() as session_id:
        assert mine.flush(10)
        later(mine, session_id, "0")
        thread = threading.Thread(target=mine.flush, daemon=True)
        thread.start()
        thread.join(10)
    assert ([False], False) == (flushed, thread.is_alive())
    assert {session_id: ["explicit", "0"]} == fake_layer.keys_by_session()
    assert {"accepted": 2, "sent": 2, "lacks": 0} == account(mine.stats())


# ---- records made while another is built


def test_before_send_that_records_is_served(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What is recorded while a record is built comes behind all that waits in its session, or has one of its own."""
    own: list[str] = []

    def audit(action: SessionActionRequest) -> SessionActionRequest:
        assert isinstance(action.data, dict)
        if action.data["key"] in ("10", "11"):
            later(mine, session_id, f"later {action.data['key']}")
            act(mine, session_id, f"now {action.data['key']}")
            own.extend(record(mine, 1))
        return action

    mine = background(before_send=audit)
    with mine.session() as session_id:
        later(mine, session_id, "10", "11")
    assert mine.flush(10)
    assert mine.flush(10)  # for what was recorded during the first
    found = fake_layer.keys_by_session()
    assert ["10", "11", "later 10", "now 10", "later 11", "now 11"] == found.pop(session_id)
    assert {each: ["0"] for each in own} == found


@pytest.mark.parametrize("delivery", ["background", "inline"])
def test_what_before_send_does_is_our_own_doing(
    fake_layer: FakeLayer, background: MakeBackground, delivery: str
) -> None:
    """While words are made nothing is instrumented: a `before_send` that asks a model would go on for ever."""
    found: list[bool] = []

    def ask(action: SessionActionRequest) -> SessionActionRequest:
        found.append(is_suppressed())
        return action

    mine = background(before_send=ask, delivery=delivery)
    with mine.session() as session_id:
        later(mine, session_id, "0")
    assert mine.flush(10)
    assert ([True], False) == (found, is_suppressed())


def test_records_of_destructors_under_the_lock_are_built_later(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """What a destructor hands over while its thread is in the engine is put aside, and neither lost nor built there."""

    class Abandoned:
        def __init__(self, number: int) -> None:
            self._number = number
            self._itself = self

        def __del__(self) -> None:
            later(mine, session_id, str(self._number), str(self._number + 1))

    mine = background()
    admit = engine(mine)._admit
    left = [8, 6, 4, 2, 0]

    def struck(*arguments: Any) -> None:
        if left:
            Abandoned(left.pop())
            gc.collect(0)
        admit(*arguments)

    with mine.session() as session_id:
        engine(mine)._admit = struck  # type: ignore[assignment, method-assign]
        later(mine, session_id)
    assert mine.flush(10)
    assert mine.flush(10)
    assert {session_id: numbers(10)} == fake_layer.keys_by_session()
    assert {"accepted": 11, "sent": 11, "lacks": 0} == account(mine.stats())
