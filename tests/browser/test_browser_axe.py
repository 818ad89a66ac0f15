from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.visits import DESKTOP, PHONE

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.conftest import Open
    from browser.sample import Recorded

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / ".envs" / "node" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "build" / "screenshots"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SIZES = {"desktop": DESKTOP, "phone": PHONE}
VIEWS = {
    "sessions": "/",
    "filtered": "/?q=wheels&status=ok&attribute=environment%3Dproduction",
    "nothing": "/?q=nosuchwords",
    "session": "/sessions/WHOLE",
    "long": "/sessions/LONG?from=101",
    "empty": "/sessions/EMPTY",
    "action": "/sessions/WHOLE/actions/2",
    "creation": "/sessions/WHOLE",
    "totals": "/totals",
    "requests": "/requests",
    "request": "/requests/1",
    "keys": "/keys",
    "missing": "/sessions/2ed6657d-e927-568b-95e1-2665a8aea6a2",
}


def violations(page: Page) -> list[str]:
    """What axe-core finds: the rule, and the first element that breaks it."""
    page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def unfold(page: Page) -> None:
    for fold in page.locator("main details:not([open]) > summary:visible").all():
        fold.click()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_accessible(visit: Open, sessions: Recorded, scheme: str, size: str) -> None:
    """No view breaks a rule of WCAG 2.2 AA that axe-core knows, light or dark, on a phone or a desktop."""
    one = visit(color_scheme=scheme, viewport=SIZES[size], reduced_motion="reduce")
    found = {}
    for name, address in VIEWS.items():
        named = address.replace("WHOLE", sessions.whole).replace("LONG", sessions.long)
        page = one.open(named.replace("EMPTY", sessions.empty))
        if name == "creation":
            one.open(page.locator(".creations a").first.get_attribute("href") or "")
        page.screenshot(path=SHOTS / f"{name}-{scheme}-{size}.png", full_page=name != "long")
        unfold(page)
        found[name] = violations(page)
    assert {} == {name: broken for name, broken in found.items() if broken}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_opens_is_accessible(visit: Open, sessions: Recorded, scheme: str) -> None:
    """JSON shown in place, and the dialog of the keys, break no rule of WCAG 2.2 AA that axe-core knows."""
    page = visit(f"/sessions/{sessions.whole}", color_scheme=scheme, reduced_motion="reduce").page
    page.keyboard.press("n")
    page.keyboard.press("j")
    expect(page.locator("#raw-1 pre")).to_be_visible()
    shown = violations(page)
    page.keyboard.press("?")
    expect(page.locator("dialog#keys")).to_be_visible()
    page.screenshot(path=SHOTS / f"keys-open-{scheme}.png")
    assert [] == shown + violations(page)


def test_a_broken_page_is_found(visit: Open, sessions: Recorded) -> None:
    """Axe-core does find what is wrong: faint text, and a picture without words."""
    page = visit("/").page
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert ["color-contrast", "image-alt"] == [line.partition(":")[0] for line in violations(page)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_docs_are_small(visit: Open, sessions: Recorded, scheme: str) -> None:
    """The screenshots of docs/images stay small; with PAGE_IMAGES=1 in the environment they are made anew."""
    one = visit(color_scheme=scheme, viewport={"width": 1000, "height": 640}, reduced_motion="reduce")
    folder = ROOT / "docs" / "images" if "PAGE_IMAGES" in os.environ else SHOTS / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    views = {"sessions": "/", "session": f"/sessions/{sessions.whole}", "totals": "/totals"}
    for name, address in views.items():
        one.open(address).screenshot(path=folder / f"{name}-{scheme}.png")
    assert [] == [path.name for path in folder.glob("*.png") if path.stat().st_size >= 150_000]
