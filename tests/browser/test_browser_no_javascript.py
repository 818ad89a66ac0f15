from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from browser.conftest import Open
    from browser.sample import Recorded


def test_list_and_filter_work(visit: Open, sessions: Recorded) -> None:
    """Without JavaScript the filter is a form with a button, and the list has its pages."""
    page = visit("/", java_script_enabled=False).page
    page.locator("#q").fill("Question")
    page.locator("#status").select_option("ok")
    page.get_by_role("button", name="Show").click()
    assert 50 == page.locator("#rows tr").count()
    page.get_by_role("link", name="Older").click()
    assert 6 == page.locator("#rows tr").count()


def test_session_and_its_json_work(visit: Open, sessions: Recorded) -> None:
    """Without JavaScript a session opens, its folds unfold, and the JSON of an action is a link away."""
    page = visit("/?q=1042", java_script_enabled=False).page
    page.locator(f'tr[data-session="{sessions.whole}"] a').click()
    page.locator("#summary summary").click()
    assert page.get_by_text("everything").is_visible()
    page.locator("#action-2 a.json").click()
    assert "find_order" in page.locator("pre").first.inner_text()
    page.get_by_role("link", name="As it was received").click()
    said = json.loads(page.locator("pre").inner_text())
    assert "find_order" == said["data"]["tools"][0]["name"]


def test_totals_and_keys_work(visit: Open, sessions: Recorded) -> None:
    """Without JavaScript the totals are drawn for the time that is chosen, and the keys have a page."""
    page = visit("/totals", java_script_enabled=False).page
    page.locator("#range").select_option("week")
    page.get_by_role("button", name="Show").click()
    assert page.url.endswith("range=week")
    assert 4 == page.locator("figure.chart").count()
    page.get_by_role("link", name="Keys").click()
    assert "Keys" == page.locator("h1").inner_text()
