from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import httpx
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openapi_core import OpenAPI, V31RequestValidator
from openapi_core.datatypes import RequestParameters

import layer_api
from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    import pytest

CONTRACT = yaml.safe_load((Path(layer_api.__file__).parent / "openapi.yaml").read_bytes())
JSON = {"Content-Type": "application/json"}
MANY = settings(max_examples=200, deadline=None, database=None)
ACTION = {"kind": "embeddings", "start_time": "2026-03-02T09:30:00Z", "end_time": "2026-03-02T09:30:00Z"}

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def almost(value: Any) -> st.SearchStrategy[Any]:
    """A value, or now and then anything else in its place."""
    return st.one_of(st.just(value), st.just(value), st.just(value), ANYTHING)


def members(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of the members that are known, right or wrong."""
    return st.fixed_dictionaries({}, optional=known) | st.fixed_dictionaries(known)


TIME = st.sampled_from(["2026-03-02T09:30:00Z", "2026-03-02T09:30:00Z", "2026-02-30T09:30:00Z", "now"]) | ANYTHING
ACTIONS = members(
    kind=almost("embeddings"),
    start_time=TIME,
    end_time=TIME,
    attributes=almost({"a": [1]}),
    data=almost({"input": ["x"]}),
    error=members(message=almost("m"), code=almost(1), details=almost({})) | st.none(),
    scanners=st.lists(members(name=almost("usage"), data=almost({"total_tokens": 1})), max_size=2) | ANYTHING,
)
SESSIONS = members(
    application_id=almost("shop"),
    session_id=almost("2ed6657d-e927-568b-95e1-2665a8aea6a2"),
    attributes=almost({"a": "b"}),
    start_time=TIME,
    actions=st.lists(ACTIONS, max_size=2) | ANYTHING,
)
APPLICATIONS = members(name=almost("shop"), source=almost("manual"))


def request(path: str, body: bytes) -> Any:
    """A request as openapi-core wants to see it."""
    return SimpleNamespace(
        method="post",
        host_url=CONTRACT["servers"][0]["variables"]["base_url"]["default"],
        path=path,
        content_type="application/json",
        body=body,
        parameters=RequestParameters(),
    )


def test_the_contract_is_judged_as_openapi_core_judges(layer: httpx.Client, session_id: str) -> None:
    """What is taken and what is refused is what openapi-core, asked anew each time, takes and refuses."""
    authority = V31RequestValidator(OpenAPI.from_dict(CONTRACT).spec)
    operations = {
        "/v1/sessions": SESSIONS,
        f"/v1/sessions/{session_id}/actions": ACTIONS,
        "/v1/applications": APPLICATIONS,
    }
    seen = set()

    @MANY
    @example(("/v1/sessions", {"application_id": "shop", "actions": [ACTION]}))
    @example((f"/v1/sessions/{session_id}/actions", ACTION))
    @example(("/v1/applications", {"name": "shop", "source": "manual"}))
    @given(st.one_of(*(st.tuples(st.just(path), bodies) for path, bodies in operations.items())))
    def judged(case: tuple[str, Any]) -> None:
        path, value = case
        body = json.dumps(value, allow_nan=False) if not has_nan(value) else json.dumps(str(value))
        answer = layer.post(path, content=body.encode(), headers=JSON)
        refused = any(True for _ in authority.iter_errors(request(path, body.encode())))
        seen.add(answer.status_code)
        assert refused == (answer.status_code == 422), (answer.text, body)

    judged()
    assert {201, 202, 422} == seen


def has_nan(value: Any) -> bool:
    """Whether a value has a number in it that JSON can not say."""
    return any(name in json.dumps(value) for name in ("NaN", "Infinity"))


def test_no_body_is_ever_a_fault_of_the_server(layer: httpx.Client, session_id: str) -> None:
    """Whatever JSON is sent, each operation takes or refuses it, and all views can still be shown."""

    @MANY
    @given(ANYTHING | SESSIONS | ACTIONS | APPLICATIONS)
    def sent(value: Any) -> None:
        body = json.dumps(value)
        for path in ("/v1/sessions", f"/v1/sessions/{session_id}/actions", "/v1/applications"):
            answer = layer.post(path, content=body, headers=JSON)
            assert answer.status_code in (201, 202, 400, 422)

    sent()
    views = ("/", "/dev/sessions", f"/dev/sessions/{session_id}", f"/sessions/{session_id}", "/v1/applications")
    assert [200] * len(views) == [layer.get(view).status_code for view in views]


def test_no_bytes_are_ever_a_fault_of_the_server(layer: httpx.Client, session_id: str) -> None:
    """Whatever bytes are sent as JSON, they are taken or refused."""
    pieces = st.sampled_from(
        [b'"', b"\\", b"u", b"{", b"}", b"[", b"]", b":", b",", b"1", b"e", b"-", b"\xff", b"\x00"]
    )

    @MANY
    @given(st.binary() | st.lists(pieces, max_size=30).map(b"".join))
    def sent(body: bytes) -> None:
        answer = layer.post(f"/v1/sessions/{session_id}/actions", content=body, headers=JSON)
        assert answer.status_code in (400, 422)

    sent()


def spoil(file: Path, statement: str, *values: str) -> None:
    """Change a database behind the server's back."""
    connection = sqlite3.connect(file)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_a_wrong_answer_of_its_own_is_not_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, new_id: Callable[[], str]
) -> None:
    """An answer that does not fit the contract becomes a 500 and a line in the log, which quotes no body."""
    file, secret = tmp_path / "layer.db", new_id() + "-and-more"
    with Server(Settings(database=file)) as server:
        httpx.post(f"{server.url}/v1/applications", json={"name": "shop", "source": "manual"}).raise_for_status()
    spoil(file, "UPDATE applications SET id = ?", secret)
    with caplog.at_level(logging.ERROR), Server(Settings(database=file)) as server:
        answer = httpx.get(f"{server.url}/v1/applications")
    assert (500, "application/problem+json") == (answer.status_code, answer.headers["Content-Type"])
    assert "[0].id" == answer.json()["errors"][0]["path"]
    assert ["The answer to listApplications does not fit the contract: [0].id"] == caplog.messages


def test_a_failure_of_its_own_is_answered_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, new_id: Callable[[], str]
) -> None:
    """What the server can not cope with is answered with a 500 problem and logged, and the server goes on."""
    file, session_id = tmp_path / "layer.db", new_id()
    with Server(Settings(database=file)) as server:
        httpx.post(f"{server.url}/v1/sessions", json={"application_id": "shop", "session_id": session_id})
    spoil(file, "UPDATE sessions SET attributes = 'no JSON'")
    with caplog.at_level(logging.ERROR), Server(Settings(database=file)) as server:
        answer = httpx.get(f"{server.url}/dev/sessions/{session_id}")
        ready = httpx.get(f"{server.url}/readyz")
    assert (500, 200) == (answer.status_code, ready.status_code)
    assert ("application/problem+json", 500) == (answer.headers["Content-Type"], answer.json()["status"])
    assert ["uvicorn.error"] == [record.name for record in caplog.records]
