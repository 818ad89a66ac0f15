from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Callable

import pytest
from pages import TIMES, Page, action, created, listed, said

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}&lt;"
FENCE = "```"
SCRIPTS = {"htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"}
POLICIES = """
- {id: 3, name: Card <numbers>, pattern: '4\\d{15}', severity: high, action: block}
- {id: 4, name: Names, pattern: 'Bluebird', severity: low, action: inform}
"""


def test_an_empty_server_says_so(start: Callable[..., httpx.Client]) -> None:
    """The first page of a new server says that nothing is recorded, and so do the others."""
    mine = start()
    assert "Nothing is recorded yet" in mine.get("/").text
    assert "Nothing was recorded in this time" in mine.get("/totals").text
    assert "No request was received yet" in mine.get("/requests").text


def test_a_page_shows_the_actions_of_a_session(layer: httpx.Client) -> None:
    """A session's page shows messages by role, tool calls, inputs, errors and usage, in recorded order."""
    actions = [
        said("A question", attributes={"model.id": "gpt-4o"}),
        action("completion_tool_call", data={"tools": [{"name": "find", "arguments": {"order": 1042}}]}),
        action(data={"input": ["An input"]}),
        action(
            "completion_prompt_attachment", data={"role": "user", "content": [{"type": "file", "file": {"id": "f"}}]}
        ),
        action(
            "completion_output",
            error={"message": "An error", "code": 504, "details": {"type": "TimeoutError"}},
            scanners=[{"name": "usage", "data": {"total_tokens": 23}}],
        ),
    ]
    session_id = created(layer, actions, attributes={"user.id": "u1"})
    page = Page(layer.get(f"/sessions/{session_id}").text)
    expected = ["user.id", "gpt-4o", "A question", "find", '"order": 1042', "An input", "id f", "An error"]
    expected += ["TimeoutError", "total_tokens 23"]
    shown = page.text[page.text.index("Attributes and requests") :]
    places = [shown.index(text) for text in expected]
    assert sorted(places) == places
    assert [f"action-{number}" for number in range(1, 6)] == page.values("li", "id")[-5:]
    assert ["504"] == re.findall(r"error (\d+)", page.text)


def test_recorded_text_is_never_markup(layer: httpx.Client) -> None:
    """What is recorded shows as text, wherever a page shows it."""
    hostile = action(
        "completion_prompt",
        data={
            "messages": [
                {"role": HOSTILE, "content": HOSTILE, "name": HOSTILE},
                {"role": "user", "content": f"{HOSTILE}\n{FENCE}python\n{HOSTILE}\n{FENCE}"},
                {"role": "user", "content": json.dumps({HOSTILE: HOSTILE})},
                {"role": "tool", "tool_call_id": HOSTILE, "content": HOSTILE},
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": HOSTILE}}, {HOSTILE: HOSTILE}]},
            ],
            "tools": [{"id": HOSTILE, "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}],
        },
        attributes={"model.id": HOSTILE},
        error={"message": HOSTILE, "details": {HOSTILE: HOSTILE}},
        scanners=[{"name": HOSTILE, "data": {HOSTILE: HOSTILE}}],
    )
    session_id = created(layer, [hostile], application_id=HOSTILE, attributes={HOSTILE: HOSTILE, "user.id": HOSTILE})
    paths = ["/", f"/sessions/{session_id}", f"/sessions/{session_id}/actions/1", f"/sessions/{session_id}/creations/1"]
    for path in paths:
        answer = layer.get(path)
        if "/creations/" in path and answer.status_code == 404:
            continue
        page = Page(answer.raise_for_status().text)
        assert not {"img", "iframe", "object", "style"} & set(page.tags)
        assert 2 == page.tags.count("script")
        assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
        assert "alert(1)" in page.text
    assert HOSTILE in Page(layer.get(f"/sessions/{session_id}").text).text


def test_controls_of_terminals_show_as_their_signs(layer: httpx.Client) -> None:
    """NUL and other controls, which HTML can not hold, are shown by the signs that stand for them."""
    session_id = created(layer, [said("a\0b\x1b[31mc")])
    page = Page(layer.get(f"/sessions/{session_id}").text)
    assert "a␀b␛[31mc" in page.text


def test_an_unknown_session_has_a_page_that_says_so(layer: httpx.Client) -> None:
    """The page of a session that does not exist is a 404, and what the path says shows as text."""
    answer = layer.get("/sessions/<script>alert(1)<%2Fscript>"), layer.get("/sessions/<b>x")
    assert [404, 404] == [one.status_code for one in answer]
    assert "<b>x" not in answer[1].text
    assert "There is no session <b>x" in Page(answer[1].text).text
    session_id = created(layer, [])
    others = ["actions/1", "actions/x", "actions/1/json", "creations/0", "creations/99999"]
    assert {404} == {layer.get(f"/sessions/{session_id}/{other}").status_code for other in others}
    assert 404 == layer.get("/requests/0").status_code


@pytest.mark.parametrize("path", ["/", "/sessions/x", "/totals", "/requests", "/keys"])
def test_pages_allow_nothing_from_elsewhere(layer: httpx.Client, path: str) -> None:
    """Each page comes with a strict policy, loads its own files and nothing else, and is not kept."""
    answer = layer.get(path)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert ["'none'", "'self'", "'self'", "'self' data:", "'self'", "'self'"] == [
        policy[name] for name in ("default-src", "script-src", "style-src", "img-src", "connect-src", "form-action")
    ]
    assert not re.search("unsafe|eval|https?:|\\*", answer.headers["Content-Security-Policy"])
    assert ("nosniff", "no-store") == (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"])
    assert [] == re.findall(r"(?:https?:)?//[a-z]|style=|url\(|javascript:", answer.text)
    page = Page(answer.text)
    assert all(address.startswith("/static/") for address in page.values("script", "src") + page.values("link", "href"))


def test_htmx_needs_no_eval_and_no_styles_of_its_own(layer: httpx.Client) -> None:
    """The page tells htmx to evaluate nothing, add no styles, ask no other site and keep no history."""
    contents = [one for one in Page(layer.get("/").text).values("meta", "content") if one.startswith("{")]
    assert {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "selfRequestsOnly": True,
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
    } == json.loads(contents[0])


def test_files_of_the_page_may_be_kept_for_ever(layer: httpx.Client) -> None:
    """Scripts and styles have their version in the address; only under that one may they be kept."""
    page = Page(layer.get("/").text)
    for address in page.values("script", "src") + page.values("link", "href"):
        answer = layer.get(address).raise_for_status()
        older = layer.get(re.sub(r"/static/\w+/", "/static/0/", address))
        version = hashlib.sha256(answer.content).hexdigest()[:12]
        assert version in address
        assert ("public, max-age=31536000, immutable", "no-store") == (
            answer.headers["Cache-Control"],
            older.headers["Cache-Control"],
        )
        assert answer.content == older.content
    assert 404 == layer.get("/static/0/..%2f_app.py").status_code


def test_scripts_of_others_are_the_ones_that_were_looked_at(layer: httpx.Client) -> None:
    """What is shipped of htmx has the known checksum, and its licence and version beside it."""
    for name, checksum in SCRIPTS.items():
        assert checksum == hashlib.sha256(layer.get(f"/static/0/{name}").content).hexdigest()
    note = layer.get("/static/0/htmx.txt").text
    assert ("version 2.0.11" in note, "Zero-Clause BSD" in note) == (True, True)


def test_the_stylesheet_is_light_and_dark(layer: httpx.Client) -> None:
    """The stylesheet follows what the reader's system prefers, and keeps still where that is wanted."""
    answer = layer.get("/static/0/style.css")
    assert "text/css; charset=utf-8" == answer.headers["Content-Type"]
    assert "prefers-color-scheme: dark" in answer.text
    assert "prefers-reduced-motion: reduce" in answer.text


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"messages": None},
        {"messages": "x"},
        {"messages": [None, 1, "x", [], {}, {"role": 1, "content": None}, {"content": [None, [], {"text": 1}]}]},
        {
            "messages": [
                {"role": [], "content": {"a": 1}, "tool_call_id": [], "tool_calls": [None, {"id": {}}], "name": {}}
            ]
        },
        {"tools": {"x": 1}},
        {"tools": [None, {"name": [], "arguments": "x", "id": 7}]},
        {"content": {}, "role": []},
        {
            "content": [
                {"type": "input_audio", "input_audio": None},
                {"image_url": 7},
                {"file": []},
                {"audio": "x" * 500},
            ]
        },
        {"input": {}},
        {"x": "\ud800", "messages": [{"content": "\ud800"}]},
    ],
)
def test_data_of_any_shape_has_a_page(layer: httpx.Client, data: Any) -> None:
    """The contract leaves data free, so no shape of it breaks a page."""
    usage = [{"name": "usage", "data": {"total_tokens": value}} for value in (10**30, -5, 1e308, "x", True, None)]
    recorded = action("completion_prompt", data=data, scanners=[{"name": "", "data": {}}, *usage])
    recorded["start_time"] = "0000-01-01T00:00:00Z"
    body = json.dumps({"application_id": "shop", "actions": [recorded] * 2})
    answer = layer.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    session_id = answer.raise_for_status().json()["session_id"]
    paths = ["/", f"/sessions/{session_id}", f"/sessions/{session_id}/actions/2", "/totals?range=all"]
    assert [200] * 4 == [layer.get(path).status_code for path in paths]


def test_long_sessions_have_several_pages(layer: httpx.Client) -> None:
    """The page of a long session links to the next part of it, and that one back."""
    session_id = created(layer, [action()] * 5)
    first, second = (Page(layer.get(f"/sessions/{session_id}?limit=3&from={at}").text) for at in (1, 4))
    assert (f"/sessions/{session_id}?from=4&limit=3" in first.values("a", "href"), "Previous" in first.text) == (
        True,
        False,
    )
    assert (f"/sessions/{session_id}?from=1&limit=3" in second.values("a", "href"), "Next" in second.text) == (
        True,
        False,
    )
    shown = [re.findall(r"action-\d", " ".join(page.values("li", "id"))) for page in (first, second)]
    assert [["action-1", "action-2", "action-3"], ["action-4", "action-5"]] == shown


def test_a_page_is_never_too_much_for_a_browser(layer: httpx.Client) -> None:
    """Of texts that are very long, a page shows the beginning and says where the rest is."""
    session_id = created(layer, [said("a" * 1_000_000)] * 25)
    answer = layer.get(f"/sessions/{session_id}")
    assert len(answer.content) < 2_000_000
    assert "980,000 more characters are in the JSON." in answer.text


def test_a_result_is_joined_to_its_call(layer: httpx.Client) -> None:
    """The result of a tool stands with the call that has its id, and the prompt that brings it refers to that."""
    call = action(
        "completion_tool_call", data={"tools": [{"id": "c1", "name": "find", "arguments": {}}, {"name": "x"}]}
    )
    result = {"role": "tool", "tool_call_id": "c1", "content": "It is on its way"}
    prompt = action("completion_prompt", data={"messages": [{"role": "user", "content": "Where?"}, result]})
    page = Page(layer.get(f"/sessions/{created(layer, [said('Where?'), call, prompt])}").text)
    found, other = page.having("class", "call")
    assert "It is on its way" in found
    assert "No result on this page." in other
    assert 1 == page.text.count("It is on its way")
    assert ["Result of the call in action 2, shown there."] == [
        text for text in page.having("class", "text") if text.startswith("Result")
    ]


def test_what_was_said_before_is_not_said_again(layer: httpx.Client) -> None:
    """A prompt repeats the conversation so far; its page shows what is new in it, on a later page, too."""
    turns = ["Hello", "Yes", "Yes"]
    actions = [said(*turns[: number + 1]) for number in range(3)]
    session_id = created(layer, actions)
    whole = Page(layer.get(f"/sessions/{session_id}").text)
    last = Page(layer.get(f"/sessions/{session_id}?from=3").text)
    assert ["userHello", "userYes", "userYes"] == whole.having("class", "user")
    assert (["userYes"], ["2 earlier messages, as above"]) == (
        last.having("class", "user"),
        last.having("class", "earlier"),
    )


def test_code_and_json_are_coloured_and_folded(layer: httpx.Client) -> None:
    """Fenced code and JSON are coloured on the server, and folded where they are long."""
    code = "def f(x):\n    # 'note'\n    return \"a\" + 1"
    long = "\n".join(f"line {number}" for number in range(40))
    texts = [f"See\n{FENCE}python\n{code}\n{FENCE}\nso", f"{FENCE}\n{long}\n{FENCE}", json.dumps({"a": [1, True, "x"]})]
    page = Page(layer.get(f"/sessions/{created(layer, [said(*texts)])}").text)
    assert ["# 'note'"] == page.having("class", "c-comment")
    assert {"def", "return", "true"} <= set(page.having("class", "c-word"))
    assert ['"a"', '"x"'] == page.having("class", "c-string")
    assert ['"a"'] == page.having("class", "c-name")
    folds = [attributes for tag, attributes in page.elements if tag == "details" and attributes.get("class") == "fold"]
    assert [True, False, True] == ["open" in fold for fold in folds]


def test_pictures_are_shown_from_the_message_alone(layer: httpx.Client) -> None:
    """A picture that the message brings is shown; nothing is fetched, and what could hold a script is not shown."""
    good = "data:image/png;base64,iVBORw0KGgo="
    others = [
        "https://x.test/i.png",
        "//x.test/i.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHN2Zz4=",
        'data:image/png;base64,"onerror=alert(1)',
        "data:image/png,<svg>",
        "javascript:alert(1)",
    ]
    content = [{"type": "image_url", "image_url": {"url": url}} for url in [good, *others]]
    content.append({"type": "input_image", "image_url": good})
    shown = action("completion_prompt_attachment", data={"role": "user", "content": content})
    page = Page(layer.get(f"/sessions/{created(layer, [shown])}").text)
    assert [good, good] == page.values("img", "src")
    assert all(alt.startswith("Attached picture, image/png") for alt in page.values("img", "alt"))
    assert len(others) == len(page.having("class", "attachment"))


def test_violations_are_marked_where_they_are(start: Callable[..., httpx.Client], tmp_path: Path) -> None:
    """What violates a policy is marked in the text, in code and in arguments, and the policy is named."""
    file = tmp_path / "policies.yaml"
    file.write_text(POLICIES, "utf-8")
    mine = start(policies=file)
    card = "4111111111111111"
    call = action("completion_tool_call", data={"tools": [{"name": "pay", "arguments": {"card": card}}]})
    session_id = created(
        mine, [said(f"Pay by {card}, Bluebird", f"{FENCE}\nx = {card}\n{FENCE}"), call, said("Nothing")]
    )
    page = Page(mine.get(f"/sessions/{session_id}").text)
    marks = [(text, policy) for policy in ("Card <numbers>", "Names") for text in page.having("title", policy)]
    assert [*[(card, "Card <numbers>")] * 3, ("Bluebird", "Names")] == marks
    assert "block" == page.having("class", "decision")[0]
    assert 2 == page.having("class", "policies")[0].count("policy")


def test_the_timeline_shows_when_and_how_long(layer: httpx.Client) -> None:
    """Each action is a bar on the session's line, and a pause between two is told."""
    first = said("x")
    second = {**action("completion_output"), "start_time": "2026-03-02T09:30:11Z", "end_time": "2026-03-02T09:30:21Z"}
    page = Page(layer.get(f"/sessions/{created(layer, [first, second])}").text)
    bars = [attributes for tag, attributes in page.elements if tag == "rect"]
    assert [("0.0", "47.5"), ("522.2", "474.8")] == [(bar["x"], bar["width"]) for bar in bars]
    assert ["10.0 s later"] == page.having("class", "gap")
    assert "21.0 s" in page.having("class", "timeline")[0]


def test_json_is_shown_as_it_was_received(layer: httpx.Client) -> None:
    """An action's page has its JSON laid out, with every number as it was written; a link gives it byte for byte."""
    times = '"start_time":"2026-03-02T09:30:00Z","end_time":"2026-03-02T09:30:00Z"'
    body = '{"kind":"embeddings",' + times + ',"data":{"n":1.10,"m":1e2,"e":[],"x":"\\u00e9"}}'
    session_id = created(layer, [])
    layer.post(f"/v1/sessions/{session_id}/actions", content=body, headers={"Content-Type": "application/json"})
    address = f"/sessions/{session_id}/actions/1"
    page, raw = Page(layer.get(address).text), layer.get(f"{address}/json")
    assert (body, "application/json") == (raw.text, raw.headers["Content-Type"])
    assert '"n": 1.10,\n    "m": 1e2,\n    "e": [],\n    "x": "\\u00e9"\n' in page.text
    piece = Page(layer.get(f"{address}/json", headers={"HX-Request": "true"}).text)
    assert "pre" == piece.tags[0]
    assert "html" not in piece.tags


def test_totals_are_charts_and_a_table(layer: httpx.Client, start: Callable[..., httpx.Client]) -> None:
    """The totals count actions, tokens, errors and latency, as drawings with a name and as a table."""
    mine = start()
    usage = [{"name": "usage", "data": {"prompt_tokens": 20, "completion_tokens": 3}}]
    created(mine, [action(scanners=usage), action(error={"message": "no"}), action(end_time="2026-03-02T09:30:10Z")])
    for chosen in ("", "?range=hour", "?range=week", "?range=all", "?range=x"):
        page = Page(mine.get(f"/totals{chosen}").text)
        labels = page.values("svg", "aria-label")
        assert labels[0].startswith("Actions over time: 3,")
        assert labels[1].startswith("Tokens over time: 23,")
        assert labels[2].startswith("Errors over time: 1,")
        seconds = [float(number) for number in re.findall(r"p50 ([\d.]+) s, p95 ([\d.]+) s", labels[3])[0]]
        assert [pytest.approx(1, rel=0.1), pytest.approx(10, rel=0.1)] == seconds
        assert "3231" in page.having("class", "table")[0]


def test_the_first_page_lists_the_sessions(start: Callable[..., httpx.Client]) -> None:
    """The list says of each session all that is to be known at a glance, newest first."""
    mine = start()
    usage = [{"name": "usage", "data": {"total_tokens": 1234}}]
    long = "Where   is\nmy order? " + "a" * 200
    actions = [
        action(
            "completion_prompt",
            data={
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    *[{"role": "user", "content": [{"type": "text", "text": long}]}],
                ]
            },
        ),
        said("Later", scanners=usage, error={"message": "no"}),
    ]
    first = created(mine, actions, attributes={"user.id": "u1", "environment": "staging"})
    second = created(mine, [])
    page = Page(mine.get("/").text)
    older, newer = (
        [page.having("class", name)[at] for name in ("environment", "user", "errors", "firewall")] for at in (1, 0)
    )
    assert [second, first] == listed(mine)
    assert (["staging", "u1", "1", "pass"], ["", "", "", "no data"]) == (older, newer)
    assert "Where is my order? aaa" in page.text
    assert ("a" * 120 not in page.text, "…" in page.text) == (True, True)
    row = page.having("data-session", first)[0]
    assert " 2 1,234 1.0 s 1 pass" in row
    assert "2 sessions" in page.having("id", "count")
    assert TIMES["start_time"][:10] not in row
