"""The fault matrix, with its full numbers: processes that are killed, pressed for memory, or lose their disk."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from chaos.life_program import SPOOL, URL
from chaos.recorded import MakeBackground, recover
from layer_sdk.delivery._segment import entries

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.fake_layer import FakeLayer
    from conftest import Figures

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PATHS = (ROOT, ROOT / "generated")
KILLS = int(os.environ.get("CHAOS_KILLS", "200"))
CAP = 4 * 1024 * 1024

Run = Callable[..., "ChaosHost"]


@pytest.fixture
def run(host: Callable[..., ChaosHost], fake_layer: FakeLayer) -> Run:
    """Start one of the programs."""

    def start(program: str, *arguments: str, **environment: str) -> ChaosHost:
        return host(
            HERE / program,
            arguments=arguments,
            environment={URL: fake_layer.url, **environment},
            paths=PATHS,
            guard=170.0,
        )

    return start


@pytest.mark.row(7, "SIGKILL at random moments, spool always")
def test_kills_lose_nothing(
    run: Run, fake_layer: FakeLayer, background: MakeBackground, figures: Figures, *, tmp_path: Path, seed: int
) -> None:
    """Two hundred processes are killed while they record: all that they had accepted is there after recovery, once."""
    fake_layer.switch(duplicate_detection=True)
    spool = tmp_path / "spool"
    killed = run("life_kills.py", str(KILLS), str(seed), **{SPOOL: f"always:{spool}"})
    killed.assert_exit(within=160)
    mine = background(spool_dir=spool, application_id="life")
    recover(mine)
    stats = mine.stats()
    mine.shutdown()
    accepted, arrived = killed.accepted(), [int(key) for key in fake_layer.keys()]  # noqa: SIM118  (no dict)
    missing, more = set(accepted) - set(arrived), set(arrived) - set(accepted)
    assert ([], [], {}) == (sorted(missing), fake_layer.order_violations(), stats["dropped"])
    assert len(more) <= KILLS, "one a process may have been written and not yet noted"
    assert len(accepted) > 10 * KILLS
    assert {} == fake_layer.duplicates()
    assert 0 == sum(each.records for each in entries(spool)), "nothing is left"
    recovered, torn = stats["spool"]["adopted"], stats["spool"]["torn_tails"]
    figures(kills=KILLS, accepted=len(accepted), missing=len(missing), recovered_last=recovered, torn=torn)


@pytest.mark.row(5, "server away, 4 MiB of memory, 2 KB records")
@pytest.mark.parametrize(("overflow", "records"), [("drop_newest", 50_000), ("drop_oldest", 50_000), ("block", 10_000)])
def test_pressure(run: Run, fake_layer: FakeLayer, figures: Figures, overflow: str, records: int) -> None:
    """Memory stays within the budget, whatever the policy, and every loss is counted."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    program = run("life_pressure.py", overflow, str(records), str(CAP))
    program.assert_exit(within=120)
    told: dict[str, Any] = json.loads(program.stdout)
    stats = told["stats"]
    kept = stats["queued"] + stats["in_flight"]
    assert (records, 0, {"overflow": records - kept}) == (stats["accepted"], told["wrong"], stats["dropped"])
    assert told["most"] <= CAP
    assert told["grown"] < 3 * CAP
    figures(policy=overflow, records=records, kept=kept, grown_MiB=round(told["grown"] / 2**20, 1))


@pytest.mark.row(16, "disk full or folder gone, under the engine")
@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize("trouble", ["full", "gone"])
def test_disk_in_trouble(run: Run, fake_layer: FakeLayer, *, tmp_path: Path, trouble: str, mode: str) -> None:
    """What cannot be written waits in memory, one warning says so, and everything arrives once."""
    fake_layer.switch(chances={"*": {503: 1.0}})  # so that there is something to spill, too
    program = run("life_disk.py", trouble, **{SPOOL: f"{mode}:{tmp_path / 'spool'}"})
    program.wait_printed("recorded")
    fake_layer.switch(chances={})
    program.assert_exit(within=60)
    told = json.loads(program.stdout.splitlines()[-1])
    assert (True, "broken", {}) == (told["flushed"], told["state"], told["dropped"])
    assert list(range(400)) == sorted(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    assert 1 == program.stderr.count("records are in memory only"), program.stderr


ENDS = [("run_off", 0), ("leave", 0), ("fail", 0), ("idle", signal.SIGINT), ("idle_with_handler", signal.SIGTERM)]


@pytest.mark.row(6, "end in order, spool")
@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize(("end", "number"), ENDS)
def test_end_in_order_with_a_spool_leaves_nothing(
    run: Run, fake_layer: FakeLayer, *, tmp_path: Path, mode: str, end: str, number: int
) -> None:
    """With Layer there, everything is sent once within the budget, and nothing stays on disk."""
    program = run("life_ends.py", end, **{SPOOL: f"{mode}:{tmp_path}"})
    if number:
        program.wait_printed("ready")
        program.send(number)
    program.wait(30)
    assert list(range(40)) == sorted(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    assert 0 == sum(each.records for each in entries(tmp_path))


@pytest.mark.row(6, "SIGTERM, SIGKILL, os._exit, spool")
@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize(
    ("end", "number"), [("idle_half_sent", signal.SIGTERM), ("idle_half_sent", signal.SIGKILL), ("cut_off", 0)]
)
def test_end_that_skips_python_with_a_spool(
    run: Run, fake_layer: FakeLayer, background: MakeBackground, *, tmp_path: Path, mode: str, end: str, number: int
) -> None:
    """With write-ahead nothing accepted is lost; spilling saves what was written in trouble, and there was none."""
    program = run("life_ends.py", end, **{SPOOL: f"{mode}:{tmp_path}"})
    if number:
        program.wait_printed("ready")
        program.send(number)
    program.wait(30)
    recover(background(spool_dir=tmp_path, application_id="life"))
    arrived = [int(key) for key in fake_layer.keys()]  # noqa: SIM118  (no dict)
    assert len(arrived) == len(set(arrived))
    least = 80 if mode == "always" else 40
    assert set(range(least)) <= set(arrived) <= set(program.accepted())


@pytest.mark.row(6, "end without a server, spool")
@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize("end", ["run_off", "leave", "fail", "idle"])
def test_what_an_end_leaves_is_sent_by_the_next_process(
    run: Run, fake_layer: FakeLayer, background: MakeBackground, *, tmp_path: Path, mode: str, end: str
) -> None:
    """The end of the program, sys.exit, an exception and Ctrl-C with Layer away: the rest waits on disk, once."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    program = run("life_ends.py", end, LAYER_SHUTDOWN_TIMEOUT="0.3", **{SPOOL: f"{mode}:{tmp_path}"})
    if end == "idle":
        program.wait_printed("ready")
        program.send(signal.SIGINT)
    program.wait(30)
    assert program.stderr.count("wait in the spool for the next process") == 1, program.stderr
    fake_layer.switch(chances={})
    recover(background(spool_dir=tmp_path, application_id="life"))
    assert list(range(40)) == sorted(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)
    assert ({}, []) == (fake_layer.duplicates(), fake_layer.order_violations())
