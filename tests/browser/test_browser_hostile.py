from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Iterator
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import expect

from browser.hostile import CORPUS
from browser.sample import action
from layer_sdk.devserver import Server, Settings

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from browser.conftest import Open
    from browser.visits import Visit

_HARMLESS = "harmless"
_LONG = 25_000
_TOO_LARGE = 100_000
# What a page has of elements that may run something, fetch something, or cover what is there; and what is odd about it.
_SEEN = """() => {
  const tags = "script img image svg math iframe frame object embed applet style link base meta form input textarea " +
    "select button video audio source track template noscript marquee portal dialog title main body foreignObject";
  const seen = Object.fromEntries(tags.split(" ").map((tag) => [tag, document.querySelectorAll(tag).length]));
  const odd = [];
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      const isAddress = ["href", "src", "action", "formaction", "data-json", "xlink:href"].includes(name);
      if (isAddress && new URL(value, location).origin !== location.origin) odd.push(`${name} ${value}`.slice(0, 200));
      if (/^on|^style$|^srcdoc$|^srcset$|^ping$|^background$/.test(name)) odd.push(`${name} ${value}`.slice(0, 200));
      if (/^(data-)?(hx|sse)-/.test(name) && !element.matches("#filter")) odd.push(`${name} ${value}`.slice(0, 200));
    }
  }
  return { seen, odd, pwned: window.__pwned ?? null, polluted: ({}).polluted ?? null };
}"""


def body_of(text: str) -> dict[str, Any]:
    """A session with a text in every field that takes one."""
    part = {"type": text, "text": text}
    pictures = [{"type": "image_url", "image_url": {"url": text}}, {"type": text, text: text}]
    sound = {"type": "input_audio", "input_audio": {"data": text, "format": text}}
    paper = {"type": "file", "file": {"filename": text, "file_id": text}}
    call = {"id": text, "type": text, "function": {"name": text, "arguments": text}}
    messages = [
        {"role": "user", "content": text, "name": text},
        {"role": text, "content": [part, text, *pictures]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": text, "content": text},
    ]
    tools = [
        {"id": text, "name": text, "arguments": {"text": text, "more": [text]}},
        {"id": "2", "name": text, "arguments": text},
    ]
    error = {"message": text, "code": 7, "details": {"type": text, "text": text}}
    scanners = [{"name": text, "data": {"text": text, "name": text}}]
    named = {"environment": text, "user.id": text, "name": text, **({text: "value"} if len(text) < _LONG else {})}
    said = {"text": text, "model.id": text}
    return {
        "application_id": text,
        "attributes": named,
        "actions": [
            action("completion_prompt", attributes=said, data={"messages": messages, "text": text}),
            action("completion_tool_call", 1, attributes=said, data={"tools": tools}),
            action("completion_prompt_attachment", 2, data={"role": text, "content": [part, *pictures, sound, paper]}),
            action(
                "completion_output", 3, data={"messages": [{"role": "assistant", "content": text}]}, scanners=scanners
            ),
            action("completion_output", 4, data=None, error=error),
            action("embeddings", 5, data={"input": [text, {"text": text}]}),
            action("moderation", 6, data={"input": text}, scanners=scanners),
        ],
    }


@pytest.fixture(scope="module")
def hostile() -> Iterator[tuple[Server, dict[str, str]]]:
    """A server of its own, and the session of each text: a browser asks no server for more than what is in it."""
    # A text of a million characters in each field is more than the default takes.
    with Server(Settings(max_body=64 * 1024 * 1024)) as server, requests.Session() as connection:
        ids = {}
        for text in (_HARMLESS, *CORPUS):
            answer = connection.post(f"{server.url}/v1/sessions", json=body_of(text), timeout=60)
            assert 201 == answer.status_code, (text[:80], answer.text[:300])
            ids[text] = answer.json()["session_id"]
        yield server, ids


def seen(one: Visit, path: str) -> dict[str, Any]:
    """What a page consists of, once it has had the time to do what it should not."""
    one.open(path)
    return dict(one.page.evaluate(_SEEN))


def is_same(found: dict[str, Any], wanted: dict[str, Any], text: str) -> bool:
    """Whether a page has what the harmless one has. Of what is too large it shows less, but nothing more."""
    if len(text) > _TOO_LARGE:
        at_most = {tag: max(count, wanted["seen"][tag]) for tag, count in found["seen"].items()}
        found = {**found, "seen": at_most}
    return found == wanted


def as_shown(text: str) -> list[str]:
    """The lines of a text as a page shows them, without white space; those that fence code are not shown."""
    shown = text.encode("utf-8", "backslashreplace").decode("utf-8")
    shown = re.sub(
        r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
        lambda found: chr(0x2400 + ord(found[0])).replace("\u247f", "\u2421"),
        shown,
    )
    lines = re.split(r"[\r\n]+", shown[:3000])
    return [_squeezed(line) for line in lines[:50] if not line.lstrip().startswith("```")]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def short(text: str) -> str:
    return text if len(text) < 80 else f"{text[:60]}… ({len(text)} characters)"


def test_corpus_is_large() -> None:
    """There are more than two hundred texts, all different."""
    assert 200 < len(set(CORPUS)) == len(CORPUS)


def test_lists_show_every_text_and_run_nothing(visit: Open, hostile: tuple[Server, dict[str, str]]) -> None:
    """The list shows every text of the corpus as a prompt, application, environment and user; nothing of it runs."""
    server, ids = hostile
    one = visit(url=server.url)
    one.open("/?q=harmless")
    wanted = one.page.evaluate(_SEEN)
    rows = 0
    path: str | None = "/"
    while path:
        found = seen(one, path)
        rows += one.page.locator("#rows tr").count()
        assert wanted == found
        path = one.page.evaluate("document.querySelector('a[rel=next]')?.getAttribute('href') ?? null")
    assert len(ids) == rows


def test_sessions_show_every_text_and_run_nothing(visit: Open, hostile: tuple[Server, dict[str, str]]) -> None:
    """A session with a text of the corpus in every field shows it, and has no element that a harmless one has not."""
    server, ids = hostile
    one = visit(url=server.url)
    wanted = seen(one, f"/sessions/{ids[_HARMLESS]}")
    wrong, unseen = {}, {}
    for text, session_id in ids.items():
        found = seen(one, f"/sessions/{session_id}")
        said = _squeezed(one.page.locator("#action-4 .bubble").evaluate("bubble => bubble.textContent"))
        if not is_same(found, wanted, text) or one.faults:
            wrong[short(text)] = [found, *one.faults]
            one.faults.clear()
        missing = [line for line in as_shown(text) if line not in said]
        if missing and not _is_json(text) and not (len(text) > _TOO_LARGE and "toolargetobeshown" in said):
            unseen[short(text)] = missing[:2]
    assert {} == wrong
    assert {} == unseen


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def test_actions_show_every_text_and_run_nothing(visit: Open, hostile: tuple[Server, dict[str, str]]) -> None:
    """The pages of an action, with its JSON and its request as curl and Python, show a text and run nothing."""
    server, ids = hostile
    one = visit(url=server.url)
    paths = ["actions/2"]
    wanted = {path: seen(one, f"/sessions/{ids[_HARMLESS]}/{path}") for path in paths}
    wrong = {}
    # Of longer ones the request is too large to be shown.
    for text in (text for text in CORPUS[::2] if len(text) < 5000):
        for path in paths:
            found = seen(one, f"/sessions/{ids[text]}/{path}")
            said = one.page.locator("main pre").first.evaluate("block => block.textContent")
            if found != wanted[path] or one.faults or text not in json.loads(said)["data"]["tools"][1]["arguments"]:
                wrong[short(text)] = [found, *one.faults]
                one.faults.clear()
    assert {} == wrong


def test_addresses_show_every_text_and_run_nothing(visit: Open, hostile: tuple[Server, dict[str, str]]) -> None:
    """A text of the corpus as what the filter asks for, or as the id of a session, is shown and runs nothing."""
    server, _ = hostile
    one = visit(url=server.url)
    nothing, missing = seen(one, "/?q=nosuchword&attribute=x"), seen(one, "/sessions/harmless")
    wrong = {}
    for text in (text for text in CORPUS[1::2] if len(text) < 500):
        named = quote(text, safe="", errors="replace")
        found = seen(
            one, f"/?kind={named}&attribute={named}&q=nosuchword{named}&time={named}&since={named}&before={named}"
        )
        lost = seen(one, f"/sessions/x{named}") if "%2F" not in named and "%00" not in named else missing
        if found != nothing or lost != missing or one.faults:
            wrong[short(text)] = [found, lost, *one.faults]
            one.faults.clear()
    assert {} == wrong


def test_requests_show_every_text_and_run_nothing(visit: Open, hostile: tuple[Server, dict[str, str]]) -> None:
    """What was asked of the API is listed, whatever stood in its address, and runs nothing."""
    server, _ = hostile
    hard = [text for text in CORPUS if len(text) < 500][:150]
    for text in hard:
        address = f"{server.url}/v1/applications?{quote(text, safe='<>=()/;:', errors='replace')}"
        requests.get(address, timeout=10)
    one = visit(url=server.url)
    found = seen(one, "/requests")
    assert ([], None) == (found["odd"], found["pwned"])
    assert 2 == found["seen"]["script"]


def test_live_pages_run_nothing(visit: Open) -> None:
    """Texts that arrive while the list, and their session, are open are shown there, and run nothing."""
    with Server(Settings()) as server, requests.Session() as connection:
        session_id = connection.post(f"{server.url}/v1/sessions", json={"application_id": "x"}, timeout=10).json()[
            "session_id"
        ]
        opened = [visit(path, url=server.url) for path in ("/", f"/sessions/{session_id}")]
        wanted = [one.page.evaluate(_SEEN)["seen"] for one in opened]
        for one in opened:
            expect(one.page.locator("#live")).to_have_text("Live")
        hard = [text for text in CORPUS if len(text) < 500]
        for text in hard[:45]:
            connection.post(f"{server.url}/v1/sessions", json=body_of(text), timeout=10).raise_for_status()
        for text in hard[45:140]:
            said = action("completion_output", data={"messages": [{"role": text, "content": text}]})
            connection.post(f"{server.url}/v1/sessions/{session_id}/actions", json=said, timeout=10).raise_for_status()
        expect(opened[0].page.locator("#rows tr")).to_have_count(46)
        expect(opened[1].page.locator("article")).to_have_count(95)
        found = [one.page.evaluate(_SEEN) for one in opened]
        assert wanted[0] == found[0]["seen"]
        assert 1 == found[1]["seen"]["svg"] - wanted[1]["svg"]  # the timeline
        assert [([], None)] * 2 == [(one["odd"], one["pwned"]) for one in found]
