"""What waits, and in which order it comes back from disk: the parts of the engine that need no server."""

from __future__ import annotations

import datetime
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest

from layer_sdk import LayerHTTPError
from layer_sdk._ids import new_session_id
from layer_sdk.delivery._account import Account
from layer_sdk.delivery._door import Door
from layer_sdk.delivery._flights import Job
from layer_sdk.delivery._gate import Gate
from layer_sdk.delivery._lane import MAX_BYTES, Lane
from layer_sdk.delivery._lanes import Lanes
from layer_sdk.delivery._outcome import HOLD, RETRY, judge
from layer_sdk.delivery._record import Note, Record
from layer_sdk.delivery._segment import Found
from layer_sdk.delivery._spool import Adopted
from layer_sdk.schemas import SessionActionKind, SessionActionRequest, SessionRequest

NOW = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)


def session(session_id: UUID) -> Record:
    record = Record(SessionRequest(application_id="a", session_id=session_id))
    record.key = "k-0"
    return record


def action(number: int, text: str = "") -> Record:
    data = {"key": str(number), "text": text}
    request = SessionActionRequest(SessionActionKind.EMBEDDINGS, start_time=NOW, end_time=NOW, data=data)
    record = Record(request)
    record.key = f"k-{number}"
    return record


def parked_lane(count: int, text: str) -> tuple[Lane, dict[Record, Any]]:
    """A session in memory, and actions on disk alone."""
    lane = Lane(new_session_id())
    lane.push(session(lane.session_id))
    requests = {}
    for number in range(1, count + 1):
        record = action(number, text)
        requests[record] = record.request
        record.park()
        lane.push(record)
    return lane, requests


def test_lane_loads_what_one_request_takes_along() -> None:
    """Not more than a request may hold comes back from disk at a time; then the request has it all."""
    lane, requests = parked_lane(100, "x" * 20_000)
    loaded = lane.to_load(MAX_BYTES)
    assert 20 < len(loaded) < 30
    assert () == lane.load([(record, requests[record]) for record in loaded])
    assert [] == lane.to_load(MAX_BYTES)
    assert 1 + len(loaded) == len(lane.take_off("key").records)


def test_noted_request_is_loaded_whole() -> None:
    """What a dead process sent in one request is repeated in one, whatever its records weigh by now."""
    lane, requests = parked_lane(100, "x" * 20_000)
    lane.note = Note("theirs", first="k-0", last="k-60", actions=60)
    loaded = lane.to_load(MAX_BYTES)
    assert [f"k-{number}" for number in range(1, 61)] == [record.key for record in loaded]
    lane.load([(record, requests[record]) for record in loaded])
    flight = lane.take_off("ours")
    assert ("theirs", 61, True) == (flight.key, len(flight.records), lane.was_sent)


@pytest.mark.parametrize("note", [Note("t", "k-0", "k-9", 3), Note("t", "k-1", "k-3", 3), Note("t", "k-0", "k-9", 30)])
def test_note_of_another_request_is_of_no_use(note: Note) -> None:
    """Where what it tells of is not what stands at the front, the request is a new one."""
    lane = Lane(new_session_id())
    lane.push(session(lane.session_id))
    for number in range(1, 5):
        lane.push(action(number))
    lane.note = note
    flight = lane.take_off("ours")
    assert ("ours", 5, False) == (flight.key, len(flight.records), lane.was_sent)


def test_record_that_the_disk_lost_leaves_the_lane() -> None:
    """It is given back, to be counted, and the others keep their order."""
    lane, requests = parked_lane(5, "")
    lost, *others = lane.to_load(MAX_BYTES)
    assert (lost,) == lane.load([(lost, None), *((record, requests[record]) for record in others)])
    assert ["k-0", "k-2", "k-3", "k-4", "k-5"] == [record.key for record in lane.records]


def lanes() -> Lanes:
    return Lanes(Account(), 0.1, lambda _: None, lambda *_: None)


def test_gap_is_told_by_the_record_behind_it() -> None:
    """A loss at the front by the first that waits; of the newest by the next, even where nothing waits any more."""
    every = lanes()
    session_id = uuid4()
    first, second, third = action(1), action(2), action(3)
    every.push(session_id, first)
    every.push(session_id, second)
    lane = every.get(session_id)
    assert lane is not None
    every.note_gap(lane, 2, is_newest=False)
    every.note_gap(lane, 1, is_newest=True)
    every.push(session_id, third)
    assert [2, 0, 1] == [each.gap for each in (first, second, third)]
    other = uuid4()
    every.note_gap(Lane(other), 4, is_newest=True)
    late = action(1)
    every.push(other, late)
    assert {"layer.dropped_before": 4} == every.get(other).take_off("key").request.attributes  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "was_sent"), [(500, True), (502, True), (503, False), (504, True), (429, False), (408, False)]
)
def test_gateway_that_gives_up_says_nothing_of_the_server(status: int, *, was_sent: bool) -> None:
    """After a 502 or 504 the request may have been carried out; a 503 or 429 says that it was not."""
    outcome = judge(LayerHTTPError("no", status, ""))
    assert (RETRY, was_sent) == (outcome.verdict, outcome.was_sent)


def test_gate_stays_held_until_credentials_are_taken() -> None:
    """A 503 that comes late says nothing of credentials that were refused."""
    import random

    gate = Gate(random.Random(1))  # noqa: S311  (jitter)
    gate.fail(0.0, HOLD, None, was_probe=False)
    gate.fail(1.0, RETRY, None, was_probe=False)
    assert ("unauthorized", True) == (gate.state, gate.is_shut(2.0))
    gate.succeed()
    assert ("open", False) == (gate.state, gate.is_shut(2.0))
    gate.fail(3.0, RETRY, 60.0, was_probe=False)
    assert ("open", True, False) == (gate.state, gate.is_shut(4.0), gate.is_shut(60.0))


def test_mark_of_a_thread_that_is_not_inside_means_nothing() -> None:
    """An exception out of a signal handler may leave the mark behind; the door is open all the same."""
    door = Door()
    with door.locked():
        was_mine = door.is_mine
    assert was_mine
    door._inside = threading.get_ident()
    assert not door.is_mine
    done: list[int] = []
    door.do(done.append, 1)
    assert ([1], False) == (done, door.is_mine)


def test_what_comes_in_while_its_thread_is_inside_is_put_off() -> None:
    """It is told so, and it is done before the thread comes out, after what the thread was at."""
    door = Door()
    done: list[object] = []

    def twice() -> None:
        done.append(door.do(done.append, "inner"))
        done.append("outer")

    assert (True, [False, "outer", "inner"]) == (door.do(twice), done)


def test_nothing_on_its_way_shows_what_it_holds() -> None:
    """A traceback that shows variables shows no text of an action, on its way or on disk."""
    lane = Lane(new_session_id())
    lane.push(session(lane.session_id))
    lane.push(action(1, "canary-7f3a9c"))
    held: list[object] = [lane, lane.records[1], lane.take_off("key"), Found(8, b"canary-7f3a9c")]
    held += [Adopted(b"canary-7f3a9c", ("x", 1)), Job(lane, lane.flight, is_probe=False, unready=[])]
    assert [] == [each for each in map(repr, held) if "canary" in each]
