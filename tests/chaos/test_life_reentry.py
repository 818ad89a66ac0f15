"""Records that are made while the engine stands in the middle of something."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from chaos.life_program import URL

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.fake_layer import FakeLayer

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("life_reentry.py")
BIRTHS = Path(__file__).with_name("life_births.py")
PATHS = (ROOT, ROOT / "generated")
OLD = ROOT / ".envs" / "wheel-3.8" / "bin" / "python"


pythons = pytest.mark.parametrize(
    "python",
    [
        pytest.param(Path(sys.executable), id="this"),
        pytest.param(
            OLD, id="3.8", marks=pytest.mark.skipif(not OLD.exists(), reason="no .envs/wheel-3.8: make compat")
        ),
    ],
)


@pytest.mark.row(11, "records out of destructors, signals and log handlers")
@pythons
@pytest.mark.parametrize("refusals", [0, 3])
def test_records_by_surprise_are_neither_lost_nor_a_deadlock(
    host: Callable[..., ChaosHost], fake_layer: FakeLayer, python: Path, refusals: int
) -> None:
    """Destructors under the lock, signals each millisecond, log handlers that record: nothing hangs or is lost."""
    fake_layer.switch(script={"*": [500] * refusals})
    running = host(PROGRAM, python=python, environment={URL: fake_layer.url}, paths=PATHS)
    running.assert_exit(within=55)
    accepted = Counter(running.accepted())
    arrived = Counter(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    sys.stdout.write(f"{len(accepted)} records\n")
    assert 2000 <= len(accepted)
    assert {} == dict(accepted - arrived)
    assert {} == dict(arrived - accepted)
    assert ["unbalanced 0", "lost 0"] == running.stdout.split("\n")[:2], running.stderr


@pytest.mark.row(11, "records out of destructors, signals and log handlers")
@pythons
@pytest.mark.parametrize("where", ["ours", "theirs"])
def test_records_while_threads_are_started_are_no_deadlock(
    host: Callable[..., ChaosHost], fake_layer: FakeLayer, python: Path, where: str
) -> None:
    """A destructor that records in a thread which is being started, or which holds what each start takes, goes on."""
    running = host(BIRTHS, python=python, arguments=[where], environment={URL: fake_layer.url}, paths=PATHS, guard=20)
    running.assert_exit(within=40)
    assert ["1", "2"] == sorted(fake_layer.keys())
    assert "flushed True" == running.stdout.strip(), running.stderr
