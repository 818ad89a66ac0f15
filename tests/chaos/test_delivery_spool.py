"""The spool behind background delivery: what outlives the process, and who sends it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from chaos.later import wait_until
from chaos.recorded import MakeBackground, balance, numbers, record, recover
from layer_sdk import LayerInvalidConfigurationError, LayerRequestError
from layer_sdk.cli import main
from layer_sdk.delivery._segment import entries

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer


@pytest.mark.parametrize("mode", ["always", "spill"])
def test_next_process_sends_what_the_last_one_could_not(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, mode: str
) -> None:
    """What is left at shutdown waits on disk, is no loss, and arrives once, in order, when another one starts."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, spool=mode)
    ids = record(mine, 5, sessions=4)
    engine = mine._parts.sink  # type: ignore[union-attr]
    mine.shutdown(0.2)
    assert ({}, 24, 0) == (engine.stats()["dropped"], engine.stats()["queued"], balance(engine.stats()))
    fake_layer.switch(chances={})
    other = background(spool_dir=tmp_path, spool=mode)
    assert other.flush(20)
    assert {session_id: numbers(5) for session_id in ids} == fake_layer.keys_by_session()
    assert {} == fake_layer.duplicates()


def test_worker_that_is_ready_too_late_sends_nothing(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path
) -> None:
    """What was given up while a worker still loaded what it sends with is the next process's alone."""
    mine = background(spool_dir=tmp_path, spool="always")
    assert mine._parts is not None
    with mine._parts.connections._lock:  # which the worker waits for
        ids = record(mine, 5, sessions=4)
        mine.shutdown(0.2)
    wait_until(lambda: not [each for each in threading.enumerate() if each.name.startswith("layer-sdk")])
    assert [] == fake_layer.requests()
    assert background(spool_dir=tmp_path, spool="always").flush(20)
    assert {session_id: numbers(5) for session_id in ids} == fake_layer.keys_by_session()


def test_what_is_spilled_late_keeps_its_place(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path
) -> None:
    """What was recorded before the trouble was known is written at the end, and still comes before what came after."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, spool="spill")
    with mine.session() as session_id:
        for number in range(10):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number)}
            if number == 4:
                record(mine, 1, sessions=6)
                while mine.stats()["gate"] == "open":
                    time.sleep(0.01)
    mine.shutdown(0.1)
    fake_layer.switch(chances={})
    recover(background(spool_dir=tmp_path, spool="spill"))
    assert numbers(10) == fake_layer.keys_by_session()[session_id]


def test_explicit_call_is_let_go_at_the_end(fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path) -> None:
    """A call that waits in a lane when the end comes raises, and its action is not kept for later."""
    fake_layer.switch(delay=3.0)
    mine = background(spool_dir=tmp_path, http_timeout=10)
    raised: list[BaseException] = []
    (session_id,) = record(mine, 1)
    time.sleep(0.3)  # its request is under way

    def call() -> None:
        try:
            mine.append_action(session_id, kind="embeddings", data={"key": "late"})
        except LayerRequestError as error:
            raised.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(0.2)
    engine = mine._parts.sink  # type: ignore[union-attr]
    mine.shutdown(0.1)
    caller.join(10)
    assert (1, False) == (len(raised), caller.is_alive())
    assert (True, 0, 0) == (engine.flush(), engine.stats()["queued_bytes"], balance(engine.stats()))


def test_settled_records_leave_the_disk(fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path) -> None:
    """When everything is sent, the next process finds nothing to send."""
    mine = background(spool_dir=tmp_path)
    record(mine, 5, sessions=4)
    assert mine.flush(20)
    mine.shutdown()
    other = background(spool_dir=tmp_path)
    assert (0, 20) == (other.stats()["accepted"], fake_layer.count())


@pytest.mark.parametrize("mode", ["always", "spill"])
def test_dead_letter_leaves_the_disk(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, mode: str
) -> None:
    """What the server refuses for what it is is counted, and is no trouble for the next process."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path, spool=mode)
    record(mine, 1, sessions=5)
    while mine.stats()["gate"] == "open":
        time.sleep(0.01)
    with mine.session() as session_id:
        for number in range(5):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number), "poison": number == 2}
    assert 6 <= mine.stats()["spool"]["written"]
    fake_layer.switch(chances={})
    assert mine.flush(30)
    assert (1, ["0", "1", "3", "4"]) == (mine.stats()["dead_lettered"], fake_layer.keys_by_session()[session_id])
    mine.shutdown()
    assert 0 == sum(each.records for each in entries(tmp_path))


@pytest.mark.parametrize("mode", ["always", "spill"])
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_lose_nothing_with_the_process(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, *, mode: str, status: int
) -> None:
    """What is held because of a 401 or 403 stays on disk at the end, for a process whose credentials are accepted."""
    fake_layer.switch(reject=status)
    mine = background(spool_dir=tmp_path, spool=mode)
    ids = record(mine, 5, sessions=4)
    assert not mine.flush(0.5)
    mine.shutdown(0.1)
    fake_layer.switch(reject=0)
    recover(background(spool_dir=tmp_path))
    assert {session_id: numbers(5) for session_id in ids} == fake_layer.keys_by_session()


def test_folder_that_cannot_be_used_is_an_error_of_init(background: MakeBackground, tmp_path: Path) -> None:
    """A spool where others could read it is refused, with the reason."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(LayerInvalidConfigurationError, match="spool_dir"):
        background(spool_dir=shared)


def test_scrubbed_text_is_not_in_the_spool(fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path) -> None:
    """What before_send takes out never reaches the disk."""
    fake_layer.switch(chances={"*": {503: 1.0}})

    def scrub(action):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  (a host's function)
        action.data = {"key": "clean"}
        return action

    mine = background(spool_dir=tmp_path, before_send=scrub)
    record(mine, 3, text="canary-7f3a9c")
    mine.shutdown(0.1)
    files = [path.read_bytes() for path in tmp_path.rglob("*.seg")]
    assert (True, False) == (any(b"clean" in each for each in files), any(b"canary" in each for each in files))


def test_command_line_lists_sends_and_deletes(
    fake_layer: FakeLayer,
    background: MakeBackground,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`layer-sdk spool` shows what waits, sends it to the server that the environment names, and deletes the rest."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    mine = background(spool_dir=tmp_path)
    record(mine, 5)
    mine.shutdown(0.1)
    monkeypatch.setenv("LAYER_BASE_URL", fake_layer.url)
    monkeypatch.setenv("LAYER_APPLICATION_ID", "chaos")
    assert (0, "6 records in 1 segments") == (main(["spool", "list", str(tmp_path)]), last_line(capsys))
    fake_layer.switch(chances={})
    assert (0, "sent 6 records, 0 refused for good, 0 left") == (
        main(["spool", "send", str(tmp_path), "--timeout", "20"]),
        last_line(capsys),
    )
    assert numbers(5) == fake_layer.keys()
    assert (0, "deleted 0 records in 0 segments") == (main(["spool", "delete", str(tmp_path)]), last_line(capsys))
    assert 1 == main(["spool", "list", str(tmp_path / "nothing")])


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]
