"""Records that are put into words later: the parts of the engine that need no server, and delivery that is inline."""

from __future__ import annotations

import datetime
import gc
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterable, NoReturn
from uuid import UUID, uuid4

import pytest

from layer_sdk import Layer, SessionActionRequest
from layer_sdk._drafts import Built
from layer_sdk._ids import new_session_id
from layer_sdk.delivery._account import Account
from layer_sdk.delivery._builder import TURN, Batch, Builder, Made
from layer_sdk.delivery._flights import Job
from layer_sdk.delivery._lane import MAX_BYTES, Lane
from layer_sdk.delivery._record import ABSENT, LANE, OVERHEAD, Record
from layer_sdk.schemas import SessionActionKind, SessionRequest

if TYPE_CHECKING:
    from conftest import MakeLayer

Recorded = Callable[[str], "dict[str, Any]"]

NOW = datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)
NOTHING = {"queued": 0, "in_flight": 0, "dead_lettered": 0}


def request(key: str) -> SessionActionRequest:
    return SessionActionRequest(SessionActionKind.EMBEDDINGS, start_time=NOW, end_time=NOW, data={"key": key})


def action(key: str) -> Record:
    return Record(request(key))


def deferred(size: int = 100) -> Record:
    return Record(ABSENT, build=lambda: Built([], []), size=size)


def lane_of(*records: Record) -> Lane:
    """Make a lane with a session and these records."""
    lane = Lane(new_session_id())
    lane.push(Record(SessionRequest(application_id="a", session_id=lane.session_id)))
    for record in records:
        lane.push(record)
    return lane


def keys(records: Iterable[Record]) -> list[str]:
    """Give the keys of actions; a session is "s", and what has no words yet "?"."""
    found = []
    for record in records:
        data = getattr(record.request, "data", None)
        found.append(data["key"] if isinstance(data, dict) else "s" if record.is_ready else "?")
    return found


def fail() -> NoReturn:
    raise ZeroDivisionError


# ---- lanes


def test_what_is_made_of_records_takes_their_places() -> None:
    """One, several or nothing each, in order, with the weight that they have."""
    one, none, more, last = (deferred() for _ in range(4))
    lane = lane_of(action("0"), one, none, action("2"), more, action("5"), last)
    assert [one, none, more, last] == lane.to_load(MAX_BYTES)
    made = {one: [action("1")], none: [], more: [action("3"), action("4")]}
    assert 0 == lane.put(made)
    assert ["s", "0", "1", "2", "3", "4", "5", "?"] == keys(lane.records)
    assert (1, sum(record.size for record in lane.records)) == (lane.unready, lane.size)
    assert [last] == lane.to_load(MAX_BYTES)
    assert ["s", "0", "1", "2", "3", "4", "5"] == keys(lane.take_off("key").records)


def test_request_is_made_without_what_is_not_built() -> None:
    """What still has no words stops what travels together; behind it everything keeps its place."""
    lane = lane_of(action("0"), deferred(), action("1"))
    assert ["s", "0"] == keys(lane.take_off("key").records)
    assert ["?", "1"] == keys(lane.records)


def test_no_more_is_built_than_one_request_takes_along() -> None:
    """By what the records are said to weigh; behind a session that is there, one at a time."""
    lane = lane_of(*(deferred(100_000) for _ in range(20)))
    assert 5 == len(lane.to_load(MAX_BYTES))
    assert 1 == len(lane.to_load(150_000))
    lane.records.popleft()
    assert 1 == len(lane.to_load(MAX_BYTES))


def test_session_that_has_no_words_yet_lingers_and_takes_actions_along() -> None:
    """It weighs what its lane does, and is built together with what one request takes."""
    lane = Lane(new_session_id())
    opening = Record(ABSENT, build=lambda: Built([], []), size=100, opens=True)
    first = deferred()
    for record in (opening, first, action("1")):
        lane.push(record)
    assert lane.lingers
    assert first.size + LANE == opening.size
    assert [opening, first] == lane.to_load(MAX_BYTES)
    begun = Record(SessionRequest(application_id="a", session_id=lane.session_id))
    lane.put({opening: [begun], first: [action("0")]})
    assert lane.lingers
    assert ["s", "0", "1"] == keys(lane.take_off("key").records)


@pytest.mark.parametrize(
    ("gaps", "made", "expected"),
    [
        ([2, 0], [1, 1], [2, 0, 0]),
        ([2, 0], [0, 2], [2, 0, 0]),
        ([2, 3], [0, 1], [5, 0]),
        ([2, 3], [0, 0], [5]),
        ([0, 3], [1, 0], [0, 3]),
        ([0, 0], [0, 0], [0]),
    ],
)
def test_gap_before_a_record_is_before_what_takes_its_place(
    gaps: list[int], made: list[int], expected: list[int]
) -> None:
    """What is missing before a record is told of by the first action that there is at its place or behind it."""
    records = [deferred(), deferred()]
    for record, gap in zip(records, gaps):
        record.gap = gap
    lane = lane_of(*records, action("last"))
    places = zip(records, made)
    assert 0 == lane.put({record: [action("x") for _ in range(count)] for record, count in places})
    assert expected == [record.gap for record in list(lane.records)[1:]]


def test_gap_with_nothing_behind_it_is_given_back() -> None:
    """Where nothing waits behind what came to nothing, the next record that comes has to tell."""
    record = deferred()
    record.gap = 3
    lane = lane_of(record)
    assert (3, ["s"]) == (lane.put({record: []}), keys(lane.records))


# ---- the account


@pytest.mark.parametrize("count", [0, 1, 3])
def test_account_counts_what_a_record_turned_out_to_be(count: int) -> None:
    """Who began to wait before it was recorded does not wait for it; who began later waits for all of it."""
    account = Account()
    before, record, behind = action("0"), deferred(1000), action("x")
    account.accept(before)
    early = account.ticket()
    for each in (record, behind):
        account.accept(each)
    late = account.ticket()
    others = [action(str(number)) for number in range(count)]
    account.replace(record, others)
    assert (1, 2 + count) == (early.remaining, late.remaining)
    left = (before, behind, *others)
    assert (2 + count, 2 + count, sum(each.size for each in left)) == (
        account.snapshot()["accepted"],
        account.snapshot()["queued"],
        account.bytes,
    )
    account.fly(left)
    account.send(left)
    assert (0, 0, 0, 2 + count) == (early.remaining, late.remaining, account.bytes, account.snapshot()["sent"])


# ---- building


def test_building_stops_when_its_turn_is_over(internal_errors: list[BaseException]) -> None:
    """What takes long is built, and the rest is left for later; what fails is a loss with a name."""
    builder = Builder(lambda: True)
    ends = time.monotonic() + TURN

    def slow() -> Built:
        while time.monotonic() < ends:
            time.sleep(0.01)
        return Built([request("0"), request("1")], ["before_send"])

    builds: list[Any] = [fail, slow, fail]
    batch = builder.build({deferred(): build for build in builds})
    assert ([([], ["not_built"]), (["0", "1"], ["before_send"])], True, None) == (
        [(keys(made.records), made.discarded) for made in batch.made.values()],
        batch.is_late,
        batch.interruption,
    )
    assert 1 == len(internal_errors)
    internal_errors.clear()


@pytest.mark.parametrize("is_worker", [True, False])
def test_interruption_of_a_hosts_thread_is_given_back(internal_errors: list[BaseException], *, is_worker: bool) -> None:
    """On a worker it is a loss like any other; else it is the host's, and what was built is kept."""

    def strike() -> NoReturn:
        raise SystemExit

    builds: list[Any] = [lambda: Built([request("0")], []), strike, lambda: Built([request("1")], [])]
    batch = Builder(lambda: is_worker).build({deferred(): build for build in builds})
    expected = [(["0"], []), ([], ["not_built"]), (["1"], [])]
    assert expected[: 3 if is_worker else 2] == [(keys(made.records), made.discarded) for made in batch.made.values()]
    assert (type(None) if is_worker else SystemExit) is type(batch.interruption)
    assert is_worker == bool(internal_errors)
    internal_errors.clear()


def test_thread_that_builds_is_known_while_it_does() -> None:
    """In the middle of building, and in no other thread and at no other time."""
    builder = Builder(lambda: True)
    found: list[bool] = []

    def look() -> Built:
        found.append(builder.is_mine)
        thread = threading.Thread(target=lambda: found.append(builder.is_mine))
        thread.start()
        thread.join()
        return Built([], [])

    builder.build({deferred(): look})
    assert [True, False, False] == [*found, builder.is_mine]


def test_weight_that_is_known_is_taken() -> None:
    """What is built weighs what it is said to weigh and, where nothing is said, what its contents do."""
    builds = [lambda: Built([request("0"), request("1")], [], [1000, 2000]), lambda: Built([request("2")], [])]
    batch = Builder(lambda: True).build({deferred(): build for build in builds})
    expected = [OVERHEAD + 1000, OVERHEAD + 2000, action("2").size]
    assert expected == [record.size for made in batch.made.values() for record in made.records]


@pytest.mark.parametrize("is_scrubbed", [False, True])
def test_action_weighs_what_is_sent(make_layer: MakeLayer, *, is_scrubbed: bool) -> None:
    """An action that is put into words later weighs what is sent of it, after what `before_send` made of it."""
    scrub: dict[str, Any] = {"before_send": lambda _: request("long" * 1000)} if is_scrubbed else {}
    mine = make_layer(delivery="inline", **scrub)
    assert mine._parts is not None
    build = partial(mine._parts.recorder._build, lambda: [{"kind": "embeddings", "data": {"key": "0"}}], None)
    (made,) = Builder(lambda: True).build({deferred(): build}).made.values()
    expected = action("long" * 1000 if is_scrubbed else "0").size
    assert [expected] == [record.size for record in made.records]


def test_nothing_that_is_built_shows_what_it_holds() -> None:
    """A traceback that shows variables shows no text of an action on its way."""
    lane = lane_of(deferred())
    made = Made([action("canary-7f3a9c")], [])
    held = [Batch({lane.records[1]: made}), Job(lane, None, is_probe=False, unready=list(made.records)), made]
    assert [] == [each for each in map(repr, held) if "canary" in each]


# ---- inline


def later(mine: Layer, session_id: str, *inputs: str) -> None:
    """Record something that turns out to be these actions."""
    tell(mine, session_id, lambda: [{"kind": "moderation", "data": {"input": [each]}} for each in inputs])


def tell(mine: Layer, session_id: str, words: Callable[[], Any]) -> None:
    assert mine._parts is not None
    mine._parts.recorder.append_later(UUID(session_id), 100, words)


def inputs(recorded: Recorded, session_id: str) -> list[str]:
    return [each["data"]["input"][0] for each in recorded(session_id)["actions"]]


def test_inline_builds_and_sends_at_once(make_layer: MakeLayer, recorded: Recorded) -> None:
    """When the call returns, all that it turned out to be has arrived, in order, and nothing is left to count."""
    mine = make_layer()
    with mine.session() as session_id:
        later(mine, session_id, "a", "b")
        assert ["a", "b"] == inputs(recorded, session_id)
        later(mine, session_id)
        later(mine, session_id, "c")
    assert ["a", "b", "c"] == inputs(recorded, session_id)
    assert {**NOTHING, "accepted": 4, "sent": 4, "dropped": {}} == mine.stats()


def test_inline_counts_what_is_discarded_and_what_cannot_be_built(
    make_layer: MakeLayer, recorded: Recorded, internal_errors: list[BaseException]
) -> None:
    """Each action by its reason; what is left is sent."""

    def choose(each: SessionActionRequest) -> Any:
        assert isinstance(each.data, dict)
        return {"no": None, "bad": "no action"}.get(each.data["input"][0], each)

    mine = make_layer(before_send=choose)
    with mine.session() as session_id:
        later(mine, session_id, "a", "no", "b", "bad", "no")
        later(mine, session_id, "no")
        tell(mine, session_id, fail)
        later(mine, session_id, "c")
    assert ["a", "b", "c"] == inputs(recorded, session_id)
    dropped = {"before_send": 3, "before_send_failed": 1, "not_built": 1}
    assert {**NOTHING, "accepted": 9, "sent": 4, "dropped": dropped} == mine.stats()
    assert [ZeroDivisionError] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_inline_words_that_record_and_flush_do_not_wait_for_themselves(
    make_layer: MakeLayer, recorded: Recorded
) -> None:
    """What is recorded while a record is built is sent before it; a flush in there has nothing to wait for."""
    mine = make_layer()

    def words() -> list[dict[str, Any]]:
        later(mine, session_id, "inner")
        assert mine.flush()
        return [{"kind": "moderation", "data": {"input": ["outer"]}}]

    with mine.session() as session_id:
        tell(mine, session_id, words)
    assert ["inner", "outer"] == inputs(recorded, session_id)
    assert {**NOTHING, "accepted": 3, "sent": 3, "dropped": {}} == mine.stats()


def test_inline_interruption_while_building_reaches_the_host(make_layer: MakeLayer, recorded: Recorded) -> None:
    """Ctrl-C goes on to the host: nothing was accepted yet, and the next record goes as ever."""
    mine = make_layer()

    def strike() -> NoReturn:
        raise KeyboardInterrupt

    with mine.session() as session_id:
        with pytest.raises(KeyboardInterrupt):
            tell(mine, session_id, strike)
        later(mine, session_id, "a")
    assert ["a"] == inputs(recorded, session_id)
    assert {**NOTHING, "accepted": 2, "sent": 2, "dropped": {}} == mine.stats()


def test_inline_records_by_surprise_have_their_turn(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What a signal handler or a destructor hands over while words are made is sent, once."""
    mine = make_layer()

    class Abandoned:
        def __init__(self) -> None:
            self._itself = self

        def __del__(self) -> None:
            later(mine, session_id, "deleted")

    def words() -> list[dict[str, Any]]:
        signal.raise_signal(signal.SIGTERM)
        Abandoned()
        gc.collect()
        return [{"kind": "moderation", "data": {"input": ["plain"]}}]

    before = signal.signal(signal.SIGTERM, lambda *_: later(mine, session_id, "signalled"))
    try:
        with mine.session() as session_id:
            tell(mine, session_id, words)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ["signalled", "deleted", "plain"] == inputs(recorded, session_id)
    assert {**NOTHING, "accepted": 4, "sent": 4, "dropped": {}} == mine.stats()


def test_record_without_a_session_of_ours_is_a_loss_that_is_counted(make_layer: MakeLayer) -> None:
    """What Layer refuses counts once for each action."""
    mine = make_layer()
    later(mine, str(uuid4()), "a", "b")
    stats = mine.stats()
    assert (2, 0, 2) == (stats["accepted"], stats["sent"], sum(stats["dropped"].values()))
