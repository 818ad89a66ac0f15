from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qsl

import pytest
import requests
from requests.auth import HTTPBasicAuth

from clock import Clock, stop_for_tokens
from layer_sdk import (
    LayerAuthError,
    LayerInvalidConfigurationError,
    LayerMissingRequiredConfigurationError,
    LayerRequestError,
    OIDCClientCredentials,
)
from layer_sdk._answers import ASSUMED_LIFETIME, MAX_LIFETIME
from layer_sdk._timeouts import seconds_of
from layer_sdk._tokens import END_AT, RENEW_AT, ROUNDED, sure_part
from layer_sdk.auth import AuthProvider
from leaks import told
from scripted_server import Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

Scripted = Callable[..., ScriptedServer]

SECRET = "s3cr3t+&= /ü"
TOKEN = "t0k3n.of-the.server"
JSON = {"Content-Type": "application/json"}
PASSWORD = "pa55/w0rd"  # the slash makes a wrong URL of it
PATH = "/realms/layer/protocol/openid-connect/token"


def token(value: Any = TOKEN, **fields: Any) -> Answer:
    """Answer with a token."""
    return Answer(200, json.dumps({"access_token": value, "token_type": "Bearer", **fields}).encode(), JSON)


def provider(server: ScriptedServer, **options: Any) -> OIDCClientCredentials:
    """Make a provider that asks a server once: the SDK's own session would retry, and sleep between."""
    defaults = {"client_id": "app", "client_secret": SECRET, "http_session": requests.Session(), "http_timeout": 10}
    return OIDCClientCredentials(**{"token_url": server.url + PATH, **defaults, **options})


def form(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.body.decode(), keep_blank_values=True, strict_parsing=True))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the time for whoever keeps the token."""
    return stop_for_tokens(monkeypatch)


# ---- the request for a token


def test_request_is_the_one_of_the_rfc(scripted: Scripted) -> None:
    """A POST of exactly the form fields of the client credentials grant, nothing about the client elsewhere."""
    server = scripted(token())
    assert {"Authorization": f"Bearer {TOKEN}"} == provider(server).get_headers()
    (asked,) = server.asked
    assert ("POST", PATH) == (asked.method, asked.path)
    assert {"grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET} == form(asked)
    assert "application/x-www-form-urlencoded" == asked.headers["Content-Type"]
    assert "application/json" == asked.headers["Accept"]
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("scope", "expected"), [("layer-sdk", "layer-sdk"), ("a b", "a b"), ("", None), (None, None), (" ", None)]
)
def test_scope_only_when_given(scripted: Scripted, scope: str | None, expected: str | None) -> None:
    """The scope is one more field, and absent without one."""
    server = scripted(token())
    provider(server, scope=scope).get_headers()
    assert expected == form(server.asked[0]).get("scope")


def test_login_of_a_netrc_file_stays_out(scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second way to authenticate, which the RFC forbids, is not added behind the caller's back."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(token())
    provider(server).get_headers()
    assert "Authorization" not in server.asked[0].headers


def test_login_that_the_caller_wants(scripted: Scripted) -> None:
    """A login in the URL, or the auth of the caller's session, is sent."""
    server = scripted(token())
    session = requests.Session()
    session.auth = HTTPBasicAuth("user", "password")
    provider(server, http_session=session).get_headers()
    provider(server, token_url=server.url.replace("//", "//user:password@") + PATH).get_headers()
    assert ["Basic dXNlcjpwYXNzd29yZA=="] * 2 == [asked.headers["Authorization"] for asked in server.asked]


def test_own_session_is_used(scripted: Scripted) -> None:
    """What the caller set up on their session reaches the token endpoint; the session stays theirs and open."""
    server = scripted(token(expires_in=0))
    session = requests.Session()
    session.headers["X-Mine"] = "yes"
    mine = provider(server, http_session=session)
    mine.get_headers()
    mine.get_headers()
    assert ["yes", "yes"] == [asked.headers["X-Mine"] for asked in server.asked]
    assert 1 == len(server.connections)


def test_default_session_retries(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a session of the caller's, a gateway that is busy for a moment does no harm."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = scripted(Answer(503), Answer(502), token())
    assert {"Authorization": f"Bearer {TOKEN}"} == provider(server, http_session=None).get_headers()
    assert 3 == len(server.asked)


# ---- one token for many requests


def test_token_is_reused_until_shortly_before_it_expires(scripted: Scripted, clock: Clock) -> None:
    """One request serves until seven hundredths of the token's sure life are left; then there is a new one."""
    server = scripted(token("one", expires_in=300), token("two", expires_in=300))
    mine = provider(server)
    for now, expected in [(0, "one"), (100, "one"), (277.9, "one"), (278, "two"), (300, "two"), (555, "two")]:
        clock.now = 1000 + now
        assert {"Authorization": f"Bearer {expected}"} == mine.get_headers()
    assert 2 == len(server.asked)


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ({"expires_in": 60}, 60),
        ({"expires_in": 0.5}, 0.5),
        ({"expires_in": "300"}, 300),
        ({"expires_in": 10**12}, MAX_LIFETIME),
        ({"expires_in": 10**400}, ASSUMED_LIFETIME),
        ({"expires_in": float("inf")}, MAX_LIFETIME),
        ({"expires_in": float("nan")}, ASSUMED_LIFETIME),
        ({"expires_in": -5}, ASSUMED_LIFETIME),
        ({"expires_in": "soon"}, ASSUMED_LIFETIME),
        ({"expires_in": None}, ASSUMED_LIFETIME),
        ({"expires_in": [300]}, ASSUMED_LIFETIME),
        ({}, ASSUMED_LIFETIME),
    ],
)
def test_lifetime_of_any_shape(scripted: Scripted, clock: Clock, fields: dict[str, Any], lifetime: float) -> None:
    """A lifetime that cannot be read is taken as a minute, one without end as a day; the token is used all the same."""
    server = scripted(token("one", **fields), token("two"))
    mine = provider(server)
    found = []
    for share in (0, RENEW_AT - 0.01, RENEW_AT + 0.01):
        clock.now = 1000 + sure_part(lifetime) * share
        found.append(mine.get_headers()["Authorization"])
    assert ["Bearer one", "Bearer one", "Bearer two"] == found


def test_lifetimes_are_those_of_the_documentation() -> None:
    """A second is rounded off, and seven hundredths are left at renewal; a minute is assumed, a day is the most."""
    assert (1.1, 0.93, 0.97, 60, 86_400) == (ROUNDED, RENEW_AT, END_AT, ASSUMED_LIFETIME, MAX_LIFETIME)
    assert (298.9, 1.0, 0.5) == (sure_part(300), sure_part(2), sure_part(1))


def test_token_that_expires_at_once(scripted: Scripted) -> None:
    """A token without a life is used for the one request that it was asked for."""
    server = scripted(token("one", expires_in=0), token("two", expires_in=0))
    mine = provider(server)
    assert ["Bearer one", "Bearer two"] == [mine.get_headers()["Authorization"] for _ in range(2)]


def test_one_request_for_many_threads(scripted: Scripted) -> None:
    """Sixteen threads that need a token at once cause one request and share its token."""
    answer = token(expires_in=300)
    server = scripted(Answer(answer.status, answer.body, answer.headers, delay=0.2))
    mine = provider(server)
    start = threading.Barrier(16)

    def ask(_: int) -> str:
        start.wait()
        return mine.get_headers()["Authorization"]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(16)))
    assert ([f"Bearer {TOKEN}"] * 16, 1) == (found, len(server.asked))


def test_invalidate_forgets_the_token(scripted: Scripted) -> None:
    """After the server refused a token, the next request gets another; twice is as once."""
    server = scripted(token("one"), token("two"))
    mine = provider(server)
    mine.get_headers()
    mine.invalidate()
    mine.invalidate()
    assert {"Authorization": "Bearer two"} == mine.get_headers()


def test_failure_is_not_remembered(scripted: Scripted) -> None:
    """After an error the next call asks again."""
    server = scripted(Answer(500), token())
    mine = provider(server)
    with pytest.raises(LayerRequestError):
        mine.get_headers()
    assert {"Authorization": f"Bearer {TOKEN}"} == mine.get_headers()


def test_caller_may_change_the_headers(scripted: Scripted) -> None:
    """What one call gave out is not what the next one gives."""
    mine = provider(scripted(token()))
    mine.get_headers()["Authorization"] = "other"
    assert {"Authorization": f"Bearer {TOKEN}"} == mine.get_headers()


# ---- where the options come from

OPTIONS = {
    "token_url": "LAYER_OIDC_TOKEN_URL",
    "client_id": "LAYER_OIDC_CLIENT_ID",
    "client_secret": "LAYER_OIDC_CLIENT_SECRET",
}


@pytest.fixture
def environment(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """Give every option in the environment."""
    server = scripted(token())
    monkeypatch.setenv("LAYER_OIDC_TOKEN_URL", f" '{server.url}/env' ")
    monkeypatch.setenv("LAYER_OIDC_CLIENT_ID", "env-id\n")
    monkeypatch.setenv("LAYER_OIDC_CLIENT_SECRET", "env-secret")
    monkeypatch.setenv("LAYER_OIDC_SCOPE", "env-scope")
    monkeypatch.setenv("LAYER_OIDC_TIMEOUT", "7.5")
    return server


def test_options_from_the_environment(environment: ScriptedServer) -> None:
    """Without arguments, everything comes from the environment; blanks and quotes around the URL are forgiven."""
    OIDCClientCredentials().get_headers()
    (asked,) = environment.asked
    expected = {"client_id": "env-id", "client_secret": "env-secret", "scope": "env-scope"}
    assert ("/env", {"grant_type": "client_credentials", **expected}) == (asked.path, form(asked))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ({"client_id": "mine"}, {"client_id": "mine"}),
        ({"client_secret": "mine"}, {"client_secret": "mine"}),
        ({"scope": "mine"}, {"scope": "mine"}),
    ],
)
def test_argument_wins_over_the_environment(
    environment: ScriptedServer, argument: dict[str, str], expected: dict[str, str]
) -> None:
    """Each argument replaces its own variable and no other."""
    OIDCClientCredentials(**argument).get_headers()  # type: ignore[arg-type]
    of_env = {"client_id": "env-id", "client_secret": "env-secret", "scope": "env-scope"}
    assert {"grant_type": "client_credentials", **of_env, **expected} == form(environment.asked[0])


def test_token_url_argument_wins_over_the_environment(environment: ScriptedServer) -> None:
    """The URL's argument replaces its variable."""
    OIDCClientCredentials(token_url=f"{environment.url}/mine").get_headers()
    assert "/mine" == environment.asked[0].path


class Noting(requests.Session):
    """A session that notes the timeout of each request."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Note, and send."""
        self.timeouts.append(options["timeout"])
        return super().send(request, **options)


@pytest.mark.parametrize(
    ("argument", "variable", "expected"),
    [(None, None, 10.0), (None, " ", 10.0), (None, "7.5", 7.5), (3, "7.5", 3.0), ("2", None, 2.0)],
)
def test_timeout(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, argument: Any, variable: str | None, expected: float
) -> None:
    """Seconds from the argument, else LAYER_OIDC_TIMEOUT, else 10; LAYER_TIMEOUT means another one."""
    monkeypatch.setenv("LAYER_TIMEOUT", "99")
    if variable is not None:
        monkeypatch.setenv("LAYER_OIDC_TIMEOUT", variable)
    session = Noting()
    provider(scripted(token()), http_timeout=argument, http_session=session).get_headers()
    assert [expected] == session.timeouts


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("given", [None, "", "  "])
def test_missing_option_names_both_ways(name: str, given: str | None) -> None:
    """A required option that was given neither way is an error that names the argument and the variable."""
    given_ones = {"token_url": "https://sso.example.com", "client_id": "app", "client_secret": SECRET, name: given}
    with pytest.raises(LayerMissingRequiredConfigurationError) as caught:
        OIDCClientCredentials(**given_ones)  # type: ignore[arg-type]
    other = {"token_url": "issuer", "client_secret": "client_secret_file"}.get(name)
    arguments = f"{name} or {other}" if other else name
    variables = f"{OPTIONS[name]} or LAYER_OIDC_{other.upper()}" if other else OPTIONS[name]
    expected = f"{name} is missing: give OIDCClientCredentials the argument {arguments}, or set {variables}"
    assert expected == str(caught.value)


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("value", [5, b"bytes", ["x"], f"{SECRET}\udcff"])
def test_option_that_is_no_text(name: str, value: Any) -> None:
    """A required option of another kind is an error that names it and does not show it."""
    arguments = {"token_url": "https://sso.example.com", "client_id": "app", "client_secret": SECRET, name: value}
    with pytest.raises(LayerInvalidConfigurationError, match=f"{name} must be text") as caught:
        OIDCClientCredentials(**arguments)
    assert SECRET not in told(caught.value)


@pytest.mark.parametrize(
    "value",
    ["sso.example.com", "ftp://sso.example.com", "https://", "https://u:{}@h:port", "https://u:{}@[::1", "u:{}@h"],
)
def test_wrong_token_url(value: str) -> None:
    """A token URL without scheme or host is an error at once, and shows no password."""
    with pytest.raises(
        LayerInvalidConfigurationError, match=r"token_url must be a URL.*LAYER_OIDC_TOKEN_URL"
    ) as caught:
        OIDCClientCredentials(token_url=value.format(PASSWORD), client_id="app", client_secret=SECRET)
    assert [] == [part for part in PASSWORD.split("/") if part in told(caught.value)]


@pytest.mark.parametrize("value", ["ten", "0", "-1", "nan", "inf", "1e9"])
def test_wrong_timeout(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    """A wrong timeout is an error that names the option and where it came from."""
    arguments: dict[str, Any] = {"token_url": "https://sso.example.com", "client_id": "a", "client_secret": SECRET}
    words = f"http_timeout must be a number of seconds above 0 and up to 2000000, but {{}} is {value!r}"
    with pytest.raises(LayerInvalidConfigurationError) as caught:
        OIDCClientCredentials(**arguments, http_timeout=value)
    assert words.format("the argument http_timeout") == str(caught.value)
    monkeypatch.setenv("LAYER_OIDC_TIMEOUT", value)
    with pytest.raises(LayerInvalidConfigurationError) as caught:
        OIDCClientCredentials(**arguments)
    assert words.format("the environment variable LAYER_OIDC_TIMEOUT") == str(caught.value)


def test_timeout_that_is_neither_number_nor_text() -> None:
    """Of such a value the error names the type."""
    with pytest.raises(LayerInvalidConfigurationError, match="but the argument http_timeout is of type tuple"):
        OIDCClientCredentials(
            token_url="https://sso.example.com",
            client_id="app",
            client_secret=SECRET,
            http_timeout=(3, 10),  # type: ignore[arg-type]
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, None), (0, None), (None, None), ("1e400", None), (10**400, None), ("2", 2.0), (2e6, 2e6), (2e6 + 1, None)],
)
def test_seconds(value: Any, expected: float | None) -> None:
    """Only a positive number of seconds that a socket can wait is a timeout."""
    assert expected == seconds_of(value)


# ---- what goes wrong


def refusal(status: int, error: str, words: str | None = None) -> Answer:
    """Answer as RFC 6749 5.2 says."""
    fields = {"error": error, **({"error_description": words} if words is not None else {})}
    return Answer(status, json.dumps(fields).encode(), JSON)


HTML = Answer(404, b"<html><h1>Not Found</h1></html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            refusal(401, "invalid_client", "no such"),
            "refused the client credentials with status 401: invalid_client - no",
        ),
        (refusal(400, "unauthorized_client"), "refused the client credentials with status 400: unauthorized_client"),
        (refusal(400, "invalid_scope", "x " * 1000), "refused the client credentials with status 400: invalid_scope"),
        (Answer(403), "refused the client credentials with status 403"),
        (Answer(401, b"[1]", JSON), "refused the client credentials with status 401"),
        (Answer(400, b'{"error": {"code": 7}}', JSON), "refused the client credentials with status 400"),
        (HTML, "answered 404 with a page instead of a token; check token_url or issuer"),
        (Answer(404), "answered 404 instead of a token; check token_url or issuer"),
        (Answer(300), "answered 300 instead of a token; check token_url"),
        (Answer(302, b"", {"Location": "/login"}), "answered 302 instead of a token; check token_url"),
        (Answer(200, b"<html>please log in</html>"), "answered 200 without a usable access_token, but with a page"),
        (token(token_type="mac"), "answered 200 with an access_token of another type than Bearer"),
        (token(token_type=7), "answered 200 with an access_token of another type than Bearer"),
        (
            refusal(200, "invalid_scope"),
            "refused the client credentials with status 200: invalid_scope; check scope",
        ),
        (Answer(200, b""), "answered 200 without a usable access_token"),
        (Answer(204), "answered 204 without a usable access_token"),
        (Answer(200, b"{not json", JSON), "answered 200 without a usable access_token"),
        (Answer(200, b"\xff\xfe\x00", JSON), "answered 200 without a usable access_token"),
        (Answer(200, b"[" * 100_000, JSON), "answered 200 without a usable access_token"),
        (Answer(200, b"[1]", JSON), "answered 200 without a usable access_token"),
        (Answer(200, b'"text"', JSON), "answered 200 without a usable access_token"),
        (Answer(200, b'{"token_type": "Bearer"}', JSON), "answered 200 without a usable access_token"),
        (token(None), "answered 200 without a usable access_token"),
        (token(""), "answered 200 without a usable access_token"),
        (token(7), "answered 200 without a usable access_token"),
        (token("t0k3n\r\nX-Evil: 1"), "answered 200 without a usable access_token"),
        (token("t0k3n-ü"), "answered 200 without a usable access_token"),
    ],
)
def test_answer_without_a_token(scripted: Scripted, answer: Answer, words: str) -> None:
    """The endpoint answered, and there is no token to be had: an auth error that says why, asked once."""
    server = scripted(answer)
    with pytest.raises(LayerAuthError) as caught:
        provider(server).get_headers()
    assert str(caught.value).startswith(f"The token endpoint {server.url}{PATH} {words}")
    assert len(str(caught.value)) < 500
    assert not isinstance(caught.value, LayerRequestError)
    assert "t0k3n" not in told(caught.value)
    assert 1 == len(server.asked)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 504, 520, 599])
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b'{"error": "temporarily_unavailable"}'])
def test_endpoint_that_cannot_answer_now(scripted: Scripted, status: int, body: bytes) -> None:
    """That is no fault of the credentials: a request error with the status."""
    with pytest.raises(LayerRequestError, match=f"{PATH} answered {status}") as caught:
        provider(scripted(Answer(status, body))).get_headers()
    assert not isinstance(caught.value, LayerAuthError)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(cut=True), requests.ConnectionError),
        (
            Answer(200, b"{", {"Content-Length": "1000", "Connection": "close"}),
            requests.exceptions.ChunkedEncodingError,
        ),
        (Answer(200, b"this is no gzip", {"Content-Encoding": "gzip"}), requests.exceptions.ContentDecodingError),
        (Answer(delay=60), requests.ReadTimeout),
    ],
)
def test_no_answer(scripted: Scripted, answer: Answer, cause: type[Exception]) -> None:
    """A connection that is cut, an answer that breaks off or never comes: a request error with its cause."""
    with pytest.raises(LayerRequestError, match=f"No answer from the token endpoint http.*{PATH}: ") as caught:
        provider(scripted(answer), http_timeout=0.5).get_headers()
    assert isinstance(caught.value.__cause__, cause)
    assert not isinstance(caught.value, LayerAuthError)


def test_nobody_is_there() -> None:
    """A refused connection is a request error with its cause."""
    mine = OIDCClientCredentials(
        token_url="http://127.0.0.1:1/token", client_id="a", client_secret=SECRET, http_session=requests.Session()
    )
    with pytest.raises(
        LayerRequestError, match=r"No answer from the token endpoint http://127\.0\.0\.1:1/token"
    ) as caught:
        mine.get_headers()
    assert isinstance(caught.value.__cause__, requests.ConnectionError)


def test_host_that_cannot_be_a_host() -> None:
    """A host that requests cannot encode is a request error, too."""
    mine = OIDCClientCredentials(token_url=f"https://{'x' * 100}.example/", client_id="a", client_secret=SECRET)
    with pytest.raises(LayerRequestError, match="No answer from the token endpoint"):
        mine.get_headers()


def test_login_that_http_cannot_carry(scripted: Scripted) -> None:
    """A login in the URL with letters outside of Latin-1 is a request error that does not show it."""
    mine = provider(scripted(token()), token_url="http://user:\u043f\u0430@127.0.0.1:1/token")
    with pytest.raises(LayerRequestError, match="HTTP cannot carry the letters of the login") as caught:
        mine.get_headers()
    assert "\u043f\u0430" not in told(caught.value).replace('"http://user', "")


def test_words_of_a_refusal(scripted: Scripted) -> None:
    """The endpoint's own words are shown, without the secret that it may repeat."""
    server = scripted(refusal(401, "invalid_client", f"not {SECRET}!"))
    with pytest.raises(LayerAuthError) as caught:
        provider(server).get_headers()
    assert (
        f"The token endpoint {server.url}{PATH} refused the client credentials with status 401: "
        "invalid_client - not ***!; check client_id, its secret or key, and client_auth"
    ) == str(caught.value)


def test_session_that_raises_for_status(scripted: Scripted) -> None:
    """A hook of the caller's that calls raise_for_status changes nothing: wrong credentials stay an auth error."""
    session = requests.Session()
    session.hooks["response"].append(lambda response, *_, **__: response.raise_for_status())
    with pytest.raises(LayerAuthError, match="refused the client credentials with status 401: invalid_client"):
        provider(scripted(refusal(401, "invalid_client")), http_session=session).get_headers()


def test_session_that_raises_an_error_without_an_answer(scripted: Scripted) -> None:
    """An HTTPError of somebody's that has no response is no answer."""

    def refuse(*_: Any, **__: Any) -> None:
        raise requests.HTTPError("no response in here")

    session = requests.Session()
    session.hooks["response"].append(refuse)
    with pytest.raises(LayerRequestError, match="No answer from the token endpoint"):
        provider(scripted(token()), http_session=session).get_headers()


# ---- secrets


@pytest.mark.parametrize(
    "answer",
    [
        token("t0k3n-1"),
        token("t0k3n-1\n"),
        refusal(401, "invalid_client", f"the secret {SECRET} of app is wrong"),
        refusal(503, SECRET),
        Answer(200, json.dumps({"token": "t0k3n-1", "secret": SECRET}).encode(), JSON),
        Answer(404, f"<html>{SECRET} t0k3n-1</html>".encode()),
        Answer(cut=True),
        Answer(200, b"t0k3n-1", {"Content-Encoding": "gzip"}),
    ],
)
def test_no_secret_is_shown(scripted: Scripted, caplog: pytest.LogCaptureFixture, answer: Answer) -> None:
    """Neither secret nor token stands in a repr, an error, what led to it, or a log line of any library."""
    caplog.set_level(logging.DEBUG)
    server = scripted(answer)
    mine = provider(server, token_url=server.url.replace("//", "//user:pa55w0rd@") + PATH)
    shown = ""
    try:
        mine.get_headers()
    except (LayerAuthError, LayerRequestError) as error:
        shown = told(error)
    shown += repr(mine) + str(mine) + caplog.text
    assert caplog.records
    assert [] == [secret for secret in (SECRET, "t0k3n", "pa55w0rd") if secret in shown]


def test_repr_helps() -> None:
    """The repr names endpoint and client, and neither a login nor a query of the URL."""
    mine = OIDCClientCredentials(
        token_url="https://user:password@sso.example.com:8443/token?key=x", client_id="app", client_secret=SECRET
    )
    assert "OIDCClientCredentials(token_url='https://sso.example.com:8443/token', client_id='app')" == repr(mine)


# ---- the extension point


def test_provider_of_ones_own() -> None:
    """A provider needs get_headers and nothing else; invalidate does nothing unless it is defined."""

    class Ticket(AuthProvider):
        def get_headers(self) -> dict[str, str]:
            return {"X-Ticket": "t-1"}

    mine = Ticket()
    mine.invalidate()
    assert {"X-Ticket": "t-1"} == mine.get_headers()
    with pytest.raises(TypeError, match="abstract"):
        AuthProvider()  # type: ignore[abstract]


def test_nothing_happens_until_a_token_is_needed(scripted: Scripted) -> None:
    """Making a provider asks nobody."""
    server = scripted(token())
    provider(server)
    assert [] == server.asked
