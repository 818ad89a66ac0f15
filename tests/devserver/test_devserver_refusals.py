from __future__ import annotations

import json
import socket
import uuid
from typing import TYPE_CHECKING, Any, Callable, Iterator
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    import httpx

ACTION: dict[str, Any] = {
    "kind": "embeddings",
    "start_time": "2026-03-02T09:30:00Z",
    "end_time": "2026-03-02T09:30:00Z",
}
KINDS = (
    "completion_prompt, completion_output, completion_prompt_attachment, completion_tool_call, embeddings, moderation"
)
SESSION: dict[str, Any] = {"application_id": "shop"}
JSON = {"Content-Type": "application/json"}


def faults(answer: httpx.Response) -> dict[str, str]:
    """The errors of a problem document, after a look at the rest of it."""
    document = answer.json()
    assert "application/problem+json" == answer.headers["Content-Type"]
    assert ["type", "title", "status", "detail", "errors"] == list(document)
    assert answer.status_code == document["status"]
    assert document["title"]
    assert document["detail"]
    return {error["path"]: error["message"] for error in document["errors"]}


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ([], "body", "must be an object, not an array"),
        (None, "body", "must be an object, not null"),
        ({}, "application_id", "is required"),
        ({"application_id": 1}, "application_id", "must be a string, not an integer"),
        ({"application_id": ""}, "application_id", "must have at least 1 character(s)"),
        ({**SESSION, "attributes": {"a b": True}}, 'attributes["a b"]', "must be a string, not a boolean"),
        ({**SESSION, "attributes": []}, "attributes", "must be an object, not an array"),
        (
            {**SESSION, "start_time": "2026-02-30T00:00:00Z"},
            "start_time",
            'must be an RFC 3339 date-time such as 2026-03-02T09:30:00Z, not "2026-02-30T00:00:00Z"',
        ),
        ({**SESSION, "actions": [{}]}, "actions[0].kind", "is required"),
        ({**SESSION, "actions": [ACTION, 1]}, "actions[1]", "must be an object, not an integer"),
        ({**SESSION, "actions": {}}, "actions", "must be an array or null, not an object"),
        (
            {**SESSION, "actions": [{**ACTION, "kind": "chat"}]},
            "actions[0].kind",
            f'must be one of {KINDS}, not "chat"',
        ),
        (
            {**SESSION, "actions": [{**ACTION, "data": "x"}]},
            "actions[0].data",
            "must be an object or null, not a string",
        ),
        ({**SESSION, "actions": [{**ACTION, "error": {}}]}, "actions[0].error.message", "is required"),
        (
            {**SESSION, "actions": [{**ACTION, "error": 1}]},
            "actions[0].error",
            "must be an object, not an integer",
        ),
        (
            {**SESSION, "actions": [{**ACTION, "error": {"message": "", "code": 1.5}}]},
            "actions[0].error.code",
            "must be an integer or null, not a number",
        ),
        (
            {**SESSION, "actions": [{**ACTION, "scanners": [{"name": "x"}]}]},
            "actions[0].scanners[0].data",
            "is required",
        ),
    ],
)
def test_a_create_that_is_not_of_the_contract(layer: httpx.Client, body: object, path: str, message: str) -> None:
    """A body that does not fit is refused with 422, and the problem says where and why."""
    answer = layer.post("/v1/sessions", content=json.dumps(body), headers=JSON)
    assert (422, message) == (answer.status_code, faults(answer).get(path))


@pytest.mark.parametrize(
    "session_id", ["x", "", "5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21", "8d2f4e1a-1c5b-11f1-9b3e-02fc00000001"]
)
def test_a_session_id_must_be_of_version_5(layer: httpx.Client, session_id: str) -> None:
    """A create with an id of another version is refused, and the problem says which version is wanted."""
    answer = layer.post("/v1/sessions", json={**SESSION, "session_id": session_id})
    assert 422 == answer.status_code
    assert "a version 5 UUID" in faults(answer)["session_id"]


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02",
        "2026-03-02T09:30:00",
        "2026-03-02 09:30:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T09:30:60Z",
        "2026-03-02T09:30:00+0100",
        "2026-03-02T09:30:00.Z",
        "2026-03-02T09:30:00Z\n",
        "2025-02-29T00:00:00Z",
        "\u0662026-03-02T09:30:00Z",
        "1772443800",
        "",
    ],
)
def test_a_time_that_is_not_of_rfc_3339(layer: httpx.Client, session_id: str, time: str) -> None:
    """A date-time must be one of RFC 3339, with its zone and of a day that exists."""
    answer = layer.post(f"/v1/sessions/{session_id}/actions", json={**ACTION, "start_time": time})
    assert (422, ["start_time"]) == (answer.status_code, list(faults(answer)))


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T09:30:00.123456789Z",
        "2026-03-02t09:30:00z",
        "2024-02-29T23:59:59-00:00",
        "2016-12-31T23:59:60Z",
        "2017-01-01T05:29:60+05:30",
        "0000-02-29T00:00:00Z",
    ],
)
def test_a_time_of_rfc_3339_in_every_form(layer: httpx.Client, session_id: str, time: str) -> None:
    """All that RFC 3339 allows is taken: fractions, offsets, lower case, leap seconds."""
    answer = layer.post(f"/v1/sessions/{session_id}/actions", json={**ACTION, "start_time": time})
    assert 202 == answer.status_code


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "is not JSON at line 1, column 1: Expecting value"),
        (b"{", 400, "is not JSON at line 1, column 2: Expecting property name enclosed in double quotes"),
        (b"{}{}", 400, "is not JSON at line 1, column 3: Extra data"),
        (b'{"a":NaN}', 400, "has the value NaN, which is not JSON"),
        (b'{"a":-Infinity}', 400, "has the value -Infinity, which is not JSON"),
        (b'{"a":1,"b":{"c":1,"c":1}}', 400, 'has the name "c" twice in one object'),
        (b'{"a":"\xff"}', 400, "is not UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', 400, "is not UTF-8 at byte 6"),
        (b'{"a":' + b"9" * 5000 + b"}", 400, "has a number of 5000 digits, which is too long to read"),
        (b"[" * 100_000, 400, "is nested too deeply"),
        (b'{"a":' * 100_000, 400, "is nested too deeply"),
    ],
)
def test_a_body_that_is_no_json(layer: httpx.Client, body: bytes, status: int, message: str) -> None:
    """A body that can not be read without loss is refused with 400, and the problem says what is wrong with it."""
    for path in ("/v1/sessions", "/v1/applications", f"/v1/sessions/{uuid.uuid4()}/actions"):
        answer = layer.post(path, content=body, headers=JSON)
        assert (status, {"body": message}) == (answer.status_code, faults(answer))


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf{}", b'{"a":"\n"}', b'{"a":"\x00"}', b"\x00", b'{"a":01}', b"{'a':1}"])
def test_a_body_that_is_almost_json(layer: httpx.Client, body: bytes) -> None:
    """A byte order mark, bare control characters and the like are no JSON."""
    answer = layer.post("/v1/sessions", content=body, headers=JSON)
    assert (400, ["body"]) == (answer.status_code, list(faults(answer)))


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', '"\\u0000"', "1e999", "123456789012345678901234567890", "-0", '{"":{"":[]}}', "[" * 200 + "]" * 200],
)
def test_a_body_that_is_unusual_but_json(layer: httpx.Client, session_id: str, value: str) -> None:
    """What JSON can say is recorded, however unusual, and all views can show it."""
    body = json.dumps(ACTION)[:-1] + f',"data":{{"x":{value}}},"attributes":{{"y":{value}}}}}'
    answer = layer.post(f"/v1/sessions/{session_id}/actions", content=body, headers=JSON)
    views = (f"/dev/sessions/{session_id}", f"/sessions/{session_id}", f"/v1/sessions/{session_id}", "/")
    assert 202 == answer.status_code
    assert [200] * len(views) == [layer.get(view).status_code for view in views]


def test_texts_that_can_not_be_stored_as_text(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """Half a surrogate pair is kept in every place where a client may write a text."""
    session_id = new_id()
    odd = "\ud800\x00"
    body = json.dumps({"application_id": odd, "session_id": session_id, "attributes": {odd: odd}})
    layer.post("/v1/sessions", content=body, headers=JSON).raise_for_status()
    layer.post("/v1/applications", content=json.dumps({"name": odd, "source": "manual"}), headers=JSON)
    session = json.loads(layer.get(f"/dev/sessions/{session_id}").text)
    names = [application["name"] for application in json.loads(layer.get("/v1/applications").text)]
    assert (odd, {odd: odd}) == (session["application_id"], session["attributes"])
    assert odd in names
    assert [200, 200] == [layer.get(page).status_code for page in ("/", f"/sessions/{session_id}")]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "must be application/json"),
        ({"Content-Type": "text/plain"}, 'must be application/json, not "text/plain"'),
        ({"Content-Type": "application/jsonp"}, 'must be application/json, not "application/jsonp"'),
    ],
)
def test_a_body_of_another_media_type(layer: httpx.Client, headers: dict[str, str], message: str) -> None:
    """A body that is not said to be JSON is refused with 415, and the answer says what is taken."""
    answer = layer.post("/v1/sessions", content=b"{}", headers=headers)
    assert (415, {"Content-Type": message}) == (answer.status_code, faults(answer))
    assert "application/json" == answer.headers["Accept"]


def test_a_compressed_body(layer: httpx.Client) -> None:
    """A compressed body is refused with 415, and the answer says that none is taken."""
    answer = layer.post("/v1/sessions", content=b"{}", headers={**JSON, "Content-Encoding": "gzip"})
    assert (415, ["Content-Encoding"]) == (answer.status_code, list(faults(answer)))
    assert "identity" == answer.headers["Accept-Encoding"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe4"])
def test_an_idempotency_key_that_is_none(layer: httpx.Client, session_id: str, key: str) -> None:
    """A header that does not fit the contract is refused with 400, and nothing is recorded."""
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION, headers=headers)
    assert (400, ["Idempotency-Key"]) == (answer.status_code, list(faults(answer)))
    assert 0 == layer.get(f"/dev/sessions/{session_id}").json()["action_count"]


@pytest.mark.parametrize(
    "session_id", ["x", "%7B2ed6657d-e927-568b-95e1-2665a8aea6a2%7D", "2ed6657de927568b95e12665a8aea6a2", "%00"]
)
def test_a_session_id_in_a_path_that_is_no_uuid(layer: httpx.Client, session_id: str) -> None:
    """A path parameter that is no UUID is refused with 422."""
    answers = [layer.get(f"/v1/sessions/{session_id}"), layer.post(f"/v1/sessions/{session_id}/actions", json=ACTION)]
    assert [(422, ["session_id"])] * 2 == [(answer.status_code, list(faults(answer))) for answer in answers]


def test_an_action_for_an_unknown_session(layer: httpx.Client, new_id: Callable[[], str]) -> None:
    """An append to a session that was never created is refused with 404."""
    answer = layer.post(f"/v1/sessions/{new_id()}/actions", json=ACTION)
    assert (404, {"session_id": "is not known"}) == (answer.status_code, faults(answer))


@pytest.mark.parametrize("path", ["/v1", "/v1/sessions/", "/v2/sessions", "/dev", "/dev/sessions/x", "/static/../x"])
def test_an_unknown_path(layer: httpx.Client, path: str) -> None:
    """What is not there is answered with a 404 problem, and never by sending the client elsewhere."""
    answer = layer.get(path)
    assert 404 == answer.status_code
    faults(answer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/sessions", {"POST"}),
        ("DELETE", "/v1/applications", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/sessions/2ed6657d-e927-568b-95e1-2665a8aea6a2", {"GET", "HEAD"}),
        ("OPTIONS", "/v1/sessions/2ed6657d-e927-568b-95e1-2665a8aea6a2/actions", {"POST"}),
        ("POST", "/dev/sessions", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_a_path_does_not_have(layer: httpx.Client, method: str, path: str, allowed: set[str]) -> None:
    """A wrong method is refused with 405, and Allow names the right ones."""
    answer = layer.request(method, path)
    assert 405 == answer.status_code
    assert allowed == set(answer.headers["Allow"].split(", "))
    faults(answer)


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1.5", "limit=", "offset=9223372036854775808"])
def test_a_page_that_is_none(layer: httpx.Client, query: str) -> None:
    """The views refuse a limit or an offset that is no number; a page for people takes it as not said."""
    answer = layer.get(f"/dev/sessions?{query}")
    assert (422, [query.partition("=")[0]]) == (answer.status_code, list(faults(answer)))
    assert 200 == layer.get(f"/?{query.replace('offset', 'before')}").status_code


def test_a_body_over_the_limit(start: Callable[..., httpx.Client]) -> None:
    """A body over the limit is refused with 413 whether or not its length is announced; one at the limit is taken."""
    layer = start(max_body=1000)

    def chunks(size: int) -> Iterator[bytes]:
        yield json.dumps(SESSION).encode()
        for _ in range(size - len(json.dumps(SESSION))):
            yield b" "

    bodies: list[Any] = [b" " * 1001, chunks(1001), chunks(1000)]
    answers = [layer.post("/v1/sessions", content=body, headers=JSON) for body in bodies]
    assert [413, 413, 201] == [answer.status_code for answer in answers]
    assert {} == faults(answers[1])


def test_a_body_over_the_limit_is_refused_before_it_is_sent(start: Callable[..., httpx.Client]) -> None:
    """A client that announces too much is told so at once, and no byte of the body is waited for."""
    url = urlsplit(str(start(max_body=1000).base_url))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999\r\n\r\n"
        )
        assert b"HTTP/1.1 413 " == connection.recv(13)


def test_a_client_that_goes_away(layer: httpx.Client) -> None:
    """A request that breaks off in its body records nothing and disturbs nobody."""
    before = layer.get("/dev/sessions").json()["session_total"]
    url = urlsplit(str(layer.base_url))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
    assert before == layer.get("/dev/sessions").json()["session_total"]


def test_at_most_twenty_faults_are_told(layer: httpx.Client) -> None:
    """A body that is wrong all over is answered with a problem of bounded length."""
    answer = layer.post("/v1/sessions", json={**SESSION, "actions": list(range(1000))})
    assert (422, 20) == (answer.status_code, len(faults(answer)))


def test_a_problem_does_not_repeat_the_body(layer: httpx.Client) -> None:
    """A long value or name that is wrong is told in short, not in full."""
    long = "x" * 100_000
    for wrong in ({"start_time": long}, {"attributes": {long: 1}}, {"application_id": {long: 1}}, {"session_id": long}):
        answer = layer.post("/v1/sessions", json={**SESSION, **wrong})
        assert 422 == answer.status_code
        assert len(answer.content) < 1500
