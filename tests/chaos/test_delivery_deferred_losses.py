"""What is lost of what a worker is to put into words, and how that is told of."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from chaos.later import (
    Held,
    Noted,
    account,
    act,
    engine,
    fail,
    fields,
    later,
    tell,
    wait_until,
)
from chaos.recorded import MakeBackground, balance, numbers
from layer_sdk._drafts import LENIENT, Built

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer
    from layer_sdk import SessionActionRequest


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


# ---- what the engine itself is given


def test_sink_counts_each_discarded_action_by_its_reason(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Several reasons in one record are several losses, each with its name, whether something is left or not."""
    mine = background()
    with mine.session() as session_id:
        for requests in ([], [LENIENT.action(**fields(key)) for key in numbers(2)]):
            built = Built([*requests], ["before_send", "not_built", "before_send_failed"])
            engine(mine).append_later(UUID(session_id), 10, lambda built=built: built)  # type: ignore[misc]
    assert mine.flush(10)
    dropped = {"before_send": 2, "not_built": 2, "before_send_failed": 2}
    assert {"accepted": 9, "sent": 3, "dropped": dropped, "lacks": 0} == account(mine.stats())
    assert {session_id: ["0", "1"]} == fake_layer.keys_by_session()
