from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable

import httpx
import pytest

from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 12
ACTION: dict[str, Any] = {
    "kind": "embeddings",
    "start_time": "2026-03-02T09:30:00Z",
    "end_time": "2026-03-02T09:30:00Z",
}


def with_key() -> dict[str, str]:
    """Headers with an Idempotency-Key that nobody used before."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def all_at_once(layer: httpx.Client, path: str, **request: Any) -> set[tuple[int, bytes]]:
    """Send the same request from many threads at the same moment, and give the different answers."""
    barrier = threading.Barrier(AT_ONCE)

    def post(_number: int) -> tuple[int, bytes]:
        with httpx.Client(base_url=layer.base_url) as client:
            client.get("/readyz")
            barrier.wait()
            answer = client.post(path, **request)
            return answer.status_code, answer.content

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return set(threads.map(post, range(AT_ONCE)))


def test_an_append_is_recorded_once_for_each_key(layer: httpx.Client, session_id: str) -> None:
    """The same append with the same key answers the same and is recorded once; another key records it again."""
    path = f"/v1/sessions/{session_id}/actions"
    first, second = with_key(), with_key()
    statuses = [layer.post(path, json=ACTION, headers=headers).status_code for headers in (first, first, second)]
    assert [202, 202, 202] == statuses
    assert 2 == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


def test_a_create_without_an_id_is_carried_out_once_for_each_key(layer: httpx.Client) -> None:
    """A create that is repeated with its key answers with the id that the server made up the first time."""
    headers = with_key()
    body = {"application_id": "shop", "actions": [ACTION]}
    ids = {layer.post("/v1/sessions", json=body, headers=headers).json()["session_id"] for _ in range(3)}
    assert 1 == len(ids)
    assert 1 == layer.get(f"/dev/sessions/{ids.pop()}").json()["action_count"]


def test_an_application_is_created_once_for_each_key(layer: httpx.Client) -> None:
    """An application that is created again with its key answers the same."""
    headers = with_key()
    answers = [
        layer.post("/v1/applications", json={"name": "keyed", "source": "manual"}, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert 201 == answers[1].status_code


def test_without_keys_appends_are_not_the_same(layer: httpx.Client, session_id: str) -> None:
    """Two equal appends without a key are two actions."""
    for _ in range(2):
        layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION)
    assert 2 == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


def test_a_key_is_good_for_one_request(layer: httpx.Client, session_id: str) -> None:
    """The same key with another body, session or operation is refused with 422 and changes nothing."""
    headers = with_key()
    layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION, headers=headers).raise_for_status()
    other = layer.post("/v1/sessions", json={"application_id": "shop"}).json()["session_id"]
    answers = [
        layer.post(f"/v1/sessions/{session_id}/actions", json={**ACTION, "kind": "moderation"}, headers=headers),
        layer.post(f"/v1/sessions/{other}/actions", json=ACTION, headers=headers),
        layer.post("/v1/applications", json={"name": "another", "source": "manual"}, headers=headers),
    ]
    assert [422, 422, 422] == [answer.status_code for answer in answers]
    assert "Idempotency-Key" == answers[0].json()["errors"][0]["path"]
    counts = [layer.get(f"/dev/sessions/{one}").json()["action_count"] for one in (session_id, other)]
    assert [1, 0] == counts


def test_a_refusal_does_not_use_up_a_key(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """A request that was refused may be repeated with its key once its reason is gone."""
    session_id, headers = new_id(), with_key()
    before = layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION, headers=headers)
    layer.post("/v1/sessions", json={"application_id": "shop", "session_id": session_id})
    after = layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION, headers=headers)
    assert (404, 202) == (before.status_code, after.status_code)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one-for-all-creates"}])
def test_equal_creates_at_once_are_one(layer: httpx.Client, new_id: Callable[[], str], headers: dict[str, str]) -> None:
    """A create with an id, sent many times at once, is answered alike and recorded once, with a key or without."""
    session_id = new_id()
    body = {"application_id": "shop", "session_id": session_id, "actions": [ACTION, ACTION]}
    answers = all_at_once(layer, "/v1/sessions", json=body, headers=headers)
    assert {201} == {status for status, _ in answers}
    assert 1 == len(answers)
    assert 2 == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


def test_equal_appends_at_once_are_one(layer: httpx.Client, session_id: str) -> None:
    """An append with a key, sent many times at once, is answered alike and recorded once."""
    path = f"/v1/sessions/{session_id}/actions"
    assert {(202, b"")} == all_at_once(layer, path, json=ACTION, headers=with_key())
    assert 1 == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


def test_equal_applications_at_once_are_one(layer: httpx.Client) -> None:
    """An application that is created many times at once has one id."""
    answers = all_at_once(layer, "/v1/applications", json={"name": "at once", "source": "manual"})
    names = [application["name"] for application in layer.get("/v1/applications").json()]
    assert 1 == len(answers)
    assert 1 == names.count("at once")


def test_different_appends_at_once_are_all_recorded(layer: httpx.Client, session_id: str) -> None:
    """Appends without a key, sent at once, are each an action."""
    all_at_once(layer, f"/v1/sessions/{session_id}/actions", json=ACTION)
    assert AT_ONCE == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


def test_another_create_with_the_same_id_is_merged(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """A create of an existing session updates its attributes and its end, and appends the actions it brings."""
    session_id = new_id()
    first = {
        "application_id": "shop",
        "session_id": session_id,
        "attributes": {"a": "1", "b": "1"},
        "start_time": "2026-03-02T09:00:00Z",
        "actions": [ACTION],
    }
    second = {
        "application_id": "shop",
        "session_id": session_id,
        "attributes": {"b": "2", "c": "2"},
        "end_time": "2026-03-02T10:00:00Z",
        "actions": [{**ACTION, "kind": "moderation"}],
    }
    answers = [layer.post("/v1/sessions", json=body) for body in (first, second, first, second)]
    assert [(201, {"session_id": session_id})] * 4 == [(answer.status_code, answer.json()) for answer in answers]
    session = layer.get(f"/dev/sessions/{session_id}").json()
    assert {"a": "1", "b": "2", "c": "2"} == session["attributes"]
    assert ("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z") == (session["start_time"], session["end_time"])
    assert ["embeddings", "moderation"] == [action["kind"] for action in session["actions"]]


def test_nothing_is_done_twice_after_a_restart(tmp_path: Path, new_id: Callable[[], str]) -> None:
    """Keys, ids and answers outlive the server when it has a database file."""
    settings = Settings(database=tmp_path / "layer.db")
    session_id, keys = new_id(), [with_key() for _ in range(3)]
    create = {"application_id": "shop", "session_id": session_id, "actions": [ACTION]}

    def answers_of(layer: httpx.Client) -> list[tuple[int, bytes]]:
        answers = [
            layer.post("/v1/sessions", json=create),
            layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION, headers=keys[0]),
            layer.post("/v1/sessions", json={"application_id": "shop"}, headers=keys[1]),
            layer.post("/v1/applications", json={"name": "shop", "source": "manual"}, headers=keys[2]),
        ]
        return [(answer.status_code, answer.content) for answer in answers]

    with Server(settings) as first, httpx.Client(base_url=first.url) as layer:
        before = answers_of(layer)
    with Server(settings) as second, httpx.Client(base_url=second.url) as layer:
        after = answers_of(layer)
        totals = layer.get("/dev/sessions").json()
    assert before == after
    assert (2, 2) == (totals["session_total"], totals["action_total"])
