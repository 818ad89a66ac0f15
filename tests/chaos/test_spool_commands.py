"""`layer-sdk spool send`, where not everything can be sent in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from chaos.recorded import MakeBackground, numbers, record
from layer_sdk.cli import main
from layer_sdk.delivery.spooling import list_segments

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.fake_layer import FakeLayer

Send = Callable[[float], "tuple[int, str]"]


@pytest.fixture
def send(
    fake_layer: FakeLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Send:
    """Run `layer-sdk spool send` with so many seconds: its status, and the last line that it prints."""
    monkeypatch.setenv("LAYER_BASE_URL", fake_layer.url)
    monkeypatch.setenv("LAYER_APPLICATION_ID", "chaos")

    def run(seconds: float) -> tuple[int, str]:
        status = main(["spool", "send", str(tmp_path), "--timeout", str(seconds)])
        return status, capsys.readouterr().out.splitlines()[-1]

    return run


def leave(background: MakeBackground, folder: Path) -> None:
    """Leave 101 records of 10 MB: more than is adopted at a time."""
    mine = background(spool_dir=folder, spool="always")
    record(mine, 100, text="x" * 100_000)
    mine.shutdown(0.0)


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_what_waits_to_be_adopted_is_left(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, send: Send, seconds: float
) -> None:
    """When time runs out, all that stands on disk is left, taken over or not, and the status says so."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    leave(background, tmp_path)
    assert (1, "sent 0 records, 0 refused for good, 101 left") == send(seconds)
    assert 101 == sum(each.records for each in list_segments(tmp_path))
    fake_layer.switch(chances={})
    assert (0, "sent 101 records, 0 refused for good, 0 left") == send(60)
    assert numbers(100) == fake_layer.keys()


def test_what_a_living_process_holds_is_not_left(
    fake_layer: FakeLayer, background: MakeBackground, tmp_path: Path, send: Send
) -> None:
    """It is that process's to send."""
    fake_layer.switch(chances={"*": {503: 1.0}})
    record(background(spool_dir=tmp_path, spool="always"), 5)
    assert (0, "sent 0 records, 0 refused for good, 0 left") == send(5)
