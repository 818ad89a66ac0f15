"""The spool as more than a copy: what memory has no room for, what dead processes left, requests that outlive them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chaos.recorded import MakeBackground, balance, numbers, record, recover

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.conftest import MakeHost
    from chaos.fake_layer import FakeLayer

TEXT = "x" * 2200
BUDGET = 2_000_000

HOST = """
import sys, time
from layer_sdk import layer
layer.init(base_url=sys.argv[1], application_id="chaos", spool_dir=sys.argv[2])
with layer.session():
    for number in range(int(sys.argv[3])):
        with layer.action(kind="embeddings") as action:
            action.data = {"key": str(number), "text": "x" * 2000}
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest"])
def test_disk_has_what_memory_has_no_room_for(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, mode: str, overflow: str
) -> None:
    """In an outage with a spool, records beyond the budget in memory wait on disk and arrive, once and in order."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, spool=mode, max_queue_bytes=BUDGET, overflow=overflow)
    record(mine, 1, sessions=5)
    while mine.stats()["gate"] == "open":
        time.sleep(0.01)
    ids = record(mine, 20, sessions=80, text=TEXT)
    stats = mine.stats()
    assert ({}, 0, True) == (stats["dropped"], balance(stats), stats["queued_bytes"] <= BUDGET)
    assert 20 * 80 * len(TEXT) > 1.5 * BUDGET
    fake_layer.switch(chances={})
    most = 0
    while not mine.flush(0.02):
        most = max(most, mine.stats()["queued_bytes"])
    assert most <= 1.3 * BUDGET, "what is loaded to be sent is a part of it"
    found = fake_layer.keys_by_session()
    assert [numbers(20)] * 80 == [found[session_id] for session_id in ids]
    stats = mine.stats()
    assert ({}, 0, 0, 1690) == (stats["dropped"], balance(stats), stats["queued_bytes"], stats["sent"])
    assert len(ids) == len(fake_layer.requests(outcome=201)) - 5, "each session in one request"


def test_budget_is_kept_where_even_the_disk_is_no_help(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path
) -> None:
    """What a record on disk takes in memory counts, too: beyond that, the policy decides, and the loss is counted."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, max_queue_bytes=20_000)
    record(mine, 100, text=TEXT)
    stats = mine.stats()
    kept = stats["queued"] + stats["in_flight"]
    assert (0, True, {"overflow": 101 - kept}) == (balance(stats), stats["queued_bytes"] <= 20_000, stats["dropped"])
    fake_layer.switch(chances={})
    assert mine.flush(30)
    assert kept == mine.stats()["sent"]


def test_record_that_the_disk_lost_is_counted(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path
) -> None:
    """Where somebody empties the spool's files, what was on disk alone is lost, by a reason of its own."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, max_queue_bytes=BUDGET)
    record(mine, 20, sessions=40, text=TEXT)
    for segment in tmp_path.rglob("*.seg"):
        with segment.open("r+b") as file:
            file.truncate(8)
    fake_layer.switch(chances={})
    assert mine.flush(30)
    stats = mine.stats()
    assert (0, ["spool_lost"]) == (balance(stats), list(stats["dropped"]))
    assert 840 - stats["dropped"]["spool_lost"] == stats["sent"] > 0


def test_large_legacy_is_taken_over_in_parts(
    fake_layer: FakeLayer, background: MakeBackground, host: MakeHost, tmp_path: Path
) -> None:
    """What a dead process left is more than memory may take: it is taken over as there is room, whole and in order."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    victim = host(HOST, arguments=[fake_layer.url, str(tmp_path), "5000"])
    victim.wait_printed("ready")
    victim.send()
    victim.wait(5)
    mine = background(spool_dir=tmp_path, max_queue_bytes=BUDGET)
    stats = mine.stats()
    assert 0 < stats["accepted"] < 5001
    assert 0 < stats["spool"]["waiting"]
    fake_layer.switch(chances={})
    recover(mine)
    assert [numbers(5000)] == list(fake_layer.keys_by_session().values())
    assert ({}, 5001) == (mine.stats()["dropped"], mine.stats()["sent"])


@pytest.mark.parametrize("existing", ["merge", "conflict"])
def test_create_of_a_dead_process_is_repeated_as_it_was(
    fake_layer: FakeLayer, background: MakeBackground, host: MakeHost, tmp_path: Path, existing: str
) -> None:
    """Key and body outlive the process that sent them, so a server that knows either acts once."""
    fake_layer.switch(script={"create": ["drop_after_read"] * 20}, existing=existing, duplicate_detection=True)
    victim = host(HOST, arguments=[fake_layer.url, str(tmp_path), "300"])
    victim.wait_printed("ready")
    end = time.monotonic() + 20
    while not fake_layer.requests("create") and time.monotonic() < end:
        time.sleep(0.01)
    victim.send()
    victim.wait(5)
    fake_layer.switch(script={})
    mine = background(spool_dir=tmp_path)
    recover(mine)
    assert [numbers(300)] == list(fake_layer.keys_by_session().values())
    assert ({}, {}) == (fake_layer.duplicates(), fake_layer.changed_bodies())
    assert 1 == len({asked.key for asked in fake_layer.requests("create")})
