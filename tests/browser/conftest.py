"""What the tests of the page share: Chromium, a server with sessions in it, and pages that are watched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest

from browser.sample import Recorded, Recorder, record
from browser.visits import ARGUMENTS, DESKTOP, Visit
from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "build" / "screenshots"

sys.path.insert(0, str(ROOT / "scripts"))

Open = Callable[..., Visit]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each has contexts of its own, which share nothing."""
    from playwright.sync_api import sync_playwright

    from chromium import path

    found = path()
    assert found, "Chromium is missing: run scripts/chromium.py"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[Server]:
    """An embedded Layer with the sessions of sample.py in it."""
    with Server(Settings(policies=ROOT / "tests" / "policies.yaml")) as server:
        yield server


@pytest.fixture(scope="session")
def sessions(site: Server) -> Recorded:
    """The sessions that tests only look at."""
    return record(site.url)


@pytest.fixture
def recorder(site: Server) -> Recorder:
    """Record more on the server that all tests share."""
    return Recorder(site.url)


@pytest.fixture
def visit(chromium: Browser, site: Server) -> Iterator[Open]:
    """Open watched pages; a test passes only if nothing went wrong in them."""
    opened: list[Visit] = []

    def opener(path: str = "", *, url: str = site.url, **options: Any) -> Visit:
        context = chromium.new_context(**{"viewport": DESKTOP, **options})
        context.set_default_timeout(10_000)
        opened.append(Visit(context, url))
        if path:
            opened[-1].open(path)
        return opened[-1]

    yield opener
    # To close a page ends what it still waits for, which it calls an error.
    faults = [fault for one in opened for fault in one.faults]
    for one in opened:
        one.page.context.close()
    assert [] == faults
