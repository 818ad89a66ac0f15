"""Records in words and records still to be built, in random order, against a fake Layer that refuses now and then."""

from __future__ import annotations

import threading
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chaos.later import Held, act, engine, fields, later, recorder, tell, wait_until
from chaos.recorded import balance
from layer_sdk import Layer, SessionActionRequest

if TYPE_CHECKING:
    import pytest

    from chaos.fake_layer import FakeLayer

GOOD, POISON, DISCARDED, FAILED = "good", "poison", "discarded", "failed"
FATES = st.sampled_from([GOOD, GOOD, GOOD, POISON, DISCARDED, FAILED])
SESSIONS = st.integers(0, 3)
WEATHER: list[dict[str, Any]] = [
    {},
    {"*": {503: 0.3}},
    {"create": {429: 0.5}, "append": {500: 0.2, "reset": 0.1}},
    {"*": {"drop_after_read": 0.15, "half_body": 0.15, "drop_before_read": 0.1}},
    {"*": {503: 1.0}},
]


def scrub(action: SessionActionRequest) -> Any:
    """Be a `before_send` that does what the action says."""
    assert isinstance(action.data, dict)
    return {DISCARDED: None, FAILED: "no action"}.get(action.data["fate"], action)


class Machine(RuleBasedStateMachine):
    """One `Layer`, and what is to become of all that it records.

    Args:
        fake_layer: Where it sends to.
    """

    def __init__(self, fake_layer: FakeLayer) -> None:
        super().__init__()
        self.fake_layer = fake_layer
        fake_layer.reset()
        fake_layer.switch(duplicate_detection=True)
        self.lost: Counter[str] = Counter()
        self.layer = Layer()
        self.layer.init(
            base_url=fake_layer.url, application_id="chaos", http_timeout=5, before_send=scrub, on_drop=self.lose
        )
        engine(self.layer)._flights.lanes._linger = 0.01
        self.ids: dict[int, str] = {}
        self.good: dict[str, list[str]] = {}  # what is to arrive, by session
        self.nested: dict[str, list[str]] = {}  # the same, of what is recorded while another record is built
        self.fates: Counter[str] = Counter()
        self.held: list[Held] = []
        self.number = 0
        self.is_away = False
        self.wrong: set[int] = set()
        self.is_over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self) -> None:
        while not self.is_over.wait(0.001):
            self.wrong.add(balance(self.layer.stats()))

    def lose(self, reason: str, _session: str, count: int) -> None:
        self.lost[reason] += count

    def session(self, place: int) -> str:
        """Give a session's id, which begins when it is first asked for."""
        if place not in self.ids:
            self.ids[place] = self.layer.create_session(wait=False)
            self.good[self.ids[place]] = []
            self.fates[GOOD] += 1
        return self.ids[place]

    def expect(self, session_id: str, fates: list[str]) -> list[dict[str, Any]]:
        """Give actions that meet these fates."""
        actions = []
        for fate in fates:
            self.number += 1
            self.fates[fate] += 1
            key = str(self.number)
            actions.append(fields(key, fate=fate, poison=fate == POISON))
            self.good[session_id] += [key] if fate == GOOD else []
        return actions

    # ---- what is done

    @rule(place=SESSIONS, fate=FATES)
    def append(self, place: int, fate: str) -> None:
        session_id = self.session(place)
        (action,) = self.expect(session_id, [fate])
        recorder(self.layer).append(UUID(session_id), **action)

    @rule(place=SESSIONS, fates=st.lists(FATES, max_size=4), seconds=st.sampled_from([0.0, 0.0, 0.003, 0.03]))
    def append_later(self, place: int, fates: list[str], seconds: float) -> None:
        session_id = self.session(place)
        actions = self.expect(session_id, fates)

        def words() -> list[dict[str, Any]]:
            time.sleep(seconds)
            return actions

        tell(self.layer, session_id, words)

    @rule(place=SESSIONS)
    def append_what_cannot_be_built(self, place: int) -> None:
        session_id = self.session(place)
        self.fates["raised"] += 1
        tell(self.layer, session_id, lambda: 1 / 0)  # type: ignore[arg-type, return-value]

    @rule(place=SESSIONS, fate=FATES)
    def append_what_records(self, place: int, fate: str) -> None:
        """Record something that begins a session of its own when it is put into words."""
        session_id = self.session(place)
        (action,) = self.expect(session_id, [fate])

        def words() -> list[dict[str, Any]]:
            inner = self.layer.create_session(wait=False)
            self.nested[inner] = ["1", "2", "3"]
            act(self.layer, inner, "1", fate=GOOD)
            later(self.layer, inner, "2", "3", fate=GOOD)
            return [action]

        tell(self.layer, session_id, words)
        self.fates[GOOD] += 4

    @precondition(lambda self: len(self.held) < 3)
    @rule(place=SESSIONS)
    def append_what_is_held(self, place: int) -> None:
        session_id = self.session(place)
        self.number += 2
        keys = (str(self.number - 1), str(self.number))
        held = Held(*keys)
        self.good[session_id] += keys
        self.fates[GOOD] += 2
        self.held.append(held)
        tell(self.layer, session_id, partial(self.good_ones, held))

    @staticmethod
    def good_ones(held: Held) -> list[dict[str, Any]]:
        return [{**each, "data": {**each["data"], "fate": GOOD}} for each in held()]

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        self.held.pop(0).let_go()

    @rule(place=SESSIONS, reason=st.sampled_from(["before_send", "before_send_failed"]))
    def discard(self, place: int, reason: str) -> None:
        self.fates[{"before_send": DISCARDED, "before_send_failed": FAILED}[reason]] += 1
        engine(self.layer).discard(UUID(self.session(place)), reason)

    @rule(chances=st.sampled_from(WEATHER))
    def change_the_weather(self, chances: dict[str, Any]) -> None:
        self.is_away = {503: 1.0} in chances.values()
        self.fake_layer.switch(chances=chances)

    @rule()
    def flush(self) -> None:
        """What was recorded before has arrived when it comes back with True, and no part of what is held has."""
        if self.held or self.is_away:
            assert not (self.layer.flush(0.02) and self.held)
            return
        assert self.layer.flush(30)
        found = self.fake_layer.keys_by_session()
        assert self.good == {session_id: found.get(session_id) for session_id in self.good}

    @precondition(lambda self: not self.held)
    @rule()
    def forget(self) -> None:
        """Have Layer know no session any more, while nothing is under way."""
        self.change_the_weather({})
        assert self.layer.flush(30)
        assert self.layer.flush(30)  # what was recorded meanwhile
        self.fake_layer.forget()

    # ---- what has to hold

    @invariant()
    def account_holds(self) -> None:
        assert {0} >= self.wrong | {balance(self.layer.stats())}

    def teardown(self) -> None:
        """See that everything has met its fate, and that nothing is left."""
        for held in self.held:
            held.let_go()
        self.fake_layer.switch(chances={})
        is_flushed = self.layer.flush(30) and self.layer.flush(30)
        stats = self.layer.stats()
        self.is_over.set()
        self.watcher.join()
        self.layer.shutdown(1)
        assert is_flushed
        self.check(stats)

    def check(self, stats: dict[str, Any]) -> None:
        fake, fates = self.fake_layer, self.fates
        assert {**self.good, **self.nested} == fake.keys_by_session()
        assert ({}, {}) == (fake.duplicates(), fake.changed_bodies())
        reasons = {"before_send": fates[DISCARDED], "before_send_failed": fates[FAILED], "not_built": fates["raised"]}
        assert {reason: count for reason, count in reasons.items() if count} == stats["dropped"]
        assert (fates[GOOD], fates[POISON]) == (stats["sent"], stats["dead_lettered"])
        assert (sum(fates.values()), 0, 0) == (stats["accepted"], stats["queued_bytes"], stats["lanes"])
        reasons = {**reasons, "before_send": 0, "http_422": fates[POISON]}
        wait_until(lambda: +self.lost == +Counter(reasons))


def test_nothing_is_lost_or_doubled_whatever_happens_in_whatever_order(
    fake_layer_process: FakeLayer, monkeypatch: pytest.MonkeyPatch, internal_errors: list[BaseException]
) -> None:
    """At every moment the account holds; in the end each action has met its fate, once, in the order of its session."""

    class Run(Machine):
        """One run of the machine."""

        def __init__(self) -> None:
            super().__init__(fake_layer_process)

    for place in ("_arrivals", "_gate"):
        monkeypatch.setattr(f"layer_sdk.delivery.{place}.FIRST_DELAY", 0.01)  # in earnest it waits for seconds
    run_state_machine_as_test(
        Run,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
    assert {ZeroDivisionError} >= {type(error) for error in internal_errors}
    internal_errors.clear()
