from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.sample import output, prompt
from browser.visits import PHONE

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from browser.conftest import Open
    from browser.sample import Recorded, Recorder


def test_list_says_what_each_session_is(visit: Open, sessions: Recorded) -> None:
    """A row tells a session's first prompt, application, environment, user, actions, tokens, errors and decision."""
    row = visit("/?q=1042").page.locator(f'tr[data-session="{sessions.whole}"]')
    said = row.inner_text()
    wanted = ("My order 1042", "support-assistant", "production", "anna", "10", "10,515", "block")
    assert [] == [text for text in wanted if text not in said]
    assert "1" == row.locator(".errors").inner_text()


def test_list_is_paged(visit: Open, sessions: Recorded) -> None:
    """Older and Newer lead through all sessions, fifty at a time, and back."""
    page = visit("/?environment=&q=Question").page
    assert 50 == page.locator("#rows tr").count()
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**before=**")
    assert 6 == page.locator("#rows tr").count()
    page.get_by_role("link", name="Newer").click()
    page.wait_for_url("**after=**")
    assert 50 == page.locator("#rows tr").count()


def test_session_reads_as_a_conversation(visit: Open, sessions: Recorded) -> None:
    """A session's page shows who said what, calls with their results, attachments, errors, usage, findings and gaps."""
    page = visit(f"/sessions/{sessions.whole}").page
    assert 10 == page.locator("article[data-item]").count()
    assert "You are the support agent of a bicycle shop." in page.locator(".bubble.system").first.inner_text()
    call = page.locator("#action-2 .call").inner_text()
    assert "find_order" in call and "call_f3Kq" in call and "shipped" in call
    picture = page.locator("#action-5 img")
    assert [240, 100] == picture.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    attached = page.locator("#action-5").inner_text()
    assert "elsewhere.invalid/wheel.png" in attached and "invoice.pdf" in attached
    assert "The model did not answer within 10 seconds." in page.locator("#action-9 .error").inner_text()
    assert "504" in page.locator("#action-9 .error").inner_text()
    assert "1,230 tokens" in page.locator("#action-4").inner_text()
    assert "openai_moderation_0" in page.locator("#action-7").inner_text()
    assert 10 == page.locator(".timeline rect").count()
    assert 1 <= page.locator(".gap").count()
    assert 1 <= page.locator("#action-6 .c-comment").count()


def test_violated_policies_mark_the_text_that_matched(visit: Open, sessions: Recorded) -> None:
    """What violated a policy is marked where it was said, and the policy is named."""
    page = visit(f"/sessions/{sessions.whole}").page
    assert ["FORBIDDEN"] == page.locator("#action-1 mark").all_inner_texts()
    assert "Forbidden words" in page.locator("#action-1 .policies").inner_text()


def test_long_session_is_paged(visit: Open, sessions: Recorded) -> None:
    """A session of many actions comes in pages of a hundred, and Next leads on."""
    page = visit(f"/sessions/{sessions.long}").page
    assert 100 == page.locator("article[data-item]").count()
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**from=101")
    assert 30 == page.locator("article[data-item]").count()


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("status", "error", "1 of"),
        ("status", "blocked", "1 of"),
        ("kind", "embeddings", "1 of"),
        ("time", "1h", "59 of"),
    ],
)
def test_choosing_filters_at_once(visit: Open, sessions: Recorded, field: str, value: str, found: str) -> None:
    """A choice of status, kind or time shows the sessions that fit, and stands in the address."""
    page = visit("/").page
    page.locator(f"#{field}").select_option(value)
    page.wait_for_url(f"**{field}={value}**")
    if field != "time":  # other tests record, too
        expect(page.locator("#count")).to_contain_text(found)
        expect(page.locator("#rows tr")).to_have_count(int(found.split()[0]))


def test_typing_filters_as_you_type(visit: Open, sessions: Recorded) -> None:
    """Words typed into the filter narrow the list without a key to send them, and keep the focus."""
    page = visit("/").page
    page.keyboard.press("/")
    page.keyboard.type("number 17 whe")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#rows")).to_contain_text("Question number 17 about wheels")
    assert "q" == page.evaluate("document.activeElement.id")
    page.locator("#q").fill("no such words anywhere")
    expect(page.locator("#empty")).to_contain_text("No session is like that.")
    page.locator("#clear").click()
    expect(page.locator("#rows tr")).to_have_count(50)


def test_attributes_filter(visit: Open, sessions: Recorded) -> None:
    """A name, or a name and a value, of an attribute narrows the list."""
    page = visit("/").page
    page.get_by_text("More", exact=True).click()
    page.locator("#attribute").press_sequentially("way=everything")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("#attribute").fill("user.id=user-003")
    expect(page.locator("#rows tr")).to_have_count(8)


def test_dates_filter(visit: Open, sessions: Recorded) -> None:
    """A moment from which, or until which, sessions were received narrows the list."""
    page = visit("/").page
    page.get_by_text("More", exact=True).click()
    page.locator("#until").fill("2020-01-01T00:00")
    expect(page.locator("#empty")).to_contain_text("No session is like that.")


def test_sessions_appear_as_they_are_recorded(visit: Open, sessions: Recorded, recorder: Recorder) -> None:
    """An open list shows a session that is recorded now, on top and without being loaded again."""
    page = visit("/").page
    page.evaluate("window.notLoadedAgain = true")
    expect(page.locator("#live")).to_have_text("Live")
    session_id = recorder.session("live", [prompt("This comes while you look")])
    expect(page.locator("#rows tr").first).to_have_attribute("data-session", session_id)
    expect(page.locator("#rows tr").first).to_contain_text("This comes while you look")
    recorder.append(session_id, output("And on it goes", tokens=7))
    expect(page.locator("#rows tr").first).to_contain_text("21")
    assert page.evaluate("window.notLoadedAgain")
    assert 50 == page.locator("#rows tr").count()


def test_live_list_keeps_to_its_filter(visit: Open, sessions: Recorded, recorder: Recorder) -> None:
    """What is recorded now and does not fit the filter does not appear; what fits does."""
    page = visit("/?q=peculiar").page
    expect(page.locator("#live")).to_have_text("Live")
    recorder.session("live", [prompt("An ordinary one")])
    recorder.session("live", [prompt("A peculiar one")])
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#rows")).to_contain_text("A peculiar one")


def test_actions_appear_as_they_are_recorded(visit: Open, recorder: Recorder) -> None:
    """An open session shows an action that is recorded now, and what is open there stays open."""
    session_id = recorder.session("live", [prompt("Are you there?")])
    page = visit(f"/sessions/{session_id}").page
    expect(page.locator("#live")).to_have_text("Live")
    page.locator("#summary details > summary").click()
    recorder.append(session_id, output("I am FORBIDDEN to say"))
    expect(page.locator("#action-2 .bubble.assistant")).to_contain_text("I am FORBIDDEN to say")
    expect(page.locator("#summary .decision")).to_have_text("block")
    assert page.locator("#summary details").evaluate("fold => fold.open")


def test_totals_are_drawn(visit: Open, sessions: Recorded) -> None:
    """The totals show actions, tokens, errors and latencies over time, for the time that is chosen, also as a table."""
    page = visit("/totals").page
    assert 4 == page.locator("figure.chart svg").count()
    assert 1 <= page.locator("figure.chart rect").count()
    page.locator("#range").select_option("all")
    page.wait_for_url("**range=all")
    page.get_by_text("The same as a table").click()
    assert 1 <= page.locator("details.table tbody tr").count()


def test_requests_are_listed(visit: Open, sessions: Recorded, recorder: Recorder) -> None:
    """The page of requests shows what was received, and adds what comes."""
    page = visit("/requests").page
    expect(page.locator("#live")).to_have_text("Live")
    session_id = recorder.session("live", [prompt("One more request")])
    recorder.append(session_id, output("Yes"))
    expect(page.locator("#rows tr").first).to_contain_text(f"POST /v1/sessions/{session_id}/actions")


def test_missing_pages_say_so(visit: Open) -> None:
    """An address that leads nowhere is answered with a page that says so and leads back."""
    page = visit("/sessions/2ed6657d-e927-568b-95e1-2665a8aea6a2").page
    assert "Not found" == page.locator("h1").inner_text()
    page.get_by_role("link", name="All sessions").click()
    assert "Sessions" == page.locator("h1").inner_text()


VIEWS = ("/", "/?q=Question", "/sessions/WHOLE", "/sessions/WHOLE/actions/2", "/totals", "/requests", "/keys")


@pytest.mark.parametrize("path", VIEWS)
def test_nothing_is_wider_than_a_phone(visit: Open, sessions: Recorded, path: str) -> None:
    """No page has to be scrolled sideways on a phone, 360 pixels wide."""
    one = visit(path.replace("WHOLE", sessions.whole), viewport=PHONE)
    assert not one.is_wide()
    for fold in one.page.locator("main details:not([open]) > summary:visible").all():
        fold.click()
    assert not one.is_wide()
