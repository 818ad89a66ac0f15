from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from layer_sdk.delivery._losses import Losses


def test_threads_that_tell_at_once_go_on_telling() -> None:
    """One thread tells while another does, and ends after it: what either tells of later is told."""
    told: list[str] = []
    is_inside = {"first": threading.Event(), "second": threading.Event()}
    may_leave = {"first": threading.Event(), "second": threading.Event()}

    def on_drop(reason: str, _session: str, _count: int) -> None:
        told.append(reason)
        if reason in is_inside:
            is_inside[reason].set()
            assert may_leave[reason].wait(10)

    losses = Losses(on_drop)

    def lose(reason: str) -> None:
        losses.note(reason, "s", 1)
        losses.tell()

    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        first = one.submit(lose, "first")
        assert is_inside["first"].wait(10)
        second = other.submit(lose, "second")
        assert is_inside["second"].wait(10)
        for each, done in (("first", first), ("second", second)):
            may_leave[each].set()
            done.result(10)
        one.submit(lose, "third").result(10)
        assert ["first", "second", "third"] == told
        other.submit(lose, "fourth").result(10)
    assert ["first", "second", "third", "fourth"] == told


def test_callback_is_not_told_of_its_own_losses_while_it_runs() -> None:
    """A callback that records, and loses that too, is called once for each; the next one to tell tells of the rest."""
    told: list[str] = []

    def on_drop(reason: str, _session: str, _count: int) -> None:
        told.append(reason)
        if reason == "outer":
            losses.note("inner", "s", 1)
            losses.tell()

    losses = Losses(on_drop)
    losses.note("outer", "s", 1)
    losses.tell()
    assert ["outer"] == told
    losses.tell()
    assert ["outer", "inner"] == told


def test_loss_that_is_noted_while_others_are_told_of_is_told() -> None:
    """Another thread tells of what there is in the middle of noting the next one: that has its turn later, once."""
    told: list[str] = []
    losses = Losses(lambda reason, _session, _count: told.append(reason))

    class Session:
        """Its text takes a while, in which another thread may run."""

        def __str__(self) -> str:
            losses.tell()
            return "s"

    losses.note("first", "s", 1)
    losses.note("second", Session(), 1)
    losses.tell()
    assert ["first", "second"] == told
