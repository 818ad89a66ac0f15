from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    import httpx

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&lt;"
TIMES = {"start_time": "2026-03-02T09:30:00Z", "end_time": "2026-03-02T09:30:01Z"}


class Page(HTMLParser):
    """The tags and the text of a page, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def created(layer: httpx.Client, actions: list[Any], **more: Any) -> str:
    """A new session with actions."""
    body = {"application_id": "shop", "actions": actions, **more}
    answer = layer.post("/v1/sessions", json=body).raise_for_status()
    return str(answer.json()["session_id"])


def test_an_empty_server_says_so(start: Callable[..., httpx.Client]) -> None:
    """The first page of a new server says that nothing is recorded."""
    assert "Nothing is recorded yet" in start().get("/").text


def test_the_first_page_lists_the_sessions(layer: httpx.Client) -> None:
    """The first page shows of each session its application, id, first prompt in short and number of actions."""
    long = "Where   is\nmy order? " + "a" * 200
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": long}]},
    ]
    session_id = created(layer, [{"kind": "completion_prompt", **TIMES, "data": {"messages": messages}}] * 3)
    text = Page(layer.get("/").text).text
    row = text[text.index(session_id) :]
    assert "shop" in text
    assert "Where is my order? aaa" in row
    assert "a" * 120 not in row
    assert "…" in row
    assert re.search(r"…\s+3\s", row)


def test_a_page_shows_the_actions_of_a_session(layer: httpx.Client) -> None:
    """A session's page shows messages by role, tool calls, inputs, errors and usage, in recorded order."""
    actions = [
        {"kind": "completion_prompt", **TIMES, "data": {"messages": [{"role": "user", "content": "A question"}]}},
        {"kind": "completion_tool_call", **TIMES, "data": {"tools": [{"name": "find", "arguments": {"order": 1042}}]}},
        {"kind": "embeddings", **TIMES, "data": {"input": ["An input"]}},
        {
            "kind": "completion_prompt_attachment",
            **TIMES,
            "data": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/i"}}]},
        },
        {
            "kind": "completion_output",
            **TIMES,
            "error": {"message": "An error", "code": 504},
            "scanners": [{"name": "usage", "data": {"total_tokens": 23}}],
        },
    ]
    session_id = created(layer, actions, attributes={"user.id": "u1"})
    page = Page(layer.get(f"/sessions/{session_id}").text)
    shown = [
        "user.id",
        "u1",
        "A question",
        "find",
        '{"order": 1042}',
        "An input",
        "x.test",
        "An error",
        "total_tokens 23",
    ]
    places = [page.text.index(text) for text in shown]
    assert sorted(places) == places
    assert len(actions) == page.tags.count("details")


def test_recorded_text_is_never_markup(layer: httpx.Client) -> None:
    """What is recorded shows as text, wherever a page shows it."""
    action = {
        "kind": "completion_prompt",
        **TIMES,
        "data": {
            "messages": [{"role": HOSTILE, "content": HOSTILE}, {"role": "user", "content": HOSTILE}],
            "tools": [{"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}],
        },
        "error": {"message": HOSTILE},
        "scanners": [{"name": HOSTILE, "data": {HOSTILE: HOSTILE}}],
    }
    session_id = created(layer, [action], application_id=HOSTILE, attributes={HOSTILE: HOSTILE})
    harmless = created(layer, [])
    for path in ("/", f"/sessions/{session_id}"):
        html = layer.get(path).text
        page = Page(html)
        assert {"script", "img"}.isdisjoint(page.tags)
        assert not [name for name in page.attributes if name.startswith("on")]
        assert HOSTILE in page.text
        assert "<script" not in html
    tags = set(Page(layer.get(f"/sessions/{harmless}").text).tags)
    assert tags <= set(page.tags)


def test_an_unknown_session_has_a_page_that_says_so(layer: httpx.Client) -> None:
    """The page of a session that does not exist is a 404, and what the path says shows as text."""
    answer = layer.get("/sessions/<script>alert(1)<%2Fscript>"), layer.get("/sessions/<b>x")
    assert [404, 404] == [one.status_code for one in answer]
    assert "<b>" not in answer[1].text
    assert "There is no session <b>x" in Page(answer[1].text).text


@pytest.mark.parametrize("path", ["/", "/sessions/x", "/static/style.css"])
def test_pages_allow_nothing_from_elsewhere(layer: httpx.Client, path: str) -> None:
    """Each page comes with a strict policy, and loads its own stylesheet and nothing else."""
    answer = layer.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert ("'none'", "'self'") == (policy["default-src"], policy["style-src"])
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert [] == re.findall(r"(?:https?:)?//[a-z]|style=|url\(", answer.text)


def test_the_stylesheet_is_light_and_dark(layer: httpx.Client) -> None:
    """The stylesheet follows what the reader's system prefers."""
    answer = layer.get("/static/style.css")
    assert "text/css; charset=utf-8" == answer.headers["Content-Type"]
    assert "prefers-color-scheme: dark" in answer.text


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"messages": None},
        {"messages": "x"},
        {"messages": [None, 1, "x", [], {}, {"role": 1, "content": None}, {"content": [None, [], {"text": 1}]}]},
        {"tools": {"x": 1}},
        {"tools": [None, {"name": [], "arguments": "x"}]},
        {"content": {}, "role": []},
        {"input": {}},
        {"x": "\ud800"},
    ],
)
def test_data_of_any_shape_has_a_page(layer: httpx.Client, data: Any) -> None:
    """The contract leaves data free, so no shape of it breaks a page."""
    action = {"kind": "completion_prompt", **TIMES, "data": data, "scanners": [{"name": "", "data": {}}]}
    body = json.dumps({"application_id": "shop", "actions": [action]})
    answer = layer.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    session_id = answer.raise_for_status().json()["session_id"]
    assert [200, 200] == [layer.get(path).status_code for path in ("/", f"/sessions/{session_id}")]


def test_long_sessions_have_several_pages(layer: httpx.Client) -> None:
    """The page of a long session links to the next part of it, and that one back."""
    session_id = created(layer, [{"kind": "embeddings", **TIMES}] * 5)
    first, second = (layer.get(f"/sessions/{session_id}?limit=3&offset={offset}").text for offset in (0, 3))
    assert ("?limit=3&amp;offset=3" in first, "Previous" in first) == (True, False)
    assert ("?limit=3&amp;offset=0" in second, "Next" in second) == (True, False)
    assert (3, 2) == (Page(first).tags.count("li"), Page(second).tags.count("li"))
