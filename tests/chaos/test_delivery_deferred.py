"""What a worker is to put into words, on its way to Layer over real HTTP."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

import pytest

from chaos.later import Held, Noted, act, engine, fields, later, recorder, tell, wait_until
from chaos.recorded import MakeBackground, balance, numbers, record, recover
from layer_sdk import LayerHTTPError, SessionActionRequest
from layer_sdk._suppression import is_suppressed
from layer_sdk.delivery import Built

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer

AWAY: dict[str, Any] = {"chances": {"*": {503: 1.0}}}
BACK: dict[str, Any] = {"chances": {}}


def account(stats: dict[str, Any]) -> dict[str, Any]:
    """Give what the account says in the end, and what it lacks."""
    names = ("accepted", "sent", "dead_lettered", "dropped", "queued_bytes")
    return {**{name: stats[name] for name in names if stats[name]}, "lacks": balance(stats)}


def operations(fake_layer: FakeLayer) -> list[str]:
    return [asked.operation for asked in fake_layer.requests()]


def fail() -> NoReturn:
    raise ZeroDivisionError


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


# ---- what is discarded, and what cannot be built


def test_before_send_is_asked_on_a_worker_and_may_discard_some(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """Of several actions those that are left are sent, those discarded are counted; nobody is told of a loss."""
    threads: set[str] = set()
    lost: list[Any] = []

    def even(action: SessionActionRequest) -> SessionActionRequest | None:
        threads.add(threading.current_thread().name[:9])
        assert isinstance(action.data, dict)
        return None if int(action.data["key"]) % 2 else action

    mine = background(before_send=even, on_drop=lambda *loss: lost.append(loss))
    with mine.session() as session_id:
        later(mine, session_id, *numbers(5))
        later(mine, session_id, "1")
        later(mine, session_id, "1", "3")
        later(mine, session_id, "6")
    assert mine.flush(10)
    assert {session_id: ["0", "2", "4", "6"]} == fake_layer.keys_by_session()
    assert {"accepted": 10, "sent": 5, "dropped": {"before_send": 5}, "lacks": 0} == account(mine.stats())
    assert ({"layer-sdk"}, []) == (threads, lost)


def test_before_send_may_discard_all(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Of a session whose actions are all discarded the session is sent, and what comes behind it is waited for."""
    mine = background(before_send=lambda _: None)
    with mine.session() as session_id:
        later(mine, session_id, "0", "1")
        assert mine.flush(10)
        later(mine, session_id, "2")
        later(mine, session_id, "3", "4")
    assert mine.flush(10)
    assert {session_id: []} == fake_layer.keys_by_session()
    assert {"accepted": 6, "sent": 1, "dropped": {"before_send": 5}, "lacks": 0} == account(mine.stats())


def test_before_send_that_ends_its_thread_loses_its_action_alone(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """SystemExit on a worker is a loss with a name: what else the session recorded arrives, and nothing hangs."""

    def leave(action: SessionActionRequest) -> SessionActionRequest:
        assert isinstance(action.data, dict)
        if action.data["key"] == "1":
            raise SystemExit
        return action

    mine = background(before_send=leave)
    with mine.session() as session_id:
        for key in numbers(4):
            later(mine, session_id, key)
    assert mine.flush(10)
    assert {session_id: ["0", "2", "3"]} == fake_layer.keys_by_session()
    assert {"accepted": 5, "sent": 4, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    assert [SystemExit] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_ctrl_c_where_the_hosts_thread_builds_goes_on_to_the_host(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """For want of workers a flush builds: what strikes there is the host's, and the rest is sent by the next flush."""

    def strike(action: SessionActionRequest) -> SessionActionRequest:
        assert isinstance(action.data, dict)
        if action.data["key"] == "1":
            raise KeyboardInterrupt
        return action

    mine = background(before_send=strike)
    engine(mine)._flights.workers._limit = 0
    with mine.session() as session_id:
        for key in numbers(4):
            later(mine, session_id, key)
    with pytest.raises(KeyboardInterrupt):
        mine.flush(10)
    assert 0 == balance(mine.stats())
    assert mine.flush(10)
    assert {session_id: ["0", "2", "3"]} == fake_layer.keys_by_session()
    assert {"accepted": 5, "sent": 4, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())


@pytest.mark.parametrize("has_begun", [False, True])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_what_cannot_be_built_is_a_loss_with_a_name(
    fake_layer: FakeLayer,
    background: MakeBackground,
    internal_errors: list[BaseException],
    *,
    place: int,
    has_begun: bool,
) -> None:
    """It is counted, told of and logged; the others arrive, and the one behind it says that one is missing."""
    lost: list[tuple[str, str, int]] = []
    noted = Noted()
    mine = background(on_drop=lambda *loss: lost.append(loss), http_session=noted)
    with mine.session() as session_id:
        assert not has_begun or mine.flush(10)
        for number in range(4):
            if number == place:
                tell(mine, session_id, fail)
            else:
                later(mine, session_id, str(number))
            assert not has_begun or mine.flush(10)
        assert mine.flush(10)
        act(mine, session_id, "4")
    assert mine.flush(10)
    assert {session_id: [key for key in numbers(5) if key != str(place)]} == fake_layer.keys_by_session()
    assert {"accepted": 6, "sent": 5, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    wait_until(lambda: lost)
    assert [("not_built", session_id, 1)] == lost
    assert {str(place + 1): {"layer.dropped_before": 1}} == noted.attributes()
    assert [ZeroDivisionError] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_actions_that_are_lost_and_kept_in_one_record_are_all_counted(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """Where scrubbing fails for some of a record's actions, each is a loss, and the others are sent."""
    lost: list[str] = []

    def scrub(action: SessionActionRequest) -> Any:
        assert isinstance(action.data, dict)
        return action if action.data["key"] in "04" else "no action"

    noted = Noted()
    mine = background(before_send=scrub, on_drop=lambda reason, *_: lost.append(reason), http_session=noted)
    with mine.session() as session_id:
        later(mine, session_id, *numbers(3))
        later(mine, session_id, "3")
        later(mine, session_id, "4")
    assert mine.flush(10)
    assert {session_id: ["0", "4"]} == fake_layer.keys_by_session()
    assert {"accepted": 6, "sent": 3, "dropped": {"before_send_failed": 3}, "lacks": 0} == account(mine.stats())
    wait_until(lambda: len(lost) == 3)
    assert {"before_send_failed"} == set(lost)
    assert 3 == sum(each["layer.dropped_before"] for each in noted.attributes().values())


def test_gap_is_told_of_by_what_there_is_behind_it(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where the record behind a gap turns out to be nothing, the next one says what is missing."""
    noted = Noted()
    mine = background(before_send=lambda action: action if action.data["key"] == "last" else None, http_session=noted)
    with mine.session() as session_id:
        assert mine.flush(10)
        lane = Held("hidden")
        tell(mine, session_id, lane, size=100)
        lane.wait()
        later(mine, session_id, "x", size=100_000_000)
        later(mine, session_id, "x", size=100_000_000)
        later(mine, session_id)
        later(mine, session_id, "hidden")
        later(mine, session_id, "hidden", "hidden")
        lane.let_go()
        assert mine.flush(10)
        later(mine, session_id, "last")
    assert mine.flush(10)
    assert {"last": {"layer.dropped_before": 2}} == noted.attributes()
    dropped = {"too_large": 2, "before_send": 4}
    assert {"accepted": 8, "sent": 2, "dropped": dropped, "lacks": 0} == account(mine.stats())


def test_gap_is_told_of_where_the_loss_was_seen_at_once(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException], tmp_path: Path
) -> None:
    """With a spool, and for what is recorded in words, it is the next action that tells of what could not be made."""

    def scrub(action: SessionActionRequest) -> Any:
        assert isinstance(action.data, dict)
        return action if action.data["key"].isdigit() else "no action"

    noted = Noted()
    mine = background(spool_dir=tmp_path, before_send=scrub, http_session=noted)
    with mine.session() as session_id:
        tell(mine, session_id, fail)
        later(mine, session_id, "0")
        act(mine, session_id, "x")
        later(mine, session_id, "y", "1", "z")
        act(mine, session_id, "2")
    assert mine.flush(10)
    told = {key: attributes["layer.dropped_before"] for key, attributes in noted.attributes().items()}
    assert ({session_id: numbers(3)}, {"0": 1, "1": 1, "2": 2}) == (fake_layer.keys_by_session(), told)
    dropped = {"not_built": 1, "before_send_failed": 3}
    assert {"accepted": 8, "sent": 4, "dropped": dropped, "lacks": 0} == account(mine.stats())
    internal_errors.clear()


def test_action_that_cannot_be_made_leaves_the_others_of_its_record(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """Of several actions the one that makes no sense is lost, and counted, alone."""
    mine = background()
    with mine.session() as session_id:
        tell(mine, session_id, lambda: [fields("0"), {**fields("x"), "kind": "of a kind"}, fields("1")])
    assert mine.flush(10)
    assert {session_id: ["0", "1"]} == fake_layer.keys_by_session()
    assert {"accepted": 4, "sent": 3, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    assert ["LayerSchemaValidationError"] == [type(error).__name__ for error in internal_errors]
    internal_errors.clear()


def test_words_that_are_no_words_are_a_loss(
    fake_layer: FakeLayer, background: MakeBackground, internal_errors: list[BaseException]
) -> None:
    """What gives something else than actions loses itself, and neither the worker nor the session."""
    mine = background()
    with mine.session() as session_id:
        wrong: Any = lambda: None  # noqa: E731
        engine(mine).append_later(UUID(session_id), 100, wrong)
        act(mine, session_id, "0")
    assert mine.flush(10)
    assert {session_id: ["0"]} == fake_layer.keys_by_session()
    assert {"accepted": 3, "sent": 2, "dropped": {"not_built": 1}, "lacks": 0} == account(mine.stats())
    assert 1 == len(internal_errors)
    internal_errors.clear()


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


# ---- memory


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest", "block"])
def test_what_is_to_be_built_counts_as_what_it_was_said_to_weigh(
    fake_layer: FakeLayer, background: MakeBackground, overflow: str
) -> None:
    """With the server away the policy decides by those weights; what is kept arrives whole, and the rest is counted."""
    fake_layer.switch(**AWAY)
    mine = background(max_queue_bytes=200_000, overflow=overflow)
    engine(mine)._limits = engine(mine)._limits._replace(block_timeout=0.01)
    most = 0
    for _ in range(40):
        with mine.session() as session_id:
            for number in range(4):
                later(mine, session_id, f"{number}0", f"{number}1", size=2000)
        most = max(most, mine.stats()["queued_bytes"])
    stats = mine.stats()
    assert (0, True, ["overflow"]) == (balance(stats), most <= 200_000, list(stats["dropped"]))
    fake_layer.switch(**BACK)
    assert mine.flush(30)
    stats = mine.stats()
    assert (0, 0, []) == (balance(stats), stats["queued_bytes"], fake_layer.order_violations())
    found = fake_layer.keys_by_session()
    assert len(fake_layer.keys()) <= stats["sent"] <= len(found) + len(fake_layer.keys())
    assert {0} == {len(keys) % 2 for keys in found.values()}
    if overflow == "drop_oldest":
        assert session_id in found
        assert {8} == {len(keys) for keys in found.values()}


def test_what_is_too_large_for_memory_is_not_built(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A record that is said to weigh more than all may weigh is a loss at once."""
    mine = background(max_queue_bytes=50_000)
    held = Held("x")
    with mine.session() as session_id:
        tell(mine, session_id, held, size=60_000)
    assert mine.flush(10)
    assert {"accepted": 2, "sent": 1, "dropped": {"too_large": 1}, "lacks": 0} == account(mine.stats())
    assert 0 == held.times


def test_what_weighs_more_than_it_was_said_to_is_sent(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A wrong estimate loses nothing: the account goes by what was built, and comes back to nothing."""
    fake_layer.switch(**AWAY)
    mine = background(max_queue_bytes=100_000)
    with mine.session() as session_id:
        for number in range(10):
            later(mine, session_id, f"{number}0", f"{number}1", size=0, text="x" * 50_000)
        fake_layer.switch(**BACK)
    assert mine.flush(30)
    keys = [f"{number}{each}" for number in range(10) for each in range(2)]
    assert {session_id: keys} == fake_layer.keys_by_session()
    assert {"accepted": 21, "sent": 21, "lacks": 0} == account(mine.stats())


def test_one_request_takes_no_more_along_than_it_may(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """One record that turns out to be more actions than fit makes more requests, in order."""
    mine = background()
    with mine.session() as session_id:
        later(mine, session_id, *numbers(300))
    assert mine.flush(20)
    assert {session_id: numbers(300)} == fake_layer.keys_by_session()
    assert ([256] + [1] * 44, {}) == ([asked.actions for asked in fake_layer.requests()], fake_layer.duplicates())


# ---- answers


def test_gate_that_is_shut_leaves_records_unbuilt(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """While Layer is away what was recorded waits as it is; when it is back everything arrives."""
    fake_layer.switch(**AWAY)
    mine = background()
    record(mine, 1, sessions=6)
    wait_until(lambda: mine.stats()["gate"] != "open")
    held = Held("0", "1")
    held.let_go()
    with mine.session() as session_id:
        tell(mine, session_id, held)
        later(mine, session_id, "2")
    assert (0, 0) == (held.times, balance(mine.stats()))
    fake_layer.switch(**BACK)
    assert mine.flush(30)
    assert (numbers(3), 1) == (fake_layer.keys_by_session()[session_id], held.times)
    assert {"accepted": 6 * 2 + 4, "sent": 6 * 2 + 4, "lacks": 0} == account(mine.stats())


def test_unknown_session_is_created_with_what_is_built_for_it(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """After a 404 the session is made anew, and takes along what waits, built or not."""
    mine = background()
    with mine.session() as session_id:
        later(mine, session_id, "0")
        assert mine.flush(10)
        fake_layer.forget()
        fake_layer.switch(delay={"append": 0.3})
        later(mine, session_id, "1", "2")
        wait_until(lambda: mine.stats()["in_flight"])
        later(mine, session_id, "3")
        later(mine, session_id)
        later(mine, session_id, "4")
    assert mine.flush(10)
    assert {session_id: numbers(5)} == fake_layer.keys_by_session()
    assert ["create", "append", "create"] == operations(fake_layer)
    assert {"accepted": 6, "sent": 6, "lacks": 0} == account(mine.stats())


def test_too_large_request_is_split_and_too_large_action_cut(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A 413 halves what travels with the session; one action alone is shortened once."""
    fake_layer.switch(max_body=8000)
    mine = background()
    with mine.session() as session_id:
        for number in range(5):
            later(mine, session_id, *(str(4 * number + each) for each in range(4)), text="x" * 1000)
        later(mine, session_id, "20", "21", text="x" * 20_000)
    assert mine.flush(20)
    assert {session_id: numbers(22)} == fake_layer.keys_by_session()
    assert {} == fake_layer.changed_bodies()
    assert {"accepted": 23, "sent": 23, "lacks": 0} == account(mine.stats())


def test_poison_in_a_record_is_one_dead_letter(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Of a record that turned out to be several actions the refused one alone is dead."""
    mine = background()
    with mine.session() as session_id:
        tell(mine, session_id, lambda: [fields(key, poison=key == "1") for key in numbers(3)])
        later(mine, session_id, "3")
    assert mine.flush(10)
    assert {session_id: ["0", "2", "3"]} == fake_layer.keys_by_session()
    assert {"accepted": 5, "sent": 4, "dead_lettered": 1, "lacks": 0} == account(mine.stats())


def test_refused_session_buries_what_is_still_to_be_built(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where Layer refuses the session itself, what waits for it is dead as it is."""
    fake_layer.switch(chances={"create": {422: 1.0}}, delay=0.2)
    mine = background()
    held = Held("x")
    with mine.session() as session_id:
        wait_until(lambda: mine.stats()["in_flight"])
        tell(mine, session_id, held)
    assert mine.flush(10)
    assert {"accepted": 2, "dead_lettered": 2, "lacks": 0} == account(mine.stats())
    assert 0 == held.times


def test_ambiguous_failures_double_nothing(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A request whose answer was lost is repeated as it was built, and nothing is built twice."""
    fake_layer.switch(duplicate_detection=True, script={"create": ["drop_after_read"], "append": ["half_body", 502]})
    mine = background()
    words = [Held("0", "1"), Held("2"), Held("3", "4")]
    with mine.session() as session_id:
        for held in words:
            held.let_go()
            tell(mine, session_id, held)
            assert mine.flush(20)
    assert {session_id: numbers(5)} == fake_layer.keys_by_session()
    assert ({}, [1, 1, 1]) == (fake_layer.changed_bodies(), [held.times for held in words])


# ---- the end


def test_shutdown_does_not_wait_for_words_beyond_its_budget(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A record that is being built when the budget is used up is lost, once; that it ends later is nothing."""
    lost: list[tuple[str, int]] = []
    mine = background(on_drop=lambda reason, _session, count: lost.append((reason, count)))
    sink = engine(mine)
    held = Held("1", "2")
    with mine.session() as session_id:
        assert mine.flush(10)
        tell(mine, session_id, held)
        held.wait()
        later(mine, session_id, "3")
        mine.shutdown(0.1)
    expected = {"accepted": 3, "sent": 1, "dropped": {"shutdown": 2}, "lacks": 0}
    assert expected == account(sink.stats())
    held.let_go()
    wait_until(lambda: not sink.stats()["workers"])
    assert (expected, [("shutdown", 2)], []) == (account(sink.stats()), lost, fake_layer.keys())


def test_shutdown_sends_what_slow_words_left_ready(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where all that one request takes along cannot be built in time, what is built goes, and only the rest is lost."""

    def slow(action: SessionActionRequest) -> SessionActionRequest:
        stop.wait(0.1)
        return action

    stop = threading.Event()
    mine = background(before_send=slow)
    sink = engine(mine)
    with mine.session() as session_id:
        for key in numbers(200):
            later(mine, session_id, key)
    mine.shutdown(2.0)
    stop.set()
    kept = fake_layer.keys_by_session()[session_id]
    assert (0, True) == (balance(sink.stats()), len(kept) > 3)
    assert numbers(len(kept)) == kept


def test_shutdown_builds_and_sends_what_waits(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Within the budget the end sends everything; what comes after it is counted, and not built."""
    mine = background()
    sink, after = engine(mine), recorder(mine)
    ids = []
    for _ in range(5):
        with mine.session() as session_id:
            ids.append(session_id)
            later(mine, session_id, "0", "1")
            later(mine, session_id, "2")
    mine.shutdown()
    held = Held("late")
    after.append_later(UUID(ids[0]), 100, held)
    assert {session_id: numbers(3) for session_id in ids} == fake_layer.keys_by_session()
    assert {"accepted": 21, "sent": 20, "dropped": {"closed": 1}, "lacks": 0} == account(sink.stats())
    assert 0 == held.times


# ---- with a spool


@pytest.mark.parametrize("mode", ["always", "spill"])
def test_with_a_spool_it_is_built_at_once(
    fake_layer: FakeLayer,
    background: MakeBackground,
    internal_errors: list[BaseException],
    tmp_path: Path,
    *,
    mode: str,
) -> None:
    """What outlives the process is words: they are made on the host's thread, and the next process sends them."""
    fake_layer.switch(**AWAY)
    lost: list[str] = []
    mine = background(
        spool_dir=tmp_path,
        spool=mode,
        before_send=lambda action: None if action.data["key"] == "no" else action,
        on_drop=lambda reason, *_: lost.append(reason),
    )
    sink = engine(mine)
    held = Held("0", "no", "1")
    held.let_go()
    with mine.session() as session_id:
        tell(mine, session_id, held)
        tell(mine, session_id, fail)
        later(mine, session_id)
        later(mine, session_id, "2")
    assert (threading.current_thread().name, 1) == (held.thread, held.times)
    mine.shutdown(0.1)
    stats = sink.stats()
    assert (6, 4, {"before_send": 1, "not_built": 1}, 0, ["not_built"]) == (
        stats["accepted"],
        stats["queued"],
        stats["dropped"],
        balance(stats),
        lost,
    )
    fake_layer.switch(**BACK)
    recover(background(spool_dir=tmp_path, spool=mode))
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()
    assert [ZeroDivisionError] == [type(error) for error in internal_errors]
    internal_errors.clear()


# ---- what the engine itself is given


def test_sink_counts_each_discarded_action_by_its_reason(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Several reasons in one record are several losses, each with its name, whether something is left or not."""
    mine = background()
    with mine.session() as session_id:
        for requests in ([], _requests("0", "1")):
            built = Built(requests, ["before_send", "not_built", "before_send_failed"])
            engine(mine).append_later(UUID(session_id), 10, lambda built=built: built)  # type: ignore[misc]
    assert mine.flush(10)
    dropped = {"before_send": 2, "not_built": 2, "before_send_failed": 2}
    assert {"accepted": 9, "sent": 3, "dropped": dropped, "lacks": 0} == account(mine.stats())
    assert {session_id: ["0", "1"]} == fake_layer.keys_by_session()


def _requests(*keys: str) -> list[SessionActionRequest]:
    from layer_sdk._drafts import LENIENT

    return [LENIENT.action(**fields(key)) for key in keys]
