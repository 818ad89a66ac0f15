"""What is still to be put into words where memory, Layer or time have an end; and with a spool."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from chaos.later import (
    AWAY,
    BACK,
    Held,
    account,
    engine,
    fail,
    fields,
    later,
    operations,
    recorder,
    tell,
    wait_until,
)
from chaos.recorded import MakeBackground, balance, numbers, record, recover

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer
    from layer_sdk import SessionActionRequest


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
    mine.shutdown(1.0)
    stop.set()
    kept = fake_layer.keys_by_session()[session_id]
    assert (0, True) == (balance(sink.stats()), len(kept) > 2)
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
