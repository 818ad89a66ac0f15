"""The fake Layer behaves as it is switched."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Iterator

import pytest
import requests

from chaos.chaos_client import TIMEOUT, Client, action, dial, new_session, raw, read_all, session

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer

GENEROUS = 10.0  # seconds; guards against hangs, measures nothing


@pytest.fixture
def client(fake_layer: FakeLayer) -> Iterator[Client]:
    """A client of the fake Layer."""
    with Client(fake_layer.url) as made:
        yield made


def test_sessions_and_actions_are_accepted(client: Client, fake_layer: FakeLayer) -> None:
    """A create with actions and an append are answered as a Layer does, and their keys are kept in order."""
    mine = new_session()
    created = client.create(mine, "0", "1")
    appended = client.append(mine, "2")
    assert (201, {"session_id": mine}, 202) == (created.status_code, created.json(), appended.status_code)
    assert {mine: ["0", "1", "2"]} == fake_layer.keys_by_session()
    assert {("create", 201): 1, ("append", 202): 1} == fake_layer.snapshot().counts


def test_server_chooses_an_id_where_none_is_given(client: Client, fake_layer: FakeLayer) -> None:
    """A create without a session id is answered with a new one."""
    made = client.post("/v1/sessions", {"application_id": "an-application", "actions": [action("0")]}).json()
    assert {made["session_id"]: ["0"]} == fake_layer.keys_by_session()


def test_applications_can_be_listed_and_made(client: Client) -> None:
    """What `init` asks for is answered: a list that grows by what is posted."""
    before = client.get("/v1/applications").json()
    made = client.post("/v1/applications", {"name": "mine", "source": "manual"})
    after = client.get("/v1/applications").json()
    assert (201, 1, 2) == (made.status_code, len(before), len(after))
    assert {"id": made.json()["application_id"], "name": "mine"} == after[-1]


def test_keys_may_stand_in_attributes(client: Client, fake_layer: FakeLayer) -> None:
    """An action whose data is not the test's to choose has its key in its attributes; one without any is accepted."""
    mine = new_session()
    client.create(mine)
    for each in ({"kind": "embeddings", "attributes": {"key": "0"}}, {"kind": "embeddings"}):
        assert 202 == client.post(f"/v1/sessions/{mine}/actions", each).status_code
    assert (["0", ""], 1) == (fake_layer.keys(), fake_layer.count())


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", b"", 404),
        ("POST", "/v1/sessions", b"{}", 422),
        ("POST", "/v1/sessions", b"{", 422),
        ("POST", "/v1/sessions/x/actions", b"[]", 422),
        ("POST", "/v1/sessions/x/actions", b'{"kind": "embeddings"}', 404),
        ("POST", "/v1/applications", b"{}", 422),
    ],
)
def test_nonsense_is_refused(fake_layer: FakeLayer, method: str, path: str, body: bytes, status: int) -> None:
    """What no Layer would take is a 4xx, and is no mistake of the fake."""
    found = requests.request(method, fake_layer.url + path, data=body, timeout=TIMEOUT)
    assert (status, []) == (found.status_code, fake_layer.keys())


def test_script_says_what_the_next_requests_meet(client: Client, fake_layer: FakeLayer) -> None:
    """Outcomes come in order, None lets one pass, "*" holds for operations that are not named; then all is well."""
    fake_layer.switch(script={"create": [503, None, 202], "*": [429]}, retry_after=7)
    mine = new_session()
    answers = [client.create(mine, "0"), client.append(mine, "1")]
    answers += [client.create(mine, "2"), client.create(mine, "3"), client.create(mine, "4"), client.append(mine, "5")]
    assert [503, 429, 201, 202, 201, 202] == [answer.status_code for answer in answers]
    assert ["7", "7", None] == [answer.headers.get("Retry-After") for answer in answers[:3]]
    assert ["2", "3", "4", "5"] == fake_layer.keys()


@pytest.mark.parametrize(
    "status", [200, 202, 204, 302, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 504, 599]
)
def test_any_status_can_be_had(client: Client, fake_layer: FakeLayer, status: int) -> None:
    """A 2xx of a script carries the request out, any other does not, unless it is told to."""
    mine = new_session()
    client.create(mine)
    fake_layer.switch(script={"append": [status]})
    path = f"/v1/sessions/{mine}/actions"
    answer = requests.post(client.url + path, json=action("0"), timeout=TIMEOUT, allow_redirects=False)
    assert (status, ["0"] if status < 300 else []) == (answer.status_code, fake_layer.keys())
    fake_layer.switch(script={"append": [status]}, carry_out_failures=True)
    requests.post(client.url + path, json=action("1"), timeout=TIMEOUT, allow_redirects=False)
    assert "1" == fake_layer.keys()[-1]


def test_chances_come_from_the_seed(client: Client, fake_layer: FakeLayer, seed: int) -> None:
    """With one seed the same requests meet the same statuses, and of each some."""

    def statuses(chosen: int) -> list[int]:
        fake_layer.reset(chosen)
        fake_layer.switch(chances={"create": {503: 0.3, 429: 0.3}})
        return [client.create(new_session()).status_code for _ in range(100)]

    first, again, other = statuses(seed), statuses(seed), statuses(seed + 1)
    assert first == again
    assert first != other
    assert {201, 429, 503} == set(first)


@pytest.mark.parametrize(
    ("fault", "arrived", "end"),
    [
        ("drop_after_read", 1, "closed"),
        ("drop_before_read", 0, "closed"),
        ("half_body", 1, "closed"),
        ("reset", 0, "reset"),
    ],
)
def test_faults(fake_layer: FakeLayer, fault: str, arrived: int, end: str) -> None:
    """Each ends the connection in its way, and has carried the request out or not; the outcome is on record."""
    for switches in ({fault: 1.0}, {fault: 0.0, "script": {"create": [fault]}}):
        fake_layer.reset()
        fake_layer.switch(**switches)
        with dial(fake_layer.port) as sock:
            sock.sendall(raw("/v1/sessions", session(new_session(), "0")))
            found, ended = read_all(sock)
        assert (end, arrived, {("create", fault): 1}) == (ended, fake_layer.count(), fake_layer.snapshot().counts)
        _, _, body = found.partition(b"\r\n\r\n")
        assert (fault == "half_body") == bool(body)


def test_half_body_announces_all_of_it(client: Client, fake_layer: FakeLayer) -> None:
    """A client that counts sees that the answer is not whole."""
    fake_layer.switch(half_body=1.0)
    with pytest.raises(requests.RequestException):
        client.create(new_session())


def test_delay_comes_between_doing_and_answering(client: Client, fake_layer: FakeLayer) -> None:
    """Who does not wait for the answer is carried out all the same, and is on record as gone."""
    fake_layer.switch(delay={"create": 30.0})
    with pytest.raises(requests.ReadTimeout):
        client.create(new_session(), "0", timeout=0.2)
    _wait_until(lambda: 1 == len(fake_layer.requests("create", "gone")))
    assert (["0"], 0) == (fake_layer.keys(), fake_layer.snapshot().open_connections)
    fake_layer.switch(delay=0.1)
    start = time.monotonic()
    client.create(new_session(), "1")
    assert 0.1 <= time.monotonic() - start < GENEROUS


def _wait_until(is_so: Any) -> None:
    end = time.monotonic() + GENEROUS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_duplicates_are_told_from_new_requests(client: Client, fake_layer: FakeLayer) -> None:
    """With detection a known key is answered as before and not carried out; without it the action is there twice."""
    mine = new_session()
    client.create(mine)
    for is_on in (True, False):
        fake_layer.switch(duplicate_detection=is_on)
        for _ in range(2):
            assert 202 == client.append(mine, str(is_on), headers={"Idempotency-Key": f"k-{is_on}"}).status_code
    assert ["True", "False", "False"] == fake_layer.keys()
    assert {(mine, "False"): 2} == fake_layer.duplicates()


def test_a_failed_request_is_no_duplicate(client: Client, fake_layer: FakeLayer) -> None:
    """A key whose request was refused is carried out when it comes again."""
    fake_layer.switch(duplicate_detection=True, script={"create": [503]})
    mine, headers = new_session(), {"Idempotency-Key": "k"}
    assert [503, 201] == [client.create(mine, "0", headers=headers).status_code for _ in range(2)]
    assert ["0"] == fake_layer.keys()


def test_id_override(client: Client, fake_layer: FakeLayer) -> None:
    """The server keeps and answers another id, the same one each time; the one asked for does not exist."""
    mine = new_session()
    for override in (True, new_session()):
        fake_layer.reset()
        fake_layer.switch(id_override=override)
        first, again = (client.create(mine, key).json()["session_id"] for key in "01")
        assert first == again != mine
        assert override in (True, first)
        assert [404, 202] == [client.append(each, "2").status_code for each in (mine, first)]
        assert {first: ["0", "1", "2"]} == fake_layer.keys_by_session()


@pytest.mark.parametrize(
    ("existing", "status", "keys"),
    [("merge", 201, ["0", "1"]), ("overwrite", 201, ["1"]), ("conflict", 409, ["0"])],
)
def test_existing_sessions(client: Client, fake_layer: FakeLayer, existing: str, status: int, keys: list[str]) -> None:
    """A second create adds its actions, replaces the first one's, or is a conflict."""
    fake_layer.switch(existing=existing)
    mine = new_session()
    client.create(mine, "0")
    assert (status, keys) == (client.create(mine, "1").status_code, fake_layer.keys())


def test_unknown_and_forgotten_sessions(client: Client, fake_layer: FakeLayer) -> None:
    """An append to a session that is not there, or not any more, is a 404, or makes the session."""
    mine = new_session()
    client.create(mine, "0")
    fake_layer.forget()
    assert 404 == client.append(mine, "1").status_code
    fake_layer.switch(unknown_session=False)
    assert 202 == client.append(mine, "1").status_code
    assert ["0", "1"] == fake_layer.keys()


@pytest.mark.parametrize("poison", [422, 400, 0])
def test_poison_spoils_the_whole_request(client: Client, fake_layer: FakeLayer, poison: int) -> None:
    """One poisoned action refuses all that came along; with 0 it is an action like any other."""
    fake_layer.switch(poison=poison)
    mine = new_session()
    content = {**session(mine, "0"), "actions": [action("0"), action("1", poison=True)]}
    assert (poison or 201) == client.post("/v1/sessions", content).status_code
    assert (poison or 202) == client.post(f"/v1/sessions/{mine}/actions", action("2", poison=True)).status_code
    assert ([] if poison else ["0", "1", "2"]) == fake_layer.keys()


def test_bodies_can_be_too_large(client: Client, fake_layer: FakeLayer) -> None:
    """More bytes than `max_body` are a 413."""
    fake_layer.switch(max_body=1000)
    assert [413, 201] == [client.create(new_session(), key).status_code for key in ("k" * 1000, "k")]
    assert ["k"] == fake_layer.keys()


def test_tokens_are_asked_for_and_rejected(client: Client, fake_layer: FakeLayer) -> None:
    """Without a right token it is a 401; a rejecting server takes none; what was presented is on record."""
    mine = new_session()
    for token in ("right", ["right", "new"]):
        fake_layer.switch(token=token)
        for given, status in ((None, 401), ("Bearer wrong", 401), ("Bearer right", 201)):
            headers = {"Authorization": given} if given else None
            assert status == client.create(mine, headers=headers).status_code
    for status in (401, 403):
        fake_layer.switch(reject=status)
        assert status == client.create(mine, headers={"Authorization": "Bearer right"}).status_code
    given_to_each = Counter(each.authorization for each in fake_layer.requests())
    assert {"": 2, "Bearer wrong": 2, "Bearer right": 4} == given_to_each


def test_unknown_switches_are_refused(fake_layer: FakeLayer) -> None:
    """A mistyped switch is an error in the test, and leaves the others as they were."""
    with pytest.raises(ValueError, match="no such switch: retry_afer"):
        fake_layer.switch(retry_afer=1)


def test_bytes_may_come_one_by_one_or_all_at_once(fake_layer: FakeLayer) -> None:
    """Requests are found in the stream wherever its pieces begin and end."""
    mine = new_session()
    requests_ = raw("/v1/sessions", session(mine, "0")) + raw(f"/v1/sessions/{mine}/actions", action("1"), "k")
    with dial(fake_layer.port) as sock:
        for start in range(len(requests_)):
            sock.sendall(requests_[start : start + 1])
        fake_layer.wait_for(2, GENEROUS)
        sock.sendall(raw(f"/v1/sessions/{mine}/actions", action("2")) + raw("/v1/sessions", session(mine, "3")))
        fake_layer.wait_for(4, GENEROUS)
    assert ["0", "1", "2", "3"] == fake_layer.keys()
