from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

import httpx
import pytest

from layer_sdk.devserver import Server, Settings, StartError

if TYPE_CHECKING:
    from pathlib import Path

POLICIES = """
- {id: 1, name: Codenames, pattern: "(?i)bluebird", severity: low, action: monitor}
- {id: 2, name: Addresses, pattern: '[\\w.]+@[\\w.]+', severity: medium, action: inform}
- {id: 3, name: Card numbers, pattern: '\\b4\\d{15}\\b', severity: high, action: block}
- id: 4
  name: Secrets in outputs
  pattern: hunter2
  severity: high
  action: block
  kinds: [completion_output]
"""
GOOD = {"id": 1, "name": "n", "pattern": "x", "severity": "low", "action": "block"}


def saying(text: str, kind: str = "completion_prompt") -> dict[str, Any]:
    """An action in which a text was said."""
    return {
        "kind": kind,
        "start_time": "2026-03-02T09:30:00Z",
        "end_time": "2026-03-02T09:30:00Z",
        "data": {"messages": [{"role": "user", "content": text}]},
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client of a server that has policies."""
    file = tmp_path_factory.mktemp("policies") / "policies.yaml"
    file.write_text(POLICIES, "utf-8")
    with Server(Settings(policies=file)) as server, httpx.Client(base_url=server.url) as client:
        yield client


def looked_up(guarded: httpx.Client, actions: list[Any], **more: Any) -> tuple[str, list[int]]:
    """The decision about a new session, and the ids of the policies that it violates."""
    body = {"application_id": "shop", "actions": actions, **more}
    session_id = guarded.post("/v1/sessions", json=body).raise_for_status().json()["session_id"]
    answer = guarded.get(f"/v1/sessions/{session_id}").raise_for_status().json()
    return answer["decision"], [policy["id"] for policy in answer["context"]["violated_policies"]]


@pytest.mark.parametrize(
    ("texts", "decision", "violated"),
    [
        ([], "no_data", []),
        (["Where is my order?"], "pass", []),
        (["What is Bluebird?"], "skip", [1]),
        (["bluebird", "write to a@b.c"], "alert", [1, 2]),
        (["4111111111111111", "bluebird"], "block", [1, 3]),
        (["hunter2"], "pass", []),
    ],
)
def test_the_gravest_violated_policy_decides(
    guarded: httpx.Client, texts: list[str], decision: str, violated: list[int]
) -> None:
    """No action means no_data, no violation pass, and else the gravest action of a violated policy decides."""
    assert (decision, violated) == looked_up(guarded, [saying(text) for text in texts])


def test_a_policy_may_be_for_some_kinds_of_action(guarded: httpx.Client) -> None:
    """A policy with kinds looks at actions of these kinds only."""
    assert ("block", [4]) == looked_up(guarded, [saying("hunter2", "completion_output")])


@pytest.mark.parametrize(
    "part",
    [
        {"data": {"tools": [{"name": "mail", "arguments": {"to": [["a@b.c"]]}}]}},
        {"error": {"message": "a@b.c is not known"}},
        {"attributes": {"user": {"mail": "a@b.c"}}},
    ],
)
def test_policies_see_every_text(guarded: httpx.Client, part: dict[str, Any]) -> None:
    """Policies are matched against all texts in data, error messages and attributes, however deep."""
    assert ("alert", [2]) == looked_up(guarded, [{**saying(""), **part}])


def test_policies_see_what_is_nested_deeply(guarded: httpx.Client) -> None:
    """A text that is nested as deeply as can be received is matched, too."""
    nested: Any = "a@b.c"
    for _ in range(300):
        nested = [nested]
    assert ("alert", [2]) == looked_up(guarded, [{**saying(""), "data": {"x": nested}}])


def test_policies_see_the_attributes_of_the_session(guarded: httpx.Client) -> None:
    """A session's own attributes are matched, as soon as there is an action."""
    attributes = {"user.mail": "a@b.c", "note": "hunter2"}
    assert ("alert", [2]) == looked_up(guarded, [saying("")], attributes=attributes)
    assert ("no_data", []) == looked_up(guarded, [], attributes=attributes)


def test_a_lookup_sees_the_action_that_was_just_acknowledged(guarded: httpx.Client) -> None:
    """Right after each append or merge the decision is the one for all that was acknowledged."""
    session_id = guarded.post("/v1/sessions", json={"application_id": "shop"}).json()["session_id"]
    decisions = []
    for text in ("hello", "bluebird", "a@b.c", "4111111111111111", "hello"):
        guarded.post(f"/v1/sessions/{session_id}/actions", json=saying(text)).raise_for_status()
        decisions.append(guarded.get(f"/v1/sessions/{session_id}").json()["decision"])
    assert ["pass", "skip", "alert", "block", "block"] == decisions


def test_an_unknown_session_has_no_data(guarded: httpx.Client, new_id: Callable[[], str]) -> None:
    """A session that nobody created is no_data, not an error."""
    session_id = new_id()
    answer = guarded.get(f"/v1/sessions/{session_id}")
    expected = {"session_id": session_id, "decision": "no_data", "context": {"violated_policies": []}}
    assert (200, expected) == (answer.status_code, answer.json())


def test_violated_policies_are_described(guarded: httpx.Client) -> None:
    """A lookup says of each violated policy its id, name, severity and action."""
    body = {"application_id": "shop", "actions": [saying("4111111111111111")]}
    session_id = guarded.post("/v1/sessions", json=body).json()["session_id"]
    violated = guarded.get(f"/v1/sessions/{session_id}").json()["context"]["violated_policies"]
    assert [{"id": 3, "name": "Card numbers", "severity": "high", "action": "block"}] == violated


def test_policies_go_for_what_was_recorded_before_them(start: Callable[..., httpx.Client], tmp_path: Path) -> None:
    """A server with new policies judges what another recorded in its database by them."""
    file, policies = tmp_path / "layer.db", tmp_path / "policies.json"
    policies.write_text(json.dumps([GOOD]), "utf-8")
    with Server(Settings(database=file)) as server:
        body = {"application_id": "shop", "actions": [saying("x")]}
        session_id = httpx.post(f"{server.url}/v1/sessions", json=body).json()["session_id"]
    answer = start(database=file, policies=policies).get(f"/v1/sessions/{session_id}")
    assert "block" == answer.json()["decision"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{", "can not be read as YAML or JSON"),
        ("", "must hold a list of policies, not NoneType"),
        ("{}", "must hold a list of policies, not dict"),
        ("[1]", "entry 1: it must be an object with id, name, pattern, severity, action, not int"),
        ("[{}]", "entry 1: id is missing; name is missing; pattern is missing"),
        (
            json.dumps([GOOD, {**GOOD, "id": 2, "action": "stop"}]),
            "entry 2: action must be one of monitor, inform, block",
        ),
        (json.dumps([{**GOOD, "pattern": "("}]), r"entry 1: pattern must be a regular expression of Python, but '\('"),
        (json.dumps([GOOD, GOOD]), "entry 2: the id 1 is taken"),
        (json.dumps([{**GOOD, "id": "1"}]), "entry 1: id must be an integer, not '1'"),
        (json.dumps([{**GOOD, "id": True}]), "entry 1: id must be an integer, not True"),
        (json.dumps([{**GOOD, "name": ""}]), "entry 1: name must be a text, not ''"),
        (json.dumps([{**GOOD, "kinds": ["chat"]}]), "entry 1: kinds must be a list of some of completion_prompt"),
        (json.dumps([{**GOOD, "kinds": [[]]}]), "entry 1: kinds must be a list of some of completion_prompt"),
        (json.dumps([{**GOOD, "regex": "x"}]), "entry 1: regex is not known; possible are id, name, pattern"),
    ],
)
def test_policies_that_are_wrong(tmp_path: Path, text: str, wanted: str) -> None:
    """A wrong file of policies fails the start, with a message that names file, entry and what is wanted."""
    file = tmp_path / "policies.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(StartError, match=wanted) as caught:
        Server(Settings(policies=file)).start()
    assert str(file) in str(caught.value)


def test_policies_that_are_missing(tmp_path: Path) -> None:
    """A file of policies that does not exist fails the start, with a message that names it."""
    with pytest.raises(StartError, match=r"none\.yaml: the file can not be read"):
        Server(Settings(policies=tmp_path / "none.yaml")).start()
