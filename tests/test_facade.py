from __future__ import annotations

import asyncio
import enum
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable
from uuid import UUID, uuid4

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from layer_api.api.applications import list_applications
from layer_api.api.firewall import firewall_session_lookup
from layer_api.api.sessions import append_action, create_session
from layer_sdk import (
    FirewallLookupDecision,
    Layer,
    LayerAlreadyInitializedError,
    LayerAuthError,
    LayerFirewallHTTPError,
    LayerFirewallRequestError,
    LayerFirewallSessionBlocked,
    LayerHTTPError,
    LayerInvalidConfigurationError,
    LayerMissingRequiredConfigurationError,
    LayerRequestError,
    LayerRequestPreparationError,
    LayerSchemaValidationError,
    LayerSDKException,
    SessionActionError,
    SessionActionKind,
    SessionActionRequest,
    SessionActionScanner,
    SessionRequest,
    __version__,
    layer,
)
from layer_sdk.auth import AuthProvider
from scripted_server import ACCEPTED, CREATED, SESSION, Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from conftest import MakeLayer
    from layer_sdk.devserver import Server

Scripted = Callable[..., ScriptedServer]
Recorded = Callable[[str], "dict[str, Any]"]

PROMPT = {"messages": [{"role": "user", "content": "Hello"}]}


class Colour(enum.Enum):
    RED = "red"


# ---- init and shutdown


def test_second_init_is_refused_until_shutdown(make_layer: MakeLayer, devserver: Server) -> None:
    """A second init raises; after shutdown init works again."""
    mine = make_layer()
    with pytest.raises(LayerAlreadyInitializedError, match="shutdown"):
        mine.init(base_url=devserver.url, application_id="other")
    mine.shutdown()
    mine.init(base_url=devserver.url, application_id="other")
    assert "<Layer: application other>" == repr(mine)


def test_failed_init_leaves_it_uninitialized(devserver: Server) -> None:
    """A wrong option leaves nothing behind: the next init works."""
    mine = Layer()
    with pytest.raises(LayerInvalidConfigurationError):
        mine.init(base_url="layer.example.com", application_id="a")
    mine.init(base_url=devserver.url, application_id="a")
    mine.shutdown()


def test_shutdown_is_harmless_when_there_is_nothing_to_shut_down() -> None:
    """Shutdown before init, and twice, does nothing."""
    mine = Layer()
    mine.shutdown()
    mine.shutdown()
    assert "<Layer: not initialized>" == repr(mine)


def test_shutdown_in_the_middle_of_init_waits_for_nothing(devserver: Server) -> None:
    """What strikes while the name is looked up, as a handler of SIGTERM does, may call `shutdown` and ends `init`."""
    mine = Layer()

    class Struck(requests.Session):
        def request(self, *_: Any, **__: Any) -> requests.Response:
            mine.shutdown()
            raise SystemExit

    ended: list[BaseException] = []

    def begin() -> None:
        try:
            mine.init(base_url=devserver.url, application_name="x", http_session=Struck())
        except SystemExit as error:
            ended.append(error)

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    thread.join(20)
    assert [SystemExit] == [type(error) for error in ended]
    assert "<Layer: not initialized>" == repr(mine)


def test_shutdown_leaves_a_given_session_open(make_layer: MakeLayer, devserver: Server) -> None:
    """The http_session belongs to the caller."""
    session = requests.Session()
    mine = make_layer(http_session=session)
    mine.create_session()
    mine.shutdown()
    assert 200 == session.get(f"{devserver.url}/readyz", timeout=5).status_code


@pytest.mark.parametrize(
    "call",
    [
        lambda mine: mine.create_session(),
        lambda mine: mine.append_action(SESSION, kind="embeddings"),
        lambda mine: mine.list_applications(),
        lambda mine: mine.create_application("x"),
        lambda mine: mine.firewall_session_lookup(SESSION),
        lambda mine: mine.session_id_for("x"),
        lambda mine: mine.raw,
        lambda mine: mine.raw_async,
        lambda mine: mine.raw_firewall,
        lambda mine: asyncio.run(mine.acreate_session()),
    ],
)
def test_explicit_call_before_init_says_what_to_do(call: Callable[[Layer], object]) -> None:
    """Every explicit call before init raises an error that names init."""
    with pytest.raises(LayerMissingRequiredConfigurationError, match=r"layer\.init"):
        call(Layer())


def test_independent_instances(make_layer: MakeLayer, recorded: Recorded) -> None:
    """Two instances have applications of their own."""
    one, other = make_layer(application_id="one"), make_layer(application_id="other")
    ids = [mine.create_session() for mine in (one, other)]
    assert ["one", "other"] == [recorded(session_id)["application_id"] for session_id in ids]


def test_application_name_is_looked_up_and_created_when_absent(make_layer: MakeLayer) -> None:
    """The first init of a name creates the application, the next finds it."""
    name = f"app {uuid4()}"
    first, second = make_layer(application_id=None, application_name=name), None
    second = make_layer(application_id=None, application_name=name)
    ids = first.get_applications_by_name()
    assert [f"<Layer: application {ids[name]}>"] * 2 == [repr(first), repr(second)]


def test_application_name_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, devserver: Server, make_layer: MakeLayer
) -> None:
    """LAYER_APPLICATION_NAME stands in for the id."""
    monkeypatch.setenv("LAYER_BASE_URL", f" '{devserver.url}/' ")
    monkeypatch.setenv("LAYER_APPLICATION_NAME", "from the environment")
    mine = Layer()
    mine.init()
    names = [application.name for application in mine.list_applications()]
    mine.shutdown()
    assert "from the environment" in names


def test_init_whose_lookup_fails_raises_the_typed_error() -> None:
    """Where the name cannot be looked up, init says why and stays uninitialized."""
    mine = Layer()
    with pytest.raises(LayerRequestError):
        mine.init(base_url="http://127.0.0.1:1", application_name="x")
    assert "<Layer: not initialized>" == repr(mine)


def test_names_of_the_published_sdk_work(make_layer: MakeLayer) -> None:
    """Options and classes of the published SDK that differ are there under their old names."""
    make_layer(disabled_instrumentors=["openai"])
    assert issubclass(LayerHTTPError, LayerSDKException)
    error = SessionActionError("failed", 500)
    scanner = SessionActionScanner(name="usage", data={})
    assert ("failed", 500, "usage") == (error.message, error.code, scanner.name)
    assert {"application_id": "a"} == SessionRequest("a").to_dict()


# ---- sessions


def test_session_carries_what_the_sdk_knows(make_layer: MakeLayer, recorded: Recorded) -> None:
    """Source, system, runtime and environment are added; the environment in lower case."""
    attributes = recorded(make_layer(environment="Production", platform="Linux").create_session())["attributes"]
    assert {f"layer-python-sdk/{__version__}", "Linux", "production"} <= set(attributes.values())
    assert {"source", "os", "python.runtime", "python.runtime.version", "environment"} == set(attributes)


def test_caller_wins_and_keeps_their_own_dict(make_layer: MakeLayer, recorded: Recorded) -> None:
    """What the caller gives replaces what the SDK adds; their dict stays as it was; values become text."""
    attributes: dict[str, Any] = {"source": "mine", "user.id": 7, "colour": Colour.RED, "vip": True, "none": None}
    before = dict(attributes)
    stored = recorded(make_layer().create_session(attributes=attributes))["attributes"]
    assert before == attributes
    assert ("mine", "7", "red", "true") == tuple(stored[name] for name in ("source", "user.id", "colour", "vip"))
    assert "none" not in stored


def test_times_are_utc_on_the_wire(make_layer: MakeLayer, recorded: Recorded) -> None:
    """A naive time is taken as UTC, another zone is converted, and both end in Z."""
    zone = timezone(timedelta(hours=2))
    session_id = make_layer().create_session(
        start_time=datetime(2026, 3, 2, 9, 30),  # noqa: DTZ001  (naive is the point)
        end_time=datetime(2026, 3, 2, 12, 0, 0, 500_000, tzinfo=zone),
    )
    session = recorded(session_id)
    assert ("2026-03-02T09:30:00Z", "2026-03-02T10:00:00.500000Z") == (session["start_time"], session["end_time"])


def test_chosen_session_id(make_layer: MakeLayer, recorded: Recorded) -> None:
    """A version 5 id, as text or UUID, is the session's id; a natural key gives the same one every time."""
    mine = make_layer()
    chosen = mine.session_id_for(f"thread {uuid4()}")
    assert chosen == mine.create_session(session_id=UUID(chosen))
    assert (chosen, 5) == (recorded(chosen)["session_id"], UUID(mine.session_id_for("thread")).version)
    assert mine.session_id_for("thread") == make_layer().session_id_for("thread")


@pytest.mark.parametrize(
    "wrong", ["not-an-id", "5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21", UUID("5ae1f6f0-2f0b-4c63-9a57-6d1f0e8c7b21"), 7]
)
def test_chosen_session_id_of_another_version_is_refused(make_layer: MakeLayer, wrong: Any) -> None:
    """Anything but a version 5 UUID is a schema error before any request."""
    with pytest.raises(LayerSchemaValidationError, match="session_id must be a"):
        make_layer().create_session(session_id=wrong)


def test_session_with_its_first_actions(make_layer: MakeLayer, recorded: Recorded) -> None:
    """Actions given with the session, as models or dicts, arrive in order in the same request."""
    moment = datetime(2026, 3, 2, tzinfo=timezone.utc)
    model = SessionActionRequest(kind=SessionActionKind.EMBEDDINGS, start_time=moment, end_time=moment, data={"n": 1})
    session_id = make_layer().create_session(actions=[model, {"kind": "completion_prompt", "data": PROMPT}])
    assert [("embeddings", {"n": 1}), ("completion_prompt", PROMPT)] == [
        (action["kind"], action["data"]) for action in recorded(session_id)["actions"]
    ]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"kind": "embeddings", "data": {"x": object()}}, r"actions\[1\]\.data\.x is of type object"),
        ({"kind": "bogus"}, "kind must be one of"),
        ({"kind": "embeddings", "when": 1}, r"actions\[1\] has not the fields of an action"),
        ("embeddings", r"actions\[1\] must be"),
    ],
)
def test_wrong_first_action_names_its_place(make_layer: MakeLayer, action: Any, words: str) -> None:
    """An action that cannot be sent is named by its index."""
    with pytest.raises((LayerSchemaValidationError, LayerRequestPreparationError), match=words):
        make_layer().create_session(actions=[{"kind": "embeddings"}, action])


def test_answer_decides_on_the_id(scripted: Scripted, make_layer: MakeLayer) -> None:
    """The id that the server answers with is returned, whichever was sent; any 2xx is success."""
    for status in (200, 201, 202, 299):
        server = scripted(Answer(status, CREATED.body))
        assert SESSION == make_layer(base_url=server.url).create_session()


# ---- actions


def test_action_arrives_whole(make_layer: MakeLayer, recorded: Recorded) -> None:
    """Every field of an action arrives as it was given."""
    mine = make_layer()
    session_id = mine.create_session()
    start = datetime(2026, 3, 2, 9, 30, tzinfo=timezone.utc)
    mine.append_action(
        UUID(session_id),
        kind="completion_output",
        start_time=start,
        end_time=start + timedelta(seconds=1),
        attributes={"model.id": "m", "n": [1, None]},
        data=PROMPT,
        error=SessionActionError("late", 504, {"type": "Timeout"}),
        scanners=[SessionActionScanner("usage", {"total_tokens": 3}), {"name": "other", "data": {}}],
    )
    action = recorded(session_id)["actions"][0]
    del action["received_at"]
    assert {
        "kind": "completion_output",
        "start_time": "2026-03-02T09:30:00Z",
        "end_time": "2026-03-02T09:30:01Z",
        "attributes": {"model.id": "m", "n": [1, None]},
        "data": PROMPT,
        "error": {"message": "late", "code": 504, "details": {"type": "Timeout"}},
        "scanners": [{"name": "usage", "data": {"total_tokens": 3}}, {"name": "other", "data": {}}],
    } == action


@pytest.mark.parametrize("kind", list(SessionActionKind))
def test_every_kind_as_enum_and_as_text(make_layer: MakeLayer, recorded: Recorded, kind: SessionActionKind) -> None:
    """A kind may be given as the enum's member or as its value; times default to now."""
    mine = make_layer()
    session_id = mine.create_session()
    mine.append_action(session_id, kind=kind)
    mine.append_action(session_id, kind=kind.value)
    actions = recorded(session_id)["actions"]
    assert [kind.value] * 2 == [action["kind"] for action in actions]
    assert all(action["start_time"] <= action["end_time"] for action in actions)


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"kind": "chat"}, LayerSchemaValidationError, "kind must be one of completion_output, "),
        (
            {"data": {"messages": [{"content": object()}]}},
            LayerRequestPreparationError,
            r"data\.messages\[0\]\.content is of type object",
        ),
        ({"data": [1]}, LayerSchemaValidationError, "data must be an object"),
        ({"attributes": {"x": float("nan")}}, LayerRequestPreparationError, r"attributes\.x is nan"),
        ({"scanners": [{"name": "usage"}]}, LayerSchemaValidationError, r"scanners\[0\] must have a name"),
        ({"error": {"code": 1}}, LayerSchemaValidationError, r"error\.message must be text"),
        ({"start_time": "yesterday"}, LayerSchemaValidationError, "start_time must be a datetime"),
        ({"session_id": "x"}, LayerSchemaValidationError, "session_id must be a UUID"),
    ],
)
def test_wrong_argument_is_named(
    make_layer: MakeLayer, fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    """What cannot be sent is an error that names the argument and the place inside it, before any request."""
    with pytest.raises(error, match=words):
        make_layer().append_action(**{"session_id": SESSION, "kind": "embeddings", **fields})


def test_append_to_unknown_session_is_the_servers_refusal(make_layer: MakeLayer) -> None:
    """The server's status, words and body reach the caller."""
    with pytest.raises(LayerHTTPError) as caught:
        make_layer().append_action(uuid4(), kind="embeddings")
    assert 404 == caught.value.status_code
    assert caught.value.message.startswith("append action: ")
    assert "problem" in caught.value.response_data or "detail" in caught.value.response_data


# ---- failures


def test_two_failures_then_success(scripted: Scripted, make_layer: MakeLayer) -> None:
    """503, 503, 201: one success, three requests, all with one Idempotency-Key and one body."""
    server = scripted(Answer(503), Answer(503), CREATED)
    assert SESSION == make_layer(base_url=server.url).create_session()
    assert (3, 1, 1) == (
        len(server.asked),
        len({asked.headers["Idempotency-Key"] for asked in server.asked}),
        len({asked.body for asked in server.asked}),
    )


def test_too_many_requests_is_not_retried(scripted: Scripted, make_layer: MakeLayer) -> None:
    """429 goes to the caller at once, with or without a Retry-After."""
    server = scripted(Answer(429, b"slow down", {"Retry-After": "1"}))
    with pytest.raises(LayerHTTPError, match="slow down"):
        make_layer(base_url=server.url).create_session()
    assert 1 == len(server.asked)


def test_refused_connection_has_its_cause() -> None:
    """Nobody listening is a LayerRequestError, with requests' exception as its cause."""
    mine = Layer()
    mine.init(base_url="http://127.0.0.1:1", application_id="a")
    with pytest.raises(LayerRequestError, match="create session") as caught:
        mine.create_session()
    mine.shutdown()
    assert isinstance(caught.value.__cause__, requests.ConnectionError)


def test_silent_server_costs_one_timeout(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A server that never answers is asked once: the error comes after one timeout, not after four."""
    server = scripted(Answer(delay=60))
    began = time.monotonic()
    with pytest.raises(LayerRequestError) as caught:
        make_layer(base_url=server.url, http_timeout=0.5).create_session()
    assert isinstance(caught.value.__cause__, requests.ReadTimeout)
    assert (1, True) == (len(server.asked), time.monotonic() - began < 4 * 0.5)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_an_auth_error_and_an_http_error(
    scripted: Scripted, make_layer: MakeLayer, status: int
) -> None:
    """401 and 403 are caught as either, with the server's words."""
    server = scripted(Answer(status, b'{"error": "denied", "error_description": "the token is too old"}'))
    with pytest.raises(LayerAuthError) as caught:
        make_layer(base_url=server.url).create_session()
    assert isinstance(caught.value, LayerHTTPError)
    assert (status, "create session: the token is too old") == (caught.value.status_code, caught.value.message)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": "of one kind"}', "of one kind"),
        (b'{"message": {"error": "of another"}}', "of another"),
        (b'{"detail": [{"loc": ["a"]}]}', '[{"loc": ["a"]}]'),
        (b"<html>\n  <h1>Bad  Gateway</h1>", "<html> <h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "no reason given"),
        (b"null", "null"),
    ],
)
def test_error_body_of_any_shape_is_kept_whole(
    scripted: Scripted, make_layer: MakeLayer, body: bytes, words: str
) -> None:
    """The message is the body's sentence, response_data all of it, request_id the header's."""
    server = scripted(Answer(400, body, {"X-Request-Id": "r-1"}))
    with pytest.raises(LayerHTTPError) as caught:
        make_layer(base_url=server.url).create_session()
    error = caught.value
    assert (f"create session: {words}", body.decode("utf-8", "replace"), "r-1") == (
        error.message,
        error.response_data,
        error.request_id,
    )


def test_status_that_python_does_not_know(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A gateway's 520 is an ordinary error, here and in the raw client."""
    server = scripted(Answer(520, b"web server returned an unknown error"))
    mine = make_layer(base_url=server.url)
    with pytest.raises(LayerHTTPError, match="HTTP 520"):
        mine.create_session()
    assert 520 == list_applications.sync_detailed(client=mine.raw).status_code


@pytest.mark.parametrize(
    "body", [b"", b"<html>login</html>", b"{}", b"[]", b'{"session_id": 5}', b'{"session_id": "x"}']
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_success_without_a_usable_body_shows_the_body(
    scripted: Scripted, make_layer: MakeLayer, status: int, body: bytes
) -> None:
    """A 2xx without an id is an error that shows what came instead."""
    server = scripted(Answer(status, body))
    with pytest.raises(LayerHTTPError, match="without a usable body") as caught:
        make_layer(base_url=server.url).create_session()
    assert (status, body.decode()) == (caught.value.status_code, caught.value.response_data)
    assert repr(body.decode()) in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{}", b'{"a": 1}', b"[1]", b'[{"id": "x", "name": "y"}]'])
def test_list_of_applications_that_is_none(scripted: Scripted, make_layer: MakeLayer, body: bytes) -> None:
    """An answer that is no list of applications is an error."""
    server = scripted(Answer(200, body))
    with pytest.raises(LayerHTTPError, match="list applications"):
        make_layer(base_url=server.url).list_applications()


def test_redirect_that_would_lose_the_body_is_an_error(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A login page behind a 302 is not taken for success; the error names where it points."""
    server = scripted(
        lambda asked: Answer(302, b"", {"Location": "/login"}) if asked.path != "/login" else Answer(200, b"hello")
    )
    with pytest.raises(LayerHTTPError, match="redirected to /login"):
        make_layer(base_url=server.url).append_action(SESSION, kind="embeddings")


def test_unknown_fields_of_answers_are_no_error(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Servers may add fields; they are kept."""
    body = b'[{"id": "%s", "name": "a", "team": "red"}]' % SESSION.encode()
    server = scripted(Answer(200, body))
    found = make_layer(base_url=server.url).list_applications()[0]
    assert ("a", "red", SESSION, "red") == (found.name, found["team"], found["id"], found.additional_properties["team"])


# ---- applications and firewall


def test_applications(make_layer: MakeLayer) -> None:
    """A created application is listed, readable by attribute and by name; without a name there is an error."""
    mine = make_layer()
    name = f"app {uuid4()}"
    created = mine.create_application(name)
    found = next(application for application in mine.list_applications() if application["name"] == name)
    assert (created, created) == (str(found.id), found["id"])
    with pytest.raises(LayerMissingRequiredConfigurationError, match="application_name"):
        mine.create_application()


@pytest.mark.parametrize(
    ("text", "decision"),
    [("nothing of note", "pass"), ("WATCHED", "skip"), ("NOTED WATCHED", "alert"), ("FORBIDDEN NOTED", "block")],
)
def test_firewall_decides_on_what_was_recorded(make_layer: MakeLayer, text: str, decision: str) -> None:
    """The decision equals its enum member and its text, and its context reads both ways."""
    mine = make_layer()
    session_id = mine.create_session()
    mine.append_action(session_id, kind="completion_prompt", data={"messages": [{"role": "user", "content": text}]})
    found = mine.firewall_session_lookup(session_id)
    assert found.decision == decision
    assert found.decision == FirewallLookupDecision(decision)
    assert decision == found.decision.lower() == found["decision"]
    by_name = found.context["violated_policies"] or []
    by_attribute = found.context.violated_policies or []
    names = {"WATCHED": "Watched words", "NOTED": "Noted words", "FORBIDDEN": "Forbidden words"}
    violated = {names[word] for word in text.split() if word in names}
    assert violated == {policy["name"] for policy in by_name} == {policy.name for policy in by_attribute}


def test_firewall_without_data(make_layer: MakeLayer) -> None:
    """A session that nothing is known of gives no_data, and a context without policies."""
    found = make_layer().firewall_session_lookup(uuid4())
    assert ("no_data", []) == (found.decision, found.context.violated_policies or [])


def test_firewall_needs_its_address(make_layer: MakeLayer) -> None:
    """Without firewall_base_url a lookup says so, naming both ways to give it."""
    with pytest.raises(LayerMissingRequiredConfigurationError, match="LAYER_FIREWALL_BASE_URL"):
        make_layer(firewall_base_url=None).firewall_session_lookup(SESSION)


def test_firewall_errors_have_their_own_classes(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A refusing and a silent firewall are told apart from the Layer API."""
    server = scripted(Answer(500, b"oops"), Answer(200, b"{}"))
    mine = make_layer(firewall_base_url=server.url)
    for _ in range(2):
        with pytest.raises(LayerFirewallHTTPError):
            mine.firewall_session_lookup(SESSION)
    with pytest.raises(LayerFirewallRequestError):
        make_layer(firewall_base_url="http://127.0.0.1:1").firewall_session_lookup(SESSION)


def test_blocked_session_takes_no_action_when_asked_for(make_layer: MakeLayer, recorded: Recorded) -> None:
    """With enable_firewall_instrumentation an action in a blocked session raises and is not sent."""
    mine = make_layer(enable_firewall_instrumentation=True)
    session_id = mine.create_session()
    mine.append_action(session_id, kind="completion_prompt", data={"messages": [{"content": "FORBIDDEN"}]})
    with pytest.raises(LayerFirewallSessionBlocked, match=session_id):
        mine.append_action(session_id, kind="completion_output")
    assert 1 == len(recorded(session_id)["actions"])


def test_firewall_that_is_away_stops_nobody(make_layer: MakeLayer, caplog: pytest.LogCaptureFixture) -> None:
    """With enable_firewall_instrumentation a firewall that does not answer costs a warning, not the action."""
    mine = make_layer(enable_firewall_instrumentation=True, firewall_base_url="http://127.0.0.1:1")
    mine.append_action(mine.create_session(), kind="embeddings")
    assert ["The firewall could not be asked before an action was appended: LayerFirewallRequestError"] == [
        record.getMessage() for record in caplog.records if record.name == "layer_sdk"
    ]


# ---- what a given http_session sees


class CountingAdapter(HTTPAdapter):
    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.paths.append(request.path_url)
        return super().send(request, *args, **kwargs)


class Signature(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Signed"] = "yes"
        return request


def test_given_session_sees_every_request(scripted: Scripted) -> None:
    """Adapter, proxy, hook and auth of http_session see every request of layer and of layer.raw, sync and async."""

    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("/actions"):
            return ACCEPTED
        return Answer(200, b"[]") if asked.path.endswith("/applications") else CREATED

    proxy = scripted(answer)
    session, adapter, hooked = requests.Session(), CountingAdapter(), []
    session.mount("http://", adapter)
    session.proxies["http"] = proxy.url
    session.auth = Signature()
    session.hooks["response"].append(lambda response, **_: hooked.append(response.status_code))
    mine = Layer()
    mine.init(base_url="http://layer.invalid/base/", application_id="a", http_session=session)
    mine.append_action(mine.create_session(), kind="embeddings")
    mine.list_applications()
    list_applications.sync_detailed(client=mine.raw)
    asyncio.run(list_applications.asyncio_detailed(client=mine.raw_async))
    asyncio.run(mine.acreate_session())
    mine.shutdown()
    names = ["sessions", f"sessions/{SESSION}/actions", "applications", "applications", "applications", "sessions"]
    paths = [f"http://layer.invalid/base/v1/{name}" for name in names]
    assert paths == [asked.path for asked in proxy.asked]
    assert [path.replace("http://layer.invalid", "") for path in paths] == adapter.paths
    assert ["yes"] * 6 == [asked.headers["X-Signed"] for asked in proxy.asked]
    assert [201, 202, 200, 200, 200, 201] == hooked


def test_headers_of_every_request(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Media types and User-Agent are the contract's; without a provider there is no auth header."""
    server = scripted(CREATED)
    make_layer(base_url=server.url).create_session()
    headers = server.asked[0].headers
    assert ("application/json", "application/json", f"layer-sdk-python/{__version__}", None) == (
        headers["Content-Type"],
        headers["Accept"],
        headers["User-Agent"],
        headers.get("Authorization"),
    )


class Tokens(AuthProvider):
    def __init__(self) -> None:
        self.number = 0

    def get_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer t{self.number}"}

    def invalidate(self) -> None:
        self.number += 1


def test_unauthorized_is_tried_once_with_another_token(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A 401 invalidates the provider's credentials, and the request is repeated once with new ones."""

    def answer(asked: Asked) -> Answer:
        return CREATED if asked.headers["Authorization"] == "Bearer t1" else Answer(401)

    server = scripted(answer)
    mine = make_layer(base_url=server.url, auth_provider=Tokens())
    assert (SESSION, SESSION) == (mine.create_session(), asyncio.run(mine.acreate_session()))
    assert ["Bearer t0", "Bearer t1", "Bearer t1"] == [asked.headers["Authorization"] for asked in server.asked]


def test_second_unauthorized_is_an_error(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A 401 to the new credentials too is an auth error, after two requests."""
    server = scripted(Answer(401, b"no"))
    with pytest.raises(LayerAuthError):
        make_layer(base_url=server.url, auth_provider=Tokens()).create_session()
    assert 2 == len(server.asked)


def test_provider_that_fails_stops_the_request(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A provider that raises is an auth error with its cause; no request goes out without credentials."""

    class Broken:
        def get_headers(self) -> dict[str, str]:
            raise KeyError("vault")

    server = scripted(CREATED)
    mine = make_layer(base_url=server.url, auth_provider=Broken())
    with pytest.raises(LayerAuthError, match="Broken") as caught:
        mine.create_session()
    assert isinstance(caught.value.__cause__, KeyError)
    assert [] == server.asked


# ---- raw clients


def test_raw_clients_are_ready_to_call(make_layer: MakeLayer, recorded: Recorded) -> None:
    """The generated functions work with layer.raw and layer.raw_firewall as they come."""
    mine = make_layer(http_timeout=7)
    created = create_session.sync_detailed(client=mine.raw, body=SessionRequest(application_id="raw"))
    assert created.parsed is not None
    session_id = created.parsed.session_id
    now = datetime.now(timezone.utc)
    request = SessionActionRequest(SessionActionKind.MODERATION, now, now, data={"input": ["x"]})
    appended = append_action.sync_detailed(session_id, client=mine.raw, body=request)
    looked_up = firewall_session_lookup.sync(session_id, client=mine.raw_firewall)
    assert (201, 202, "pass") == (created.status_code, appended.status_code, getattr(looked_up, "decision", None))
    assert [{"input": ["x"]}] == [action["data"] for action in recorded(str(session_id))["actions"]]
    assert 7.0 == mine.raw.get_httpx_client().timeout.connect


# ---- async and threads


def test_async_twins(make_layer: MakeLayer, recorded: Recorded) -> None:
    """The awaitable twins do what their sisters do, many at a time, while the event loop goes on."""

    async def converse() -> tuple[str, str, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.ensure_future(tick())
        session_id = await mine.acreate_session(attributes={"user.id": "u"})
        await asyncio.gather(*(mine.aappend_action(session_id, kind="embeddings") for _ in range(20)))
        decision = (await mine.afirewall_session_lookup(session_id)).decision
        ticking.cancel()
        return session_id, decision, ticks

    mine = make_layer()
    session_id, decision, ticks = asyncio.run(converse())
    assert (20, "pass") == (len(recorded(session_id)["actions"]), decision)
    assert ticks > 20


@pytest.mark.long
def test_many_threads(make_layer: MakeLayer, recorded: Recorded) -> None:
    """32 threads with 200 calls each: everything arrives once, each thread's in order, sockets within the pool."""
    ports: set[int] = set()
    lock = threading.Lock()

    class Watching(HTTPAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            response = super().send(*args, **kwargs)
            with lock:
                ports.update(_open_ports(self))
            return response

    session = requests.Session()
    session.mount("http://", Watching(pool_maxsize=10, pool_block=True))
    mine = make_layer(http_session=session)
    ids = [mine.create_session() for _ in range(32)]

    def work(session_id: str) -> None:
        for number in range(200):
            mine.append_action(session_id, kind="embeddings", data={"n": number})

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(work, ids))
    for session_id in ids:
        assert list(range(200)) == [action["data"]["n"] for action in recorded(session_id)["actions"]]
    assert 10 >= len(ports)


def _open_ports(adapter: HTTPAdapter) -> set[int]:
    pools = adapter.poolmanager.pools
    found = set()
    for key in pools.keys():  # noqa: SIM118  (urllib3's container is no mapping)
        pool = pools.get(key)
        queued = list(pool.pool.queue) if pool is not None and pool.pool is not None else []
        found |= {c.sock.getsockname()[1] for c in queued if c is not None and c.sock is not None}
    return found


def test_default_pool_bounds_its_sockets(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Used from one thread, the default session keeps one connection; from many, what it keeps is ten at most."""
    server = scripted(ACCEPTED)
    mine = make_layer(base_url=server.url)
    for _ in range(20):
        mine.append_action(SESSION, kind="embeddings")
    assert 1 == len(server.connections)
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda _: mine.append_action(SESSION, kind="embeddings"), range(640)))
    assert mine._parts is not None
    adapter = mine._parts.connections.session.get_adapter(server.url)
    assert isinstance(adapter, HTTPAdapter)
    assert 10 >= len(_open_ports(adapter))


def test_singleton_is_one_of_these(devserver: Server, recorded: Recorded) -> None:
    """The module's `layer` works like any instance."""
    layer.init(base_url=devserver.url, application_id="singleton")
    assert "singleton" == recorded(layer.create_session())["application_id"]


def test_inline_delivery_retries_as_explicit_calls_do(scripted: Scripted, make_layer: MakeLayer) -> None:
    """What is recorded inline survives a 503 as an explicit call does."""
    server = scripted(Answer(503), CREATED)
    mine = make_layer(base_url=server.url, delivery="inline")
    with mine.session():
        pass
    assert (2, 1) == (len(server.asked), mine.stats()["sent"])


@pytest.mark.parametrize("wrong", [["user.id"], "user.id", 7])
def test_attributes_that_are_no_object_are_refused(make_layer: MakeLayer, wrong: Any) -> None:
    """Session attributes that are not a mapping are a schema error that says so, before any request."""
    with pytest.raises(LayerSchemaValidationError, match="attributes must be an object"):
        make_layer().create_session(attributes=wrong)
