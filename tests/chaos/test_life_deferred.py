"""Processes that fork, end or are struck while what they recorded is still to be put into words."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from chaos.life_program import FIRST, LATER, URL

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.fake_layer import FakeLayer

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent
PYTHONS = [ROOT / f".envs/wheel-{number}/bin/python" for number in ("3.8", "3.12")]  # whose ends differ most
GEVENT = ROOT / ".envs/runtimes/bin/python"
RANGE = 10_000_000  # numbers that each process has for itself
PATIENCE = 50.0

Hosts = list["ChaosHost"]
Run = Callable[..., Hosts]


@pytest.fixture
def run(host: Callable[..., ChaosHost], fake_layer: FakeLayer) -> Run:
    """Run a program to its end, on several Pythons at once if asked for, with actions that are put into words later."""

    def start(program: str, *arguments: str, status: int = 0, pythons: list[Path] | None = None, **more: str) -> Hosts:
        found = [python for python in pythons or [] if python.exists()] or [Path(sys.executable)]
        started = []
        for place, python in enumerate(found):
            environment = {URL: fake_layer.url, LATER: "1", FIRST: str(place * RANGE), **more}
            paths = (ROOT, ROOT / "generated")
            started.append(
                host(PROGRAMS / program, python=python, arguments=arguments, environment=environment, paths=paths)
            )
        for each in started:
            each.assert_exit(PATIENCE, status)
        return started

    return start


def told(hosts: Hosts, pattern: str) -> list[list[str]]:
    """Give what each has told of something."""
    return [re.findall(rf"^{pattern}$", each.stdout, re.MULTILINE) for each in hosts]


def missing(hosts: Hosts, fake_layer: FakeLayer) -> tuple[dict[int, int], dict[int, int]]:
    """Give what did not arrive of what was accepted, and what did although it was not, or did twice."""
    accepted = Counter(number for each in hosts for number in each.accepted())
    arrived = Counter(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    return dict(accepted - arrived), dict(arrived - accepted)


def complaints(hosts: Hosts) -> list[str]:
    return [line for each in hosts for line in each.stderr.splitlines()]


@pytest.mark.parametrize("end", ["run_off", "both_in_atexit", "thread_goes_on"])
def test_end_in_order_builds_and_sends_everything_once(run: Run, fake_layer: FakeLayer, end: str) -> None:
    """The end of the program, records in atexit around ours, and a thread that outlives the main one."""
    hosts = run("life_ends.py", end, pythons=PYTHONS)
    assert ({}, {}) == missing(hosts, fake_layer)
    assert {11 if end == "thread_goes_on" else 40} == {len(each.accepted()) for each in hosts}
    assert [] == complaints(hosts)


@pytest.mark.parametrize("end", ["slow_at_the_end", "record_at_the_end"])
def test_words_at_the_end_have_their_time(run: Run, fake_layer: FakeLayer, end: str) -> None:
    """What is slow to be put into words, or records in turn, arrives within the budget, once."""
    hosts = run("life_deferred.py", end, pythons=PYTHONS)
    assert ({}, {}) == missing(hosts, fake_layer)
    assert {40} == {len(each.accepted()) for each in hosts}
    assert [] == complaints(hosts)


@pytest.mark.parametrize("end", ["hang_at_the_end", "end_before_workers_start"])
def test_words_that_never_come_do_not_hold_up_the_end(run: Run, fake_layer: FakeLayer, end: str) -> None:
    """The budget is kept to, what is behind them is counted, and what other sessions recorded has arrived."""
    hosts = run("life_deferred.py", end, pythons=PYTHONS)
    assert ({}, {}) == missing(hosts, fake_layer)
    assert [["shutdown 2"]] * len(hosts) == told(hosts, r"dropped (\w+ \d+)")
    assert 2.5 > max(float(*took) for took in told(hosts, r"took ([\d.]+)"))
    assert ["WARNING layer_sdk 2 recorded sessions or actions could not be sent in time before the end"] * len(
        hosts
    ) == complaints(hosts)


def test_end_in_words_is_no_end_of_the_process(run: Run, fake_layer: FakeLayer) -> None:
    """A `before_send` that calls sys.exit loses its actions, by name, and neither workers nor the host."""
    hosts = run("life_deferred.py", "leave_in_words")
    assert ([["True"]], [["{'not_built': 20}"]]) == (told(hosts, "flushed (.*)"), told(hosts, "dropped (.*)"))
    assert [] == fake_layer.keys()


def test_fork_in_the_middle_of_words(run: Run, fake_layer: FakeLayer) -> None:
    """The parent's words are the parent's to make; the child begins empty and goes on with the same session."""
    hosts = run("life_deferred.py", "fork_while_building", pythons=PYTHONS)
    assert [["[]"] * 4] * len(hosts) == told(hosts, "bad (.*)"), complaints(hosts)
    assert ([["0"]] * len(hosts), [[]] * len(hosts)) == (told(hosts, "left (.*)"), told(hosts, "foreign (.*)"))
    assert ({}, {}) == missing(hosts, fake_layer)


def test_forks_while_threads_record_and_flush(run: Run, fake_layer: FakeLayer) -> None:
    """Nobody hangs, nothing is lost, twice, or put into words by another process."""
    fake_layer.switch(delay=0.01)
    hosts = run("life_forks.py", "storm", LIFE_FORKS="25")
    assert ([["[]"]], [["0"]], [[]]) == (
        told(hosts, "bad (.*)"),
        told(hosts, "left (.*)"),
        told(hosts, "foreign (.*)"),
    ), complaints(hosts)
    assert ({}, {}) == missing(hosts, fake_layer)
    assert 25 < len(fake_layer.keys())


def test_records_by_surprise_are_neither_lost_nor_a_deadlock(run: Run, fake_layer: FakeLayer) -> None:
    """Destructors under the lock, signals each millisecond and log handlers hand over what is put into words later."""
    hosts = run("life_reentry.py")
    assert ({}, {}) == missing(hosts, fake_layer)
    assert ["unbalanced 0", "lost 0"] == hosts[0].stdout.split("\n")[:2], complaints(hosts)


@pytest.mark.skipif(not GEVENT.exists(), reason="no .envs/runtimes: make compat")
def test_greenlets_put_into_words_what_greenlets_record(run: Run, fake_layer: FakeLayer) -> None:
    """With everything patched by gevent, forks among greenlets included, everything arrives once."""
    hosts = run("life_green.py", pythons=[GEVENT])
    assert ([["[]"]], [[]]) == (told(hosts, "bad (.*)"), told(hosts, "foreign (.*)")), complaints(hosts)
    assert ({}, {}) == missing(hosts, fake_layer)


def test_workers_that_make_words_import_nothing(run: Run, fake_layer: FakeLayer) -> None:
    """A child forked while a worker imports a module would wait for that module for ever."""
    hosts = run("life_deferred.py", "imports", pythons=PYTHONS)
    assert [[]] * len(hosts) == told(hosts, "imported (.*)")
    assert ([["True"]] * len(hosts), [["14"]] * len(hosts)) == (told(hosts, "flushed (.*)"), told(hosts, "sent (.*)"))
