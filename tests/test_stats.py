from __future__ import annotations

import gc
import os
import random
import signal
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk import LayerHTTPError, LayerRequestError
from layer_sdk.delivery._stats import Stats, reason

NOTHING = {"accepted": 0, "sent": 0, "queued": 0, "in_flight": 0, "dead_lettered": 0, "dropped": {}}


def balance(counts: dict[str, Any]) -> int:
    ended = sum(counts[name] for name in ("sent", "queued", "in_flight", "dead_lettered"))
    return int(counts["accepted"] - ended - sum(counts["dropped"].values()))


def send(stats: Stats, error: BaseException | None) -> None:
    """Send one record, successfully unless there is an error."""
    kinds = () if error is None else (type(error),)
    with suppress(*kinds), stats.sending():
        assert 0 == balance(stats.snapshot())
        if error is not None:
            raise error.with_traceback(None)


def test_nothing_yet() -> None:
    """All counts are there from the beginning."""
    assert NOTHING == Stats().snapshot()


def test_record_under_way() -> None:
    """While it is sent, a record is in flight, then it is sent."""
    stats = Stats()
    with stats.sending():
        assert {**NOTHING, "accepted": 1, "in_flight": 1} == stats.snapshot()
    assert {**NOTHING, "accepted": 1, "sent": 1} == stats.snapshot()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LayerHTTPError("secret", 503, "secret"), "http_503"),
        (LayerRequestError("secret"), "LayerRequestError"),
        (KeyboardInterrupt("secret"), "KeyboardInterrupt"),
        (ValueError("secret"), "ValueError"),
    ],
)
def test_record_that_was_dropped(error: BaseException, expected: str) -> None:
    """It is counted by the status or class of what stopped it, never by its text, and the error goes on."""
    stats = Stats()
    with pytest.raises(type(error)), stats.sending():
        raise error
    assert expected == reason(error)
    assert {**NOTHING, "accepted": 1, "dropped": {expected: 1}} == stats.snapshot()


def test_error_with_a_property_that_raises() -> None:
    """An error of somebody else's that cannot be asked for its status is counted all the same."""

    class Failing(Exception):  # noqa: N818  (a sample)
        @property
        def status_code(self) -> int:
            raise ZeroDivisionError

    stats = Stats()
    send(stats, Failing())
    assert {**NOTHING, "accepted": 1, "dropped": {"Failing": 1}} == stats.snapshot()


def test_snapshot_is_a_copy() -> None:
    """Changing a snapshot changes no count."""
    stats = Stats()
    send(stats, ValueError())
    stats.snapshot()["dropped"]["ValueError"] = 7
    assert {"ValueError": 1} == stats.snapshot()["dropped"]


ERRORS = [None, LayerHTTPError("", 500, ""), LayerHTTPError("", 404, ""), LayerRequestError(), KeyboardInterrupt()]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(ERRORS)))
def test_every_record_is_counted_once(errors: list[BaseException | None]) -> None:
    """After any sequence of outcomes, the counts are those of the outcomes."""
    stats = Stats()
    for error in errors:
        send(stats, error)
        assert 0 == balance(stats.snapshot())
    counts = stats.snapshot()
    assert (len(errors), errors.count(None), 0) == (counts["accepted"], counts["sent"], counts["in_flight"])
    expected = {reason(each) for each in errors if each is not None}
    assert expected == set(counts["dropped"])


def test_account_holds_at_every_moment_under_threads() -> None:
    """While eight threads send, succeed and fail, every snapshot of a ninth adds up."""
    stats = Stats()
    done = threading.Event()
    balances: set[int] = set()

    def work(seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311  (only a mixture)
        for _ in range(500):
            send(stats, draw.choice(ERRORS))

    def watch() -> None:
        while not done.is_set():
            balances.add(balance(stats.snapshot()))

    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in [watcher, *workers]:
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    watcher.join()
    counts = stats.snapshot()
    assert ({0}, 4000, 0) == (balances, counts["accepted"], counts["in_flight"])
    assert 4000 == counts["sent"] + sum(counts["dropped"].values())


class Counted:
    """Sends a record when the garbage collector finds it."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._itself = self

    def __del__(self) -> None:
        send(self._stats, None)


def test_finalizers_that_strike_while_counting() -> None:
    """A finalizer that sends where its thread is in the middle of counting neither waits for itself nor is lost."""
    stats = Stats()
    before = gc.get_threshold()

    def strike() -> None:
        for allocations in range(1, 101):  # at each in turn
            gc.set_threshold(0)
            gc.collect()
            Counted(stats)
            gc.set_threshold(allocations)
            for _ in range(10):
                send(stats, ValueError())
                stats.snapshot()

    thread = threading.Thread(target=strike, daemon=True)
    gc.freeze()
    try:
        thread.start()
        thread.join(20)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
    assert not thread.is_alive()
    gc.collect()
    counts = stats.snapshot()
    assert (1100, 100, {"ValueError": 1000}) == (counts["accepted"], counts["sent"], counts["dropped"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_counts_on() -> None:
    """A child that is forked while a thread of its parent counts is not held up by it."""
    stats = Stats()
    inside, going_on = threading.Event(), threading.Event()

    def hold() -> None:
        with stats._door.locked():
            inside.set()
            going_on.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(20)
    child = os.fork()
    if not child:
        signal.alarm(10)
        send(stats, None)
        os._exit(0)
    going_on.set()
    thread.join()
    assert 0 == os.waitpid(child, 0)[1]
