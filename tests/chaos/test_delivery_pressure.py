"""Background delivery under outage, overflow and load; and what of the content leaves the process."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from chaos.recorded import MakeBackground, balance, numbers, record
from layer_sdk import LayerRequestPreparationError, LayerSDKException, SessionActionRequest, layer
from layer_sdk.delivery import BackgroundDelivery

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer

CANARY = "canary-7f3a9c"
SESSION = "2ed6657d-e927-568b-95e1-2665a8aea6a2"


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest", "block"])
def test_memory_stays_within_the_budget_and_every_loss_is_counted(
    fake_layer: FakeLayer, background: MakeBackground, overflow: str
) -> None:
    """With the server away, what does not fit is dropped by the policy, and the counts are exact."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(max_queue_bytes=300_000, overflow=overflow)
    assert mine._parts is not None
    engine = mine._parts.sink
    assert isinstance(engine, BackgroundDelivery)
    engine._limits = engine._limits._replace(block_timeout=0.01)
    most = 0
    for _ in range(100):
        record(mine, 4, text="x" * 2000)
        most = max(most, mine.stats()["queued_bytes"])
    stats = mine.stats()
    assert (500, 0, True) == (stats["accepted"], balance(stats), most <= 300_000)
    kept = stats["queued"] + stats["in_flight"]
    assert {"overflow": 500 - kept} == stats["dropped"]
    fake_layer.switch(chances={})
    assert mine.flush(30)
    assert (kept, []) == (mine.stats()["sent"], fake_layer.order_violations())


def test_drop_oldest_leaves_no_hole_in_what_is_kept(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Whole sessions give way, oldest first: of each that arrives, everything arrives."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(max_queue_bytes=200_000, overflow="drop_oldest")
    record(mine, 1)
    time.sleep(0.3)  # its request is under way, and so it stays
    ids = record(mine, 5, sessions=40, text="x" * 2000)
    fake_layer.switch(chances={})
    assert mine.flush(30)
    found = fake_layer.keys_by_session()
    assert ids[-1] in found
    assert {tuple(numbers(5))} == {tuple(found[session_id]) for session_id in ids if session_id in found}


def test_block_does_not_block_an_event_loop(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Where waiting would stop an event loop, the newest record is dropped instead."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(max_queue_bytes=20_000, overflow="block")

    async def main() -> float:
        began = time.monotonic()
        record(mine, 50, text="x" * 2000)
        return time.monotonic() - began

    assert 4 > asyncio.run(main())
    assert 0 < mine.stats()["dropped"]["overflow"]


def test_flush_waits_for_what_came_before_it_and_not_for_silence(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """While another thread goes on recording, a flush still ends."""
    mine = background()
    stop = threading.Event()

    def chatter() -> None:
        while not stop.is_set():
            record(mine, 1)
            time.sleep(0.001)

    thread = threading.Thread(target=chatter)
    thread.start()
    (session_id,) = record(mine, 3)
    is_flushed = mine.flush(20)
    found = fake_layer.keys_by_session().get(session_id)
    stop.set()
    thread.join()
    assert (True, numbers(3)) == (is_flushed, found)


def test_account_balances_at_every_moment(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What was accepted is sent, waiting, under way, dropped or dead, asked while everything moves."""
    fake_layer.switch(chances={"*": {503: 0.1, 422: 0.05}})
    mine = background(max_queue_bytes=500_000)
    stop = threading.Event()
    wrong: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            wrong.append(balance(mine.stats()))

    watcher = threading.Thread(target=watch)
    recorders = [threading.Thread(target=record, args=(mine, 5, 60), kwargs={"text": "x" * 500}) for _ in range(4)]
    for thread in [watcher, *recorders]:
        thread.start()
    for thread in recorders:
        thread.join()
    mine.flush(30)
    stop.set()
    watcher.join()
    assert {0} == set(wrong)
    assert 4 * 60 * 6 == mine.stats()["accepted"]


@pytest.mark.row(4, "an answer takes 2 s")
def test_slow_server_does_not_slow_the_host(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """With two seconds an answer, a thousand records take the host a fraction of one answer."""
    fake_layer.switch(delay=2.0)
    mine = background(http_timeout=5)
    began = time.monotonic()
    record(mine, 9, sessions=100)
    assert 2 > time.monotonic() - began
    assert 8 >= mine.stats()["workers"]


def test_more_workers_come_while_the_network_is_slow_and_go_when_idle(
    fake_layer: FakeLayer, background: MakeBackground
) -> None:
    """A slow network makes the workers more, up to eight; after shutdown there is none."""
    fake_layer.switch(delay=0.3)
    mine = background(http_timeout=5)
    record(mine, 1, sessions=30)
    assert mine.flush(30)
    assert 8 == fake_layer_concurrency(fake_layer)
    mine.shutdown()
    end = time.monotonic() + 5
    while time.monotonic() < end and _threads():
        time.sleep(0.01)
    assert [] == _threads()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("layer-sdk")]


def fake_layer_concurrency(fake_layer: FakeLayer) -> int:
    moments = [(asked.began, 1) for asked in fake_layer.requests()] + [
        (asked.ended, -1) for asked in fake_layer.requests()
    ]
    level = most = 0
    for _, step in sorted(moments):
        level += step
        most = max(most, level)
    return most


def test_shutdown_during_an_outage_counts_what_is_left(
    background: MakeBackground, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be sent within the budget is counted as lost, and one log line says so without content."""
    lost: list[tuple[str, int]] = []
    mine = background(
        base_url="http://127.0.0.1:1", on_drop=lambda reason, _session, count: lost.append((reason, count))
    )
    engine = mine._parts.sink  # type: ignore[union-attr]
    record(mine, 4, sessions=3, text=CANARY)
    mine.shutdown(0.5)
    stats = engine.stats()
    assert ({"shutdown": 15}, 0, 15) == (stats["dropped"], balance(stats), sum(count for _, count in lost))
    lines = [each.getMessage() for each in caplog.records if each.name == "layer_sdk"]
    assert ["15 recorded sessions or actions could not be sent in time before the end"] == lines


# ---- scrubbing


def test_before_send_sees_and_changes_every_action(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What it gives is what is sent, for recorded actions and explicit calls alike; None sends nothing."""
    seen: list[str] = []

    def scrub(action: SessionActionRequest) -> SessionActionRequest | None:
        assert isinstance(action.data, dict)
        seen.append(action.data["key"])
        if action.data["key"] == "secret":
            return None
        action.data["key"] = f"clean {action.data['key']}"
        return action

    mine = background(before_send=scrub)
    with mine.session() as session_id:
        for key in ("a", "secret", "b"):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": key}
        mine.append_action(session_id, kind="embeddings", data={"key": "c"})
        mine.append_action(session_id, kind="embeddings", data={"key": "secret"})
    assert mine.flush(10)
    assert ["clean a", "clean b", "clean c"] == fake_layer.keys()
    assert (["a", "secret", "b", "c", "secret"], {"before_send": 1}) == (seen, mine.stats()["dropped"])


@pytest.mark.parametrize("given", [ZeroDivisionError(CANARY), "text"])
def test_before_send_that_fails_sends_nothing(fake_layer: FakeLayer, background: MakeBackground, given: object) -> None:
    """It fails closed: the action is dropped and counted; an explicit call says so, with the cause and no content."""

    def scrub(action: SessionActionRequest) -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    lost: list[tuple[str, int]] = []
    mine = background(before_send=scrub, on_drop=lambda reason, _session, count: lost.append((reason, count)))
    (session_id,) = record(mine, 2)
    assert [("before_send_failed", 1)] * 2 == lost
    with pytest.raises(LayerRequestPreparationError) as caught:
        mine.append_action(session_id, kind="embeddings", data={"key": "x"})
    assert mine.flush(10)
    assert ([], {"before_send_failed": 2}, 0) == (fake_layer.keys(), mine.stats()["dropped"], balance(mine.stats()))
    assert CANARY not in str(caught.value)


def test_metadata_keeps_roles_and_sizes_and_no_text(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """Texts become a length and a keyed hash, the same for the same text and key; roles, ids and names stay."""
    kept: list[SessionActionRequest] = []

    def look(action: SessionActionRequest) -> SessionActionRequest:
        kept.append(action)
        return action

    mine = background(capture_content="metadata", content_key="k")
    engine = mine._parts.sink  # type: ignore[union-attr]
    append = engine.append
    engine.append = lambda session_id, action: append(session_id, look(action))  # type: ignore[method-assign]
    message = {"role": "user", "content": CANARY}
    with mine.session(), mine.action(kind="completion_prompt", attributes={"model.id": "m"}) as action:
        action.data = {"messages": [message, message], "tools": [{"id": "1", "name": "f", "arguments": {"q": CANARY}}]}
        action.error = ValueError(CANARY)
    assert mine.flush(10)
    (sent,) = kept
    first, second = sent.to_dict()["data"]["messages"]
    assert ("user", len(CANARY), first) == (first["role"], first["content"]["length"], second)
    assert {"id": "1", "name": "f"}.items() <= sent.to_dict()["data"]["tools"][0].items()
    assert ({"model.id": "m"}, False) == (sent.attributes, CANARY in str(sent.to_dict()))


FAILURES: list[dict[str, Any]] = [
    *({"chances": {"*": {status: 1.0}}} for status in (302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)),
    *({"chances": {"*": {fault: 1.0}}} for fault in ("drop_before_read", "drop_after_read", "half_body", "reset")),
    {"poison": 422},
    {"max_body": 100},
]


@pytest.mark.row(19, "a canary through every failure, at DEBUG")
@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_content_never_reaches_logs_or_stderr(
    fake_layer: FakeLayer,
    background: MakeBackground,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    *,
    failure: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Whatever fails, at DEBUG, no text of an action is logged, printed or raised; what is scrubbed is not on disk."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("layer_sdk").setLevel(logging.DEBUG)
    fake_layer.switch(**failure)
    mine = background(spool_dir=tmp_path, before_send=without_canary, http_timeout=0.5)
    record(mine, 3, text=CANARY, poison=True)
    with pytest.raises(LayerSDKException) as caught:
        mine.append_action(SESSION, kind="embeddings", data={"key": "x", "text": CANARY, "poison": True})
    mine.flush(1)
    mine.shutdown(0.2)
    output = capfd.readouterr()
    raised = "".join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert CANARY not in caplog.text + output.out + output.err + raised
    assert [] == [path for path in tmp_path.rglob("*.seg") if CANARY.encode() in path.read_bytes()]


def without_canary(action: SessionActionRequest) -> SessionActionRequest:
    assert isinstance(action.data, dict)
    assert CANARY == action.data.pop("text")
    return action


@pytest.mark.row(20, "closed, then used")
def test_closed_layer_refuses_and_does_not_hang(fake_layer: FakeLayer, background: MakeBackground) -> None:
    """What is recorded after the end is counted as lost; a flush and another end return at once."""
    mine = background()
    recorder = mine._parts.recorder  # type: ignore[union-attr]
    engine = mine._parts.sink  # type: ignore[union-attr]
    mine.shutdown()
    began = time.monotonic()
    for _ in range(20):
        recorder.append(UUID(SESSION), kind="embeddings", data={"key": "late"})
        assert engine.flush(10)
        engine.close(10)
    assert 5 > time.monotonic() - began
    assert ({"closed": 20}, 0, []) == (engine.stats()["dropped"], balance(engine.stats()), fake_layer.keys())


def test_singleton_delivers_in_the_background_by_default(fake_layer: FakeLayer) -> None:
    """What the module's `layer` records arrives without anybody waiting for it."""
    layer.init(base_url=fake_layer.url, application_id="a")
    record(layer, 3)
    fake_layer.wait_for(3, 10)
    assert asyncio.run(layer.aflush(10))
