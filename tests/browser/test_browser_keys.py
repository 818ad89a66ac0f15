from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.hostile import CORPUS
from browser.sample import prompt

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.conftest import Open
    from browser.sample import Recorded, Recorder

ROOT = Path(__file__).resolve().parents[2]
HARD = [text for text in CORPUS if 0 < len(text) < 1000]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_list_is_walked_with_keys(visit: Open, sessions: Recorded) -> None:
    """The letters n and p, and the arrows, walk over the sessions; Enter opens one, and g leads back."""
    page = visit("/?q=Question").page
    page.keyboard.press("n")
    first = focused(page)
    page.keyboard.press("ArrowDown")
    second = focused(page)
    page.keyboard.press("p")
    assert first == focused(page) != second
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions/**")
    page.keyboard.press("g")
    page.wait_for_url(lambda address: address.endswith("/"))


def test_json_is_a_key_away(visit: Open, sessions: Recorded) -> None:
    """On an action j shows its JSON in place, and takes it away again."""
    page = visit(f"/sessions/{sessions.whole}").page
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert "focus-2" == focused(page)
    page.keyboard.press("j")
    expect(page.locator("#raw-2 pre")).to_contain_text('"name": "find_order"')
    page.keyboard.press("j")
    expect(page.locator("#raw-2 pre")).to_have_count(0)


def test_keys_are_told_and_can_be_switched_off(visit: Open, sessions: Recorded) -> None:
    """The question mark shows the keys; keys of one letter can be switched off there, as WCAG 2.1.4 wants."""
    page = visit("/").page
    page.keyboard.press("?")
    assert page.locator("dialog#keys").evaluate("dialog => dialog.open")
    page.locator("dialog [data-keys-on]").uncheck()
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("n")
    assert not focused(page).startswith("open-")


def test_filter_takes_letters_as_letters(visit: Open, sessions: Recorded) -> None:
    """While the filter has the focus no letter is a command; Escape leaves it."""
    page = visit("/").page
    page.keyboard.press("/")
    page.keyboard.type("ngj?")
    assert "ngj?" == page.locator("#q").input_value()
    page.keyboard.press("Escape")
    assert "q" != focused(page)


def test_tab_reaches_everything(visit: Open, sessions: Recorded) -> None:
    """The tab key leads from the skip link over the pages and the filter to the sessions."""
    page = visit("/?q=Question").page
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.id"))
    assert "skip" == reached[0]
    assert [] == [wanted for wanted in ("brand", "q", "status", "kind", "time", "open") if wanted not in reached]


def copied(visit: Open, path: str, which: str) -> str:
    """What the clipboard has after the copy button of a block was pressed."""
    page = visit(path, permissions=["clipboard-read", "clipboard-write"]).page
    page.locator(f'button[data-copy="{which}"]').click()
    expect(page.locator(f'button[data-copy="{which}"]')).to_have_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def run(*command: str) -> str:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "generated"), "NO_PROXY": "*"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("which", ["curl", "python"])
def test_copies_of_an_action_record_it_again(visit: Open, recorder: Recorder, which: str) -> None:
    """What is copied sends the same action once more when it is run, whatever the action says."""
    session_id = recorder.session("copies", [])
    messages = [{"role": "user", "content": text} for text in HARD]
    recorder.append(session_id, {**prompt(""), "data": {"messages": messages}})
    text = copied(visit, f"/sessions/{session_id}/actions/1#request", which)
    command = ("bash", "-c", text.replace("curl ", "curl --silent --show-error --fail ", 1)) if which == "curl" else None
    run(*(command or (sys.executable, "-c", text)))
    first, second = recorder.read(session_id)["actions"]
    assert {**first, "received_at": ""} == {**second, "received_at": ""}


@pytest.mark.parametrize("which", ["curl", "python"])
def test_copies_of_a_creation_are_accepted(visit: Open, recorder: Recorder, which: str) -> None:
    """What is copied of the request that created a session is taken; byte by byte the same, as a repetition."""
    session_id = recorder.session("copies", [prompt("It's \"quoted\" `here` $HOME\\")], user_id="o'neill")
    link = visit(f"/sessions/{session_id}").page.locator(".creations a").first.get_attribute("href") or ""
    text = copied(visit, link, which)
    said = run("bash", "-c", text) if which == "curl" else run(sys.executable, "-c", text)
    assert session_id in said
    # The generated client writes times in its own way.
    assert {"curl": 1, "python": 2}[which] == recorder.read(session_id)["action_count"]
