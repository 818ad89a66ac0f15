"""The tools of the chaos tests as fixtures. CHAOS_SEED repeats a run; a failing test shows the seed it had."""

from __future__ import annotations

import itertools
import os
import random
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest

from chaos.chaos_host import ChaosHost
from chaos.chaos_proxy import ChaosProxy
from chaos.fake_layer import FakeLayer
from layer_sdk import Layer

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.recorded import MakeBackground

MakeHost = Callable[..., ChaosHost]


@pytest.fixture(scope="session")
def chaos_run() -> int:
    """What all seeds of a run come from."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


@pytest.fixture
def seed(chaos_run: int, request: pytest.FixtureRequest) -> int:
    """A seed for one test, which does not depend on what else runs."""
    request.node.add_report_section("setup", "chaos", f"repeat with CHAOS_SEED={chaos_run}")
    return zlib.crc32(f"{chaos_run} {request.node.nodeid}".encode())


@pytest.fixture(scope="session")
def fake_layer_process() -> Iterator[FakeLayer]:
    """One fake Layer for all tests."""
    with FakeLayer() as fake:
        yield fake


@pytest.fixture
def fake_layer(fake_layer_process: FakeLayer, seed: int) -> Iterator[FakeLayer]:
    """A fake Layer as good as new. The test fails if the fake made a mistake."""
    fake_layer_process.reset(seed)
    yield fake_layer_process
    assert [] == fake_layer_process.errors()


@pytest.fixture
def chaos_proxy(fake_layer: FakeLayer, seed: int) -> Iterator[ChaosProxy]:
    """A proxy before the fake Layer, that passes everything on until told otherwise."""
    with ChaosProxy(fake_layer.host, fake_layer.port, seed) as proxy:
        yield proxy


@pytest.fixture
def host(seed: int, tmp_path: Path) -> Iterator[MakeHost]:
    """Start host processes, each with a folder of its own; what is left of them in the end is killed."""
    numbers = itertools.count(1)
    with ExitStack() as stack:

        def start(program: str | Path, **options: object) -> ChaosHost:
            number = next(numbers)
            chosen = {"seed": seed + number, **options}
            return stack.enter_context(ChaosHost(program, tmp_path / f"host-{number}", **chosen))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def background(fake_layer: FakeLayer) -> Iterator[MakeBackground]:
    """Make `Layer` objects that deliver in the background, to the fake Layer unless told otherwise."""
    made: list[Layer] = []

    def make(**options: Any) -> Layer:
        mine = Layer()
        defaults: dict[str, Any] = {"base_url": fake_layer.url, "application_id": "chaos", "http_timeout": 2}
        mine.init(**{**defaults, **options})
        made.append(mine)
        return mine

    yield make
    for mine in made:
        mine.shutdown(0.1)
