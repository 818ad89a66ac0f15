"""The fault matrix, with its full numbers: what the server answers, and the ways there and back."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from chaos import chaos_faults
from chaos.recorded import MakeBackground, balance, numbers, record

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.chaos_proxy import ChaosProxy
    from chaos.fake_layer import FakeLayer
    from conftest import Figures

pytestmark = pytest.mark.long

SENT, DEAD, HELD = "sent", "dead", "held"
RECORDS = 40
# A first answer to a create and to an append, and what becomes of forty records that meet it.
ANSWERS: list[tuple[int, dict[str, Any], str, str]] = [
    (200, {}, SENT, SENT),
    (201, {}, SENT, SENT),
    (202, {}, SENT, SENT),
    (400, {}, SENT, DEAD),
    (401, {}, HELD, HELD),
    (403, {}, HELD, HELD),
    (404, {}, SENT, SENT),
    (405, {}, SENT, DEAD),
    (408, {}, SENT, SENT),
    (409, {}, SENT, DEAD),
    (410, {}, SENT, DEAD),
    (413, {}, SENT, SENT),
    (422, {}, SENT, DEAD),
    (425, {}, SENT, SENT),
    (429, {}, SENT, SENT),
    (429, {"retry_after": "1"}, SENT, SENT),
    (429, {"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, SENT, SENT),
    (429, {"retry_after": "soon"}, SENT, SENT),
    (429, {"retry_after": "1e12"}, SENT, SENT),
    (500, {}, SENT, SENT),
    (501, {}, SENT, SENT),
    (502, {}, SENT, SENT),
    (503, {}, SENT, SENT),
    (504, {}, SENT, SENT),
    (520, {}, SENT, SENT),
]


@pytest.mark.row(1, "each status once, to a create and to an append, 40 records each")
def test_every_answer_has_its_row(fake_layer: FakeLayer, background: MakeBackground, figures: Figures) -> None:
    """Twenty-five answers: nothing is lost but what is refused for good, and that is counted by its reason."""
    slowest = 0.0
    for status, options, *ends in ANSWERS:
        for operation, end in zip(("create", "append"), ends):
            fake_layer.reset()
            fake_layer.switch(existing="merge", **options)
            if status >= 300:
                fake_layer.switch(script={operation: [status]})
            began = time.monotonic()
            stats = meet(background, operation)
            slowest = max(slowest, time.monotonic() - began)
            assert (status, operation, expected(status, end), 0) == (status, operation, found(stats), balance(stats))
    figures(answers=2 * len(ANSWERS), records=2 * RECORDS * len(ANSWERS), slowest_seconds=round(slowest, 1))


def meet(background: MakeBackground, operation: str) -> dict[str, Any]:
    mine = background()
    with mine.session():
        if operation == "append":
            assert mine.flush(10)
        for number in range(RECORDS - 1):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number)}
    mine.flush(0.3)
    if mine.stats()["gate"] != "unauthorized":
        assert mine.flush(30)
    return mine.stats()


def expected(status: int, end: str) -> tuple[int, int, int, dict[str, int]]:
    if end == HELD:
        return 0, RECORDS, 0, {}
    dead = {f"http_{status}": 1} if end == DEAD else {}
    return RECORDS - len(dead), 0, len(dead), dead


def found(stats: dict[str, Any]) -> tuple[int, int, int, dict[str, int]]:
    held = stats["queued"] + stats["in_flight"]
    sent = stats["sent"] if not held else 0  # where an append is held, its session was sent before
    return sent, held + stats["sent"] - sent, stats["dead_lettered"], stats["dead_letters"]


@pytest.mark.row(1, "credentials refused, then accepted")
def test_held_records_go_when_the_credentials_are_accepted(
    fake_layer: FakeLayer, background: MakeBackground, figures: Figures
) -> None:
    """After a 401 everybody waits for one probe, which asks again in 15 to 30 seconds; then all arrives."""
    fake_layer.switch(reject=401, token="t")
    mine = background()
    began = time.monotonic()
    record(mine, 3, sessions=20)
    assert not mine.flush(1)
    asked = len(fake_layer.requests())
    fake_layer.switch(token=None, reject=0)
    assert mine.flush(60)
    assert (80, 20, 20) == (
        mine.stats()["sent"],
        len(fake_layer.keys_by_session()),
        len(fake_layer.requests()) - asked,
    )
    figures(records=80, refused=asked, seconds_held=round(time.monotonic() - began, 1))


@pytest.mark.row(2, "answers swallowed (0.2) and cut in half (0.1)")
@pytest.mark.parametrize("spool", ["none", "always", "spill"])
def test_ambiguous_answers(
    fake_layer: FakeLayer,
    chaos_proxy: ChaosProxy,
    background: MakeBackground,
    figures: Figures,
    *,
    tmp_path: Path,
    spool: str,
) -> None:
    """Five thousand records over such a way: all arrive once where the server knows keys, in order, unchanged."""
    fake_layer.switch(duplicate_detection=True)
    chaos_proxy.use(chaos_faults.swallow_response(0.2), chaos_faults.half_response(0.1))
    mine = background(base_url=chaos_proxy.url, **({} if spool == "none" else {"spool": spool, "spool_dir": tmp_path}))
    ids = record(mine, 46, sessions=100)
    mine.flush(1)
    for number in range(46, 49):
        for session_id in ids:
            mine.append_action(session_id, kind="embeddings", data={"key": str(number)}, wait=False)
    assert mine.flush(120)
    stats = mine.stats()
    assert {session_id: numbers(49) for session_id in ids} == fake_layer.keys_by_session()
    assert ({}, {}, 0) == (fake_layer.changed_bodies(), stats["dropped"], balance(stats))
    figures(spool=spool, records=stats["accepted"], requests=stats["requests"], repeated=stats["retries"])


@pytest.mark.row(3, "outage: refused for 5 s, black hole for 10 s")
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(chaos_faults.refuse(), 5), (chaos_faults.black_hole(), 10)],
    ids=["refused", "black hole"],
)
def test_outage(
    fake_layer: FakeLayer,
    chaos_proxy: ChaosProxy,
    background: MakeBackground,
    figures: Figures,
    *,
    fault: chaos_faults.Fault,
    seconds: float,
) -> None:
    """Twenty thousand records wait for the server, which is asked a handful of times, and then all arrive."""
    mine = background(base_url=chaos_proxy.url, http_timeout=1)
    chaos_proxy.use(fault)
    began = time.monotonic()
    ids = record(mine, 19, sessions=1000)
    assert not mine.flush(max(0.0, began + seconds - time.monotonic()))
    asked = mine.stats()["requests"]
    chaos_proxy.use()
    assert mine.flush(60)
    stats = mine.stats()
    assert {session_id: numbers(19) for session_id in ids} == fake_layer.keys_by_session()
    assert (20_000, 0) == (stats["sent"], balance(stats))
    assert 15 >= asked
    figures(records=20_000, requests_in_the_outage=asked, lost=20_000 - stats["sent"])


@pytest.mark.row(13, "1 % poison in batches of 50")
def test_poison(fake_layer: FakeLayer, background: MakeBackground, figures: Figures, seed: int) -> None:
    """Of five thousand records the server refuses fifty: those alone are dead letters."""
    bad = set(random.Random(seed).sample(range(5000), 50))  # noqa: S311  (a repeatable draw)
    mine = background()
    for first in range(0, 5000, 50):
        with mine.session():
            for number in range(first, first + 50):
                with mine.action(kind="embeddings") as action:
                    action.data = {"key": str(number), "poison": number in bad}
    assert mine.flush(60)
    stats = mine.stats()
    assert sorted(set(range(5000)) - bad) == sorted(map(int, fake_layer.keys()))
    assert ({"http_422": 50}, {}, 0) == (stats["dead_letters"], fake_layer.duplicates(), balance(stats))
    figures(records=5000, dead_letters=50, requests=stats["requests"])


@pytest.mark.row(15, "soak over HTTP: 5 % refused, 1 % of answers lost")
def test_soak(fake_layer: FakeLayer, background: MakeBackground, figures: Figures) -> None:
    """A hundred thousand actions in four thousand sessions: each once, in order, the account exact at every look."""
    fake_layer.switch(chances={"*": {503: 0.05}}, drop_after_read=0.01, duplicate_detection=True)
    mine = background(overflow="block")
    began = time.monotonic()
    wrong = 0
    for _ in range(40):
        record(mine, 25, sessions=100, text="x" * 500)
        wrong += balance(mine.stats())
    assert mine.flush(120)
    took = time.monotonic() - began
    assert (100_000, 0, {}, []) == (fake_layer.count(), wrong, fake_layer.duplicates(), fake_layer.order_violations())
    stats = mine.stats()
    figures(records=stats["accepted"], requests=stats["requests"], records_per_second=int(stats["accepted"] / took))
