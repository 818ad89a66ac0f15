"""What background delivery makes of each answer: the table of outcomes, over real HTTP."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter, Retry

from chaos.recorded import MakeBackground, balance, numbers, record
from layer_sdk import LayerHTTPError, LayerRequestError

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.chaos_proxy import ChaosProxy
    from chaos.fake_layer import FakeLayer


def test_session_and_what_follows_at_once_travel_in_one_request(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """A session is created together with what was recorded so far."""
    mine = background()
    (session_id,) = record(mine, 5)
    assert mine.flush(10)
    assert {session_id: numbers(5)} == fake_layer.keys_by_session()
    assert ["create"] == [asked.operation for asked in fake_layer.requests()]


def test_what_comes_later_is_appended_in_order(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Once the session is there, each action is a request, one at a time."""
    mine = background()
    with mine.session() as session_id:
        assert mine.flush(10)
        for number in range(20):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number)}
    assert mine.flush(10)
    assert {session_id: numbers(20)} == fake_layer.keys_by_session()
    assert 1 == fake_layer.most_in_flight()
    assert ["create"] + ["append"] * 20 == [asked.operation for asked in fake_layer.requests()]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520])
def test_transient_status_is_sent_again_as_it_was(
    fake_layer: FakeLayer, background: MakeBackground, status: int
) -> None:
    """The same request, under the same key and with the same body, until the server takes it."""
    fake_layer.switch(script={"create": [status, status]})
    mine = background()
    (session_id,) = record(mine, 3)
    assert mine.flush(30)
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()
    assert [status, status, 201] == [asked.outcome for asked in fake_layer.requests()]
    assert 1 == len({asked.key for asked in fake_layer.requests()})
    assert {} == fake_layer.changed_bodies()
    stats = mine.stats()
    assert (4, 4, {}, 0) == (stats["accepted"], stats["sent"], stats["dropped"], balance(stats))


def test_retries_of_the_hosts_session_do_not_multiply_requests(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """Of a session that retries, background delivery uses all but the retries; explicit calls use those, too."""
    session = requests.Session()
    policy = Retry(total=3, status_forcelist=[503], backoff_factor=0.5, allowed_methods=None, raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=policy))
    seen: list[int] = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    fake_layer.switch(script={"create": [503, 503], "append": [503]})
    mine = background(http_session=session)
    (session_id,) = record(mine, 3)
    assert mine.flush(20)
    assert [503, 503, 201] == [asked.outcome for asked in fake_layer.requests()] == seen
    assert (3, 2) == (mine.stats()["requests"], mine.stats()["retries"])
    mine.append_action(session_id, kind="embeddings", data={"key": "3"})
    assert [503, 202] == [asked.outcome for asked in fake_layer.requests()][3:]
    assert [503, 503, 201, 202] == seen, "the adapter's own retry does not come to the hook"


@pytest.mark.parametrize("wish", ["0", "soon", "1e12", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_that_makes_no_sense_is_no_reason_to_wait(
    fake_layer: FakeLayer, background: MakeBackground, wish: str
) -> None:
    """A wish in the past, garbage, or one beyond an hour leaves the ordinary schedule."""
    fake_layer.switch(script={"create": [503]}, retry_after=wish)
    mine = background()
    record(mine, 1)
    assert mine.flush(20)
    assert ["0"] == fake_layer.keys()


def test_retry_after_holds_everybody(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """No session sends anything before the time that the server asked for."""
    fake_layer.switch(script={"create": [429]}, retry_after="1")
    mine = background()
    record(mine, 1)
    fake_layer_waits(fake_layer, 1)
    record(mine, 1, sessions=5)
    assert mine.flush(20)
    first, *others = fake_layer.requests()
    assert 6 == len(others)
    assert 0.9 <= min(asked.began for asked in others) - first.ended


def fake_layer_waits(fake_layer: FakeLayer, count: int) -> None:
    end = time.monotonic() + 10
    while len(fake_layer.requests()) < count and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("status", [400, 405, 410, 422])
def test_refused_batch_is_taken_apart(fake_layer: FakeLayer, background: MakeBackground, status: int) -> None:
    """Of a session with one action that the server refuses, all the others arrive, and the one is counted as dead."""
    fake_layer.switch(poison=status)
    mine = background()
    lost: list[tuple[str, int]] = []
    mine.shutdown()
    mine = background(on_drop=lambda reason, _session, count: lost.append((reason, count)))
    with mine.session() as session_id:
        for number in range(10):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number), "poison": number == 4}
    assert mine.flush(20)
    assert {session_id: [key for key in numbers(10) if key != "4"]} == fake_layer.keys_by_session()
    stats = mine.stats()
    assert (1, {f"http_{status}": 1}, 0) == (stats["dead_lettered"], stats["dead_letters"], balance(stats))
    assert [(f"http_{status}", 1)] == lost


def test_refused_session_buries_what_waits_for_it(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where the server refuses the session itself, its actions are dead letters too, after two requests."""
    fake_layer.switch(chances={"create": {422: 1.0}})
    mine = background()
    record(mine, 10)
    assert mine.flush(20)
    stats = mine.stats()
    assert (11, 0, 2) == (stats["dead_lettered"], balance(stats), len(fake_layer.requests()))


def test_gap_in_a_session_is_seen_in_it(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """The action after a lost one says how many are missing before it."""
    mine = background(max_queue_bytes=60_000)
    fake_layer.switch(chances={"*": {503: 1.0}})
    with mine.session() as session_id:
        for number in range(10):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number), "text": "x" * 10_000}
        fake_layer.switch(chances={})
        assert mine.flush(30)
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "last"}
        assert mine.flush(30)
    kept = fake_layer.keys_by_session()[session_id]
    stats = mine.stats()
    assert (["last"], 11 - len(kept)) == (kept[-1:], stats["dropped"]["overflow"])
    assert 0 == balance(stats)


def test_unknown_session_is_created_again(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """An append that the server answers with 404 makes the session anew and is sent with it."""
    mine = background()
    with mine.session() as session_id:
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "0"}
        assert mine.flush(10)
        fake_layer.forget()
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "1"}
    assert mine.flush(10)
    assert ["create", "append", "create"] == [asked.operation for asked in fake_layer.requests()]
    assert {session_id: ["0", "1"]} == fake_layer.keys_by_session()


def test_session_that_exists_takes_its_actions_as_appends(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A 409 to a first create means that the session is there: its actions follow one by one."""
    fake_layer.switch(existing="conflict")
    session_id = background().create_session()
    mine = background()
    with mine.session(session_id=session_id):
        for number in range(3):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number)}
    assert mine.flush(10)
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()
    assert 0 == mine.stats()["dead_lettered"]


def test_conflict_after_a_lost_answer_is_success(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A 409 to the repetition of a create whose answer was lost means that the first one counted."""
    fake_layer.switch(existing="conflict", script={"create": ["drop_after_read"]})
    mine = background()
    (session_id,) = record(mine, 3)
    assert mine.flush(20)
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()
    assert {} == fake_layer.duplicates()


def test_too_large_batch_is_split(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """A 413 halves what travels with the session; everything arrives in order."""
    fake_layer.switch(max_body=8000)
    mine = background()
    (session_id,) = record(mine, 20, text="x" * 1000)
    assert mine.flush(20)
    assert {session_id: numbers(20)} == fake_layer.keys_by_session()


def test_too_large_action_is_cut_once_and_then_given_up(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path
) -> None:
    """One action alone that is too large is shortened; if that does not help it is a dead letter."""
    fake_layer.switch(max_body=4000)
    mine = background(spool_dir=tmp_path)
    with mine.session():
        for key, text in (("long", ["x" * 20_000]), ("hopeless", ["x" * 200] * 500)):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": key, "text": text}
    assert mine.flush(20)
    assert ["long"] == fake_layer.keys()
    assert {"http_413": 1} == mine.stats()["dead_letters"]
    assert {} == fake_layer.changed_bodies()


def test_too_large_action_of_an_explicit_call_is_its_callers_to_cut(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """Nothing is left out behind the back of somebody who waits for the answer."""
    fake_layer.switch(max_body=4000)
    mine = background()
    with mine.session() as session_id, pytest.raises(LayerHTTPError) as caught:
        mine.append_action(session_id, kind="embeddings", data={"key": "long", "text": "x" * 20_000})
    assert (413, []) == (caught.value.status_code, fake_layer.keys())


def test_explicit_call_does_not_wait_for_an_hour(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where the server asks for a long time, a call behind a lane is told so at once, before it queues and after."""
    fake_layer.switch(script={"create": [429]}, retry_after="3000")
    mine = background()
    with mine.session() as session_id:
        for _ in range(2):
            with pytest.raises((LayerHTTPError, LayerRequestError)):
                mine.append_action(session_id, kind="embeddings", data={"key": "0"})
    assert 0 == balance(mine.stats())


def test_backoff_is_over_when_the_end_comes(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """At the end everything is tried once more, however long its session still had to wait."""
    fake_layer.switch(script={"create": [503] * 4})
    mine = background()
    (session_id,) = record(mine, 3)
    fake_layer_waits(fake_layer, 4)
    mine.shutdown(5)
    assert {session_id: numbers(3)} == fake_layer.keys_by_session()


def test_other_id_of_the_server_holds_for_what_follows(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where the server answers with another id, actions go to that one."""
    fake_layer.switch(id_override=True)
    mine = background()
    with mine.session() as session_id:
        assert mine.flush(10)
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "0"}
        mine.append_action(session_id, kind="embeddings", data={"key": "1"})
    assert mine.flush(10)
    ((theirs, keys),) = fake_layer.keys_by_session().items()
    assert (True, ["0", "1"]) == (theirs != session_id, keys)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_hold_everything(fake_layer: FakeLayer, background: MakeBackground, status: int) -> None:
    """Nothing is thrown away because of a 401 or 403; it waits, and at most the probes ask."""
    fake_layer.switch(reject=status, token="t")
    mine = background()
    record(mine, 3, sessions=20)
    assert not mine.flush(1.5)
    stats = mine.stats()
    assert (80, 80, {}, "unauthorized") == (
        stats["accepted"],
        stats["queued"] + stats["in_flight"],
        stats["dropped"],
        stats["gate"],
    )
    assert 8 >= len(fake_layer.requests())


def test_ambiguous_failures_lose_nothing_and_double_nothing(
    fake_layer: FakeLayer, chaos_proxy: ChaosProxy, background: MakeBackground, seed: int
) -> None:
    """With answers swallowed and bodies cut, everything arrives once where the server knows keys, in order."""
    from chaos import chaos_faults

    fake_layer.switch(duplicate_detection=True)
    chaos_proxy.use(chaos_faults.swallow_response(0.1), chaos_faults.half_response(0.05))
    mine = background(base_url=chaos_proxy.url)
    chance = random.Random(seed)  # noqa: S311  (a repeatable draw)
    ids = record(mine, 10, sessions=40)
    for session_id in ids:
        for number in range(10, 10 + chance.randrange(5)):
            mine.append_action(session_id, kind="embeddings", data={"key": str(number)}, wait=False)
    assert mine.flush(60)
    stats = mine.stats()
    assert ({}, {}, [], {}, 0) == (
        fake_layer.duplicates(),
        fake_layer.changed_bodies(),
        fake_layer.order_violations(),
        stats["dropped"],
        balance(stats),
    )
    assert stats["accepted"] - len(ids) == len(fake_layer.keys())


def test_explicit_call_goes_behind_what_waits(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """An explicit call on a session with queued records keeps the order and comes back when it was answered."""
    mine = background()
    with mine.session() as session_id:
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "0"}
        mine.append_action(session_id, kind="embeddings", data={"key": "1"})
        assert {session_id: ["0", "1"]} == fake_layer.keys_by_session()


def test_explicit_call_behind_what_waits_gets_its_error(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Its own refusal is raised to the caller, typed; what waited before it is delivered."""
    mine = background()
    with mine.session() as session_id:
        with mine.action(kind="embeddings") as action:
            action.data = {"key": "0"}
        with pytest.raises(LayerHTTPError) as caught:
            mine.append_action(session_id, kind="embeddings", data={"key": "1", "poison": True})
    assert (422, ["0"], 0) == (caught.value.status_code, fake_layer.keys(), balance(mine.stats()))


def test_explicit_call_during_an_outage_is_not_left_waiting(background: MakeBackground) -> None:
    """A call behind a session that cannot be created raises after as many attempts as the default session makes."""
    mine = background(base_url="http://127.0.0.1:1")
    with mine.session() as session_id, pytest.raises(LayerRequestError):
        mine.append_action(session_id, kind="embeddings", data={"key": "1"})


def test_call_without_waiting_returns_at_once(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """wait=False hands over: the ids are ours, the errors are counted."""
    mine = background()
    session_id = mine.create_session(wait=False)
    mine.append_action(session_id, kind="embeddings", data={"key": "0"}, wait=False)
    assert mine.flush(10)
    assert {session_id: ["0"]} == fake_layer.keys_by_session()


def test_snapshot_is_taken_when_it_is_recorded(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What the host does to its objects afterwards is not seen."""
    mine = background()
    data: dict[str, Any] = {"key": "before", "list": [1]}
    session_id = mine.create_session(wait=False)
    mine.append_action(session_id, kind="embeddings", data=data, wait=False)
    data["key"] = "after"
    assert mine.flush(10)
    assert ["before"] == fake_layer.keys()
