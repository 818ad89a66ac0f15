from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Callable

import pytest

if TYPE_CHECKING:
    import httpx

PROMPT: dict[str, Any] = {
    "kind": "completion_prompt",
    "start_time": "2026-03-02T09:30:00Z",
    "end_time": "2026-03-02T09:30:00.5+01:00",
    "data": {"messages": [{"role": "user", "content": "Where is my order?"}]},
}


def recorded(layer: httpx.Client, session_id: str) -> dict[str, Any]:
    """All that the server has of a session."""
    document: dict[str, Any] = layer.get(f"/dev/sessions/{session_id}").raise_for_status().json()
    return document


def test_a_session_is_created_with_the_id_that_the_client_chose(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """A create with an id answers 201 with that id, and all that it said is recorded."""
    session_id = new_id()
    said = {
        "application_id": "shop",
        "session_id": session_id,
        "attributes": {"user.id": "u1", "environment": "production"},
        "start_time": "2026-03-02T09:30:00Z",
        "end_time": "2026-03-02T09:35:00Z",
        "actions": [PROMPT],
    }
    answer = layer.post("/v1/sessions", json=said)
    assert (201, {"session_id": session_id}) == (answer.status_code, answer.json())
    session = recorded(layer, session_id)
    assert said == {**{name: session[name] for name in said}, "actions": [PROMPT]}
    assert [*PROMPT, "received_at"] == list(session["actions"][0])


def test_a_session_without_an_id_is_given_one(layer: httpx.Client) -> None:
    """A create without an id answers with a UUID that the server made up, under which the session is recorded."""
    session_id = layer.post("/v1/sessions", json={"application_id": "shop"}).json()["session_id"]
    assert session_id == str(uuid.UUID(session_id))
    assert "shop" == recorded(layer, session_id)["application_id"]


def test_creating_can_answer_202_as_older_servers_do(start: Callable[..., httpx.Client]) -> None:
    """With status_on_create 202, a create answers 202 with the id."""
    answer = start(status_on_create=202).post("/v1/sessions", json={"application_id": "shop"})
    assert (202, ["session_id"]) == (answer.status_code, list(answer.json()))


def test_null_says_the_same_as_nothing(layer: httpx.Client) -> None:
    """Members that may be null are as if they were left out."""
    nothing = {"attributes": None, "data": None, "error": None, "scanners": None}
    failed = {**PROMPT, "error": {"message": "m", "code": None, "details": None}}
    body = {"application_id": "shop", "session_id": None, "actions": [{**PROMPT, **nothing}, failed]}
    session_id = layer.post("/v1/sessions", json=body).raise_for_status().json()["session_id"]
    empty = layer.post("/v1/sessions", json={**body, "actions": None}).raise_for_status().json()["session_id"]
    assert (2, 0) == (recorded(layer, session_id)["action_count"], recorded(layer, empty)["action_count"])


def test_an_action_is_appended(layer: httpx.Client, session_id: str) -> None:
    """An append answers 202 without a body, and the actions are recorded in the order in which they came."""
    first, second = {**PROMPT, "kind": "embeddings"}, {**PROMPT, "kind": "moderation"}
    for action in (first, second):
        answer = layer.post(f"/v1/sessions/{session_id}/actions", json=action)
        assert (202, b"") == (answer.status_code, answer.content)
    assert ["embeddings", "moderation"] == [action["kind"] for action in recorded(layer, session_id)["actions"]]


def test_a_session_is_the_same_in_either_case_of_its_id(layer: httpx.Client, session_id: str) -> None:
    """UUIDs are the same in upper and lower case."""
    layer.post(f"/v1/sessions/{session_id.upper()}/actions", json=PROMPT).raise_for_status()
    assert 1 == recorded(layer, session_id)["action_count"]


def test_applications_are_created_and_listed(start: Callable[..., httpx.Client]) -> None:
    """Applications made through the API are listed in their order; a name that exists keeps its id."""
    layer = start()
    assert [] == layer.get("/v1/applications").json()
    answers = [
        layer.post("/v1/applications", json={"name": name, "source": "manual"}) for name in ("shop", "desk", "shop")
    ]
    assert [201, 201, 201] == [answer.status_code for answer in answers]
    ids = [answer.json()["application_id"] for answer in answers]
    assert ids[0] == ids[2]
    assert [{"id": ids[0], "name": "shop"}, {"id": ids[1], "name": "desk"}] == layer.get("/v1/applications").json()


def test_the_firewall_answers_at_the_same_port(layer: httpx.Client, session_id: str) -> None:
    """Without policies, a session without actions is no_data and one with actions passes."""
    before = layer.get(f"/v1/sessions/{session_id}")
    layer.post(f"/v1/sessions/{session_id}/actions", json=PROMPT)
    after = layer.get(f"/v1/sessions/{session_id}").json()
    assert (200, "no_data") == (before.status_code, before.json()["decision"])
    assert {"session_id": session_id, "decision": "pass", "context": {"violated_policies": []}} == after


def test_a_server_that_can_record_is_ready(layer: httpx.Client) -> None:
    """Readiness answers 200 while the database answers."""
    answer = layer.get("/readyz")
    assert (200, {"status": "ready"}) == (answer.status_code, answer.json())


def test_actions_are_kept_as_they_were_written(layer: httpx.Client, session_id: str) -> None:
    """Order of names, spelling of numbers, escapes and unknown members of an action stay as they came."""
    written = (
        '{"zeta": 1.10,"kind":"embeddings", "start_time":"2026-03-02T09:30:00Z","end_time":"2026-03-02T09:30:00Z",'
        '"data":{"b":1E400,"a":-0.0, "n":123456789012345678901234567890,"s":"\\ud800\\u0000\\/\\u00e4\u00e4"}}'
    )
    headers = {"Content-Type": "application/json; charset=utf-8"}
    path = f"/v1/sessions/{session_id}/actions"
    layer.post(path, content=f" \r\n{written}\t\n".encode(), headers=headers).raise_for_status()
    assert written[:-1] + ', "received_at"' in layer.get(f"/dev/sessions/{session_id}").text


def test_actions_of_a_create_are_kept_as_they_were_written(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """Each action of a create is kept as it came, wherever in the document it stands."""
    session_id = new_id()
    action = json.dumps(PROMPT)
    first, second = action[:-1] + ' ,\n"x":[1.50, {"]":"}"}] }', action[:-1] + ',"x":"\\u005d"}'
    for before, after in (("", ',"application_id":"shop"'), ('"application_id":"shop","more":[{"actions":[]}] ,', "")):
        document = f'{{{before}"session_id":"{session_id}", "actions" : [ {first},\n{second} ]{after}}}'
        headers = {"Content-Type": "application/json"}
        layer.post("/v1/sessions", content=document, headers=headers).raise_for_status()
        page = layer.get(f"/dev/sessions/{session_id}?limit=2").text
        assert first[:-1] + ', "received_at"' in page
        assert second[:-1] + ', "received_at"' in page


@pytest.mark.parametrize("actions", [[], [PROMPT]])
def test_a_create_may_have_any_number_of_actions(
    layer: httpx.Client, new_id: Callable[[], str], actions: list[Any]
) -> None:
    """A create records exactly the actions that it brings, which may be none."""
    session_id = new_id()
    body = {"application_id": "shop", "session_id": session_id, "actions": actions}
    layer.post("/v1/sessions", json=body).raise_for_status()
    assert len(actions) == recorded(layer, session_id)["action_count"]


def test_sessions_are_listed_newest_first_in_pages(start: Callable[..., httpx.Client]) -> None:
    """The view of sessions says how many there are, and shows the page that is asked for."""
    layer = start()
    for number in range(5):
        body = {"application_id": f"app-{number}", "actions": [PROMPT] * number}
        layer.post("/v1/sessions", json=body).raise_for_status()
    page = layer.get("/dev/sessions", params={"limit": 2, "offset": 1}).json()
    shown = [(session["application_id"], session["action_count"]) for session in page["sessions"]]
    assert (5, 10) == (page["session_total"], page["action_total"])
    assert [("app-3", 3), ("app-2", 2)] == shown


def test_the_actions_of_a_session_can_be_read_in_pages(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """The view of a session shows all actions, or those that are asked for."""
    session_id = new_id()
    actions = [{**PROMPT, "attributes": {"number": number}} for number in range(5)]
    layer.post("/v1/sessions", json={"application_id": "shop", "session_id": session_id, "actions": actions})
    page = layer.get(f"/dev/sessions/{session_id}", params={"limit": 2, "offset": 2}).json()
    assert [2, 3] == [action["attributes"]["number"] for action in page["actions"]]
    assert 5 == page["action_count"]
