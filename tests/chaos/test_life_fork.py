"""Forked children: the parent sends what it holds, the child begins empty, nothing arrives twice, nobody hangs."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from chaos.life_program import SPOOL, URL

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.fake_layer import FakeLayer
    from conftest import Figures

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("life_forks.py")
PATHS = (ROOT, ROOT / "generated")
CHILD = 1_000_000
FORKS = 300
GUARD = 110.0  # seconds that a host may live

Run = Callable[..., "ChaosHost"]


@pytest.fixture
def run(host: Callable[..., ChaosHost], fake_layer: FakeLayer) -> Run:
    """Run the program to its end."""

    def start(*arguments: str, python: str | Path = sys.executable, spool: str = "") -> ChaosHost:
        found = host(
            PROGRAM,
            python=python,
            arguments=arguments,
            environment={URL: fake_layer.url, SPOOL: spool},
            paths=PATHS,
            guard=GUARD,
        )
        found.assert_exit(within=GUARD)
        return found

    return start


def told(host: ChaosHost, name: str) -> list[Any]:
    """Give what the program has told of something."""
    return [ast.literal_eval(value) for value in re.findall(rf"^{name} (.*)$", host.stdout, re.MULTILINE)]


def balance(host: ChaosHost, fake_layer: FakeLayer) -> dict[str, int]:
    """Give how many of the accepted actions are lost, and how many came twice."""
    accepted = Counter(host.accepted())
    arrived = Counter(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    return {"lost": sum((accepted - arrived).values()), "twice": sum((arrived - accepted).values())}


def show(text: str) -> None:
    """Print what was measured, for `pytest -rP`."""
    sys.stdout.write(text + "\n")


def pythons() -> list[Any]:
    """Give the Pythons whose ways to fork differ most."""
    found = {number: ROOT / f".envs/wheel-{number}/bin/python" for number in ("3.8", "3.13")}
    return [
        pytest.param(path, id=number, marks=pytest.mark.skipif(not path.exists(), reason="no such .envs: make compat"))
        for number, path in found.items()
    ]


@pytest.mark.long
@pytest.mark.row(9, "300 forks, four threads recording, a flush running")
@pytest.mark.parametrize("spool", ["", "always", "spill"])
def test_storm_of_forks(run: Run, fake_layer: FakeLayer, figures: Figures, tmp_path: Path, spool: str) -> None:
    """300 forks while four threads record and one flushes; children end by os._exit after a flush, or by sys.exit."""
    fake_layer.switch(delay=0.01)
    host = run("storm", spool=f"{spool}:{tmp_path / 'spool'}" if spool else "")
    arrived = [int(key) for key in fake_layer.keys()]  # noqa: SIM118  (no dict)
    found = {"hung or failed": len(told(host, "bad")[0]), **balance(host, fake_layer)}
    figures(spool=spool or "none", forks=FORKS, actions=len(arrived), **found)
    assert {"hung or failed": 0, "lost": 0, "twice": 0} == found, host.stderr[-4000:]
    assert list(range(FORKS)) == sorted(number - CHILD for number in arrived if CHILD <= number < CHILD + FORKS)
    assert [0] == told(host, "left")


def test_fork_while_a_request_is_on_its_way(run: Run, fake_layer: FakeLayer) -> None:
    """Both sides go on with the same session, and none uses a connection of the other's."""
    fake_layer.switch(delay=0.3)
    host = run("in_flight")
    assert [[]] == told(host, "bad"), host.stderr
    assert {"lost": 0, "twice": 0} == balance(host, fake_layer)
    ports = [port for name in ("child", "parent") for each in told(host, name) for port in each]
    assert 11 <= len(ports)
    assert [] == [port for port, times in Counter(ports).items() if times > 1]


@pytest.mark.row(10, "multiprocessing: fork, forkserver, spawn; Pool")
@pytest.mark.parametrize("python", [pytest.param(sys.executable, id="this"), *pythons()])
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(run: Run, fake_layer: FakeLayer, method: str, python: str | Path) -> None:
    """Processes that return, leave, or have a thread that goes on; a pool that is closed and joined."""
    host = run("processes", method, python=python)
    assert [[]] == told(host, "bad"), host.stderr
    assert {"lost": 0, "twice": 0} == balance(host, fake_layer)
    assert 10 + 3 + 20 + 1 == len(host.accepted())


@pytest.mark.parametrize("python", [pytest.param(sys.executable, id="this"), *pythons()])
def test_fork_waits_for_what_a_worker_imports(run: Run, fake_layer: FakeLayer, python: str | Path) -> None:
    """A child forked while a worker imports a module has that module, and sends."""
    host = run("while_loading", python=python)
    assert [True] == told(host, "loading")
    assert [[]] == told(host, "bad"), host.stderr
    assert {"lost": 0, "twice": 0} == balance(host, fake_layer)


def test_workers_import_only_where_forks_wait(run: Run, fake_layer: FakeLayer) -> None:
    """A child forked while a worker imports a module would wait for that module for ever."""
    fake_layer.switch(script={"*": [500, "drop_before_read"]})
    host = run("imports")
    assert [] == told(host, "imported")
    assert [True] == told(host, "flushed")


@pytest.mark.row(10, "children of children; a fork of which Python knows nothing")
@pytest.mark.parametrize("way", ["nested", "behind_python"])
def test_fork_in_other_ways(run: Run, fake_layer: FakeLayer, way: str) -> None:
    """Children of children; a fork in C of which Python knows nothing."""
    host = run(way)
    assert [[]] == told(host, "bad"), host.stderr
    assert {"lost": 0, "twice": 0} == balance(host, fake_layer)


def test_fork_behind_python_leaves_the_child_nothing_to_wait_for(run: Run, fake_layer: FakeLayer) -> None:
    """A child that never records ends at once: what its parent has queued is none of its business."""
    host = run("behind_python_and_idle")
    assert [[]] == told(host, "bad"), host.stderr
    assert told(host, "took")[0] < 3.0
    assert {"lost": 0, "twice": 0} == balance(host, fake_layer)
