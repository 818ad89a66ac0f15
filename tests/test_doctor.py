"""`layer-sdk doctor` in set-ups that are broken: it names the cause, says what to do, and tells no secret."""

from __future__ import annotations

import base64
import datetime
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

import pytest
import requests

from examined import APPLICATION, PASSWORD, SECRET, TOKEN, api, examined, json_of
from layer_sdk import AuthProvider, __version__
from layer_sdk._settings import OPTIONS
from layer_sdk.cli import main
from layer_sdk.devserver import Server, Settings
from layer_sdk.doctor import examine
from scripted_server import Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from conftest import MakeLayer

ROOT = Path(__file__).resolve().parent.parent
Start = Callable[..., ScriptedServer]
Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the application."""
    monkeypatch.setenv("LAYER_APPLICATION_ID", APPLICATION)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set variables."""

    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


Use = Callable[..., None]


def credentials(use: Use, token_url: str) -> None:
    """Configure the client credentials grant."""
    use(LAYER_OIDC_TOKEN_URL=token_url, LAYER_OIDC_CLIENT_ID="app", LAYER_OIDC_CLIENT_SECRET=SECRET)


def granting(token: str = TOKEN) -> Callable[[Asked], Answer]:
    """Answer as the token endpoint and as the API in one."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return json_of({"access_token": token, "token_type": "Bearer", "expires_in": 60})
        return api(asked)

    return answer


def silent() -> socket.socket:
    """Take connections, and say nothing."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener


# ---- the way there


def test_wrong_host_name(use: Use, capsys: Capsys) -> None:
    """A name that is not known is the cause, and what depends on it is skipped."""
    use(LAYER_BASE_URL="https://layer.invalid")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "layer.invalid cannot be resolved" in found.line("api.name")
    assert "-> check the spelling of the host in LAYER_BASE_URL" in found.line("api.name")
    assert found.line("api.port") == "skipped  api.port  it needs api.name to succeed"
    assert found.line("round_trip") == "skipped  round_trip  it needs api.name to succeed"


def test_wrong_port(use: Use, capsys: Capsys) -> None:
    """A port where nothing listens is named, and so is the setting that names it."""
    with silent() as listener:
        port = listener.getsockname()[1]
    use(LAYER_BASE_URL=f"http://127.0.0.1:{port}")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"127.0.0.1:{port} refuses connections: nothing listens there" in found.line("api.port")
    assert "-> check the port in LAYER_BASE_URL" in found.line("api.port")


def test_port_that_never_answers(use: Use, capsys: Capsys) -> None:
    """A server that takes the connection and says nothing does not hold the doctor up."""
    with silent() as listener:
        use(LAYER_BASE_URL=f"http://127.0.0.1:{listener.getsockname()[1]}")
        found = examined(capsys, "--timeout", "0.3")
    assert (1, 1) == (found.status, len(found.failures))
    assert "takes the connection, and does not answer within 0.3 s" in found.line("api")
    assert "check the port in LAYER_BASE_URL" in found.line("api")


def test_port_that_takes_no_more_connections(use: Use, capsys: Capsys) -> None:
    """A connection that never comes about is given up."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        use(LAYER_BASE_URL=f"http://127.0.0.1:{listener.getsockname()[1]}")
        found = examined(capsys, "--timeout", "0.3")
    assert 1 == found.status
    assert "does not answer within 0.3 s" in found.line("api.port")
    assert "a firewall on the way may drop" in found.line("api.port")


def test_no_http(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A server that breaks off is no Layer."""
    server = scripted(Answer(cut=True))
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert 1 == found.status
    assert "breaks off, or does not speak HTTP" in found.line("api")
    assert "check scheme and port in LAYER_BASE_URL" in found.line("api")


def test_https_to_a_server_of_http(use: Use, capsys: Capsys, scripted: Start) -> None:
    """The wrong scheme is the cause."""
    server = scripted(api)
    server._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # it is spoken to in TLS
    use(LAYER_BASE_URL=server.url.replace("http:", "https:"))
    found = examined(capsys, "--timeout", "1")
    assert (1, 1) == (found.status, len(found.failures))
    assert "answers in plain http, not TLS" in found.line("api.tls")
    assert "write http:// in LAYER_BASE_URL" in found.line("api.tls")


def test_proxy_that_refuses(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A proxy that is not there is named with its variable, and its login is not shown."""
    with silent() as listener:
        port = listener.getsockname()[1]
    use(LAYER_BASE_URL=scripted(api).url, HTTP_PROXY=f"http://me:{PASSWORD}@127.0.0.1:{port}")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"the proxy 127.0.0.1:{port}, which HTTP_PROXY names, refuses connections" in found.line("api.port")
    assert "or add 127.0.0.1 to NO_PROXY" in found.line("api.port")
    assert "warning  api.proxy" in found.line("api.proxy")


def test_proxy_that_does_not_lead_there(use: Use, capsys: Capsys, scripted: Start) -> None:
    """What a proxy answers to CONNECT is told."""
    proxy = scripted(Answer(200, b""))
    use(LAYER_BASE_URL="https://layer.example.com", HTTPS_PROXY=proxy.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "which HTTPS_PROXY names, does not lead to https://layer.example.com: 501" in found.line("api.tls")
    assert "correct HTTPS_PROXY" in found.line("api.tls")


def test_no_proxy_is_heeded(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A host that NO_PROXY names is gone to straight."""
    use(LAYER_BASE_URL=scripted(api).url, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1")
    found = examined(capsys)
    assert 0 == found.status
    assert found.line("api.proxy").startswith("ok")


# ---- credentials


def test_wrong_secret(use: Use, capsys: Capsys, scripted: Start) -> None:
    """The token endpoint's words, and which variables to look at."""
    server = scripted(json_of({"error": "invalid_client", "error_description": f"wrong secret {SECRET}"}, 401))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "refused the client credentials with status 401: invalid_client - wrong secret ***" in found.line("token")
    assert "compare LAYER_OIDC_CLIENT_ID and LAYER_OIDC_CLIENT_SECRET with the provider's" in found.line("token")
    assert found.line("api").startswith("skipped")


def test_wrong_realm(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A token endpoint that is not there means that the realm is wrong."""
    server = scripted(json_of({"error": "Realm does not exist"}, 404))
    credentials(use, server.url + "/realms/wrong/protocol/openid-connect/token")
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "answered 404 instead of a token: Realm does not exist" in found.line("token")
    assert "realm or path is wrong: check LAYER_OIDC_TOKEN_URL" in found.line("token")


def test_wrong_issuer(use: Use, capsys: Capsys, scripted: Start) -> None:
    """An issuer whose description is not there is the cause as well."""
    server = scripted(json_of({"error": "Realm does not exist"}, 404))
    use(LAYER_OIDC_ISSUER=server.url + "/realms/wrong", LAYER_OIDC_CLIENT_ID="a", LAYER_OIDC_CLIENT_SECRET=SECRET)
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "LAYER_OIDC_ISSUER" in found.line("token")


def test_provider_that_is_away(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A provider at the wrong port is told apart from Layer at the wrong port."""
    with silent() as listener:
        port = listener.getsockname()[1]
    credentials(use, f"http://127.0.0.1:{port}/token")
    use(LAYER_BASE_URL=scripted(api).url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "refuses connections" in found.line("token.port")
    assert "check the port in LAYER_OIDC_TOKEN_URL" in found.line("token.port")
    assert "skipped  token  it needs token.port to succeed" == found.line("token")


def test_unknown_scope(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A scope that the provider refuses is named."""
    server = scripted(json_of({"error": "invalid_scope", "error_description": "Invalid scopes: layer"}, 400))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url, LAYER_OIDC_SCOPE="layer")
    found = examined(capsys)
    assert "invalid_scope - Invalid scopes: layer" in found.line("token")
    assert "correct LAYER_OIDC_SCOPE" in found.line("token")


def test_missing_scope(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A 403 means that the token lacks a scope, and which one was asked for is told."""
    refusal = json_of({"detail": "scope layer:write is needed"}, 403)
    server = scripted(lambda asked: granting()(asked) if asked.path == "/token" else refusal)
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url, LAYER_OIDC_SCOPE="layer:read")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "HTTP 403: scope layer:write is needed" in found.line("api")
    assert "the token lacks a scope or role: LAYER_OIDC_SCOPE asks for layer:read" in found.line("api")


def test_reading_but_not_writing(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A token that may read and not write fails at the round trip."""
    refusal = json_of({"detail": "scope layer:write is needed"}, 403)
    server = scripted(lambda asked: refusal if asked.path == "/v1/sessions" else granting()(asked))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "the token may read, but not write" in found.line("round_trip")


def test_rejected_token(use: Use, capsys: Capsys, scripted: Start) -> None:
    """The reason that Layer gives for a 401 is told, out of the body or out of the header."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="The token has expired"'}
    server = scripted(lambda asked: granting()(asked) if asked.path == "/token" else Answer(401, b"", challenge))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "rejects the token, with HTTP 401: The token has expired" in found.line("api")
    assert "its issuer and audience are those that this Layer trusts, and that the clocks agree" in found.line("api")


def jwt(**claims: object) -> str:
    """Make what looks like a token."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims)]
    return ".".join([*parts, TOKEN])


def test_token_that_has_expired_already(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A token that has ended by this machine's clock is no use."""
    server = scripted(granting(jwt(exp=time.time() - 100, iat=time.time() - 400)))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert 1 == found.status
    assert "gives a token that has expired 10" in found.line("token")
    assert "set the clock" in found.line("token")


def test_token_is_looked_into(use: Use, capsys: Capsys, scripted: Start) -> None:
    """When it ends, whom it is for and which scopes it lacks is told."""
    token = jwt(exp=time.time() + 100.5, iat=time.time(), aud=["layer", "account"], scope="profile")
    server = scripted(granting(token))
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url, LAYER_OIDC_SCOPE="profile layer:write")
    found = examined(capsys)
    assert 0 == found.status
    assert "a token that expires in 100 s, for layer account, scope profile" in found.line("token")
    assert "LAYER_OIDC_SCOPE asks for layer:write, which it does not have" in found.line("token")


def test_no_credentials_where_some_are_wanted(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A 401 without credentials says which variables to set."""
    use(LAYER_BASE_URL=scripted(json_of({"detail": "who are you?"}, 401)).url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "wants credentials, and none are configured: HTTP 401: who are you?" in found.line("api")
    assert "set LAYER_OIDC_TOKEN_URL, LAYER_OIDC_CLIENT_ID and LAYER_OIDC_CLIENT_SECRET" in found.line("api")


def test_netrc_that_nobody_thinks_of(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """A login out of a netrc file is named as what Layer rejects."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {PASSWORD}\n")
    netrc.chmod(0o600)
    use(LAYER_BASE_URL=scripted(json_of({"detail": "no"}, 401)).url, NETRC=str(netrc))
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"{netrc} has a login for 127.0.0.1, which requests sends" in found.line("api.netrc")
    assert f"rejects the login that requests took from {netrc}" in found.line("api")
    assert "take the entry for 127.0.0.1 out of that file" in found.line("api")


def test_credentials_over_plain_http(use: Use, capsys: Capsys) -> None:
    """Credentials for a server of plain http elsewhere are a mistake of the settings, and are not sent."""
    credentials(use, "https://sso.invalid/token")
    use(LAYER_BASE_URL="http://layer.invalid")
    found = examined(capsys)
    assert "base_url is plain http, to http://layer.invalid" in found.line("settings")


def test_what_a_server_repeats_is_not_shown(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A refusal that quotes token and secret is told without them."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/token":
            return granting()(asked)
        return json_of({"detail": f"bad {asked.headers['Authorization'][7:]} of {SECRET}, {PASSWORD}"}, 401)

    server = scripted(answer)
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url, HTTPS_PROXY=f"http://me:{PASSWORD}@proxy.example.com")
    assert "HTTP 401: bad *** of ***, ***" in examined(capsys).line("api")


def test_login_of_a_netrc_file_is_not_shown(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """Nor is a login that came out of a file, in whatever form the server repeats it."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {PASSWORD}\n")
    netrc.chmod(0o600)
    server = scripted(lambda asked: json_of({"detail": f"bad {asked.headers['Authorization']}"}, 401))
    use(LAYER_BASE_URL=server.url, NETRC=str(netrc))
    assert "HTTP 401: bad Basic *** ->" in examined(capsys).line("api")


def test_provider_that_does_not_end() -> None:
    """A provider that never gives an answer does not hold up what does not need it."""
    gone = threading.Event()

    class Endless(AuthProvider):
        def get_headers(self) -> dict[str, str]:
            gone.wait(20)
            return {"X-Key": "late"}

    report = examine(base_url="http://127.0.0.1:9", auth_provider=Endless(), timeout=0.1)
    gone.set()
    states = {finding.name: finding for finding in report.findings}
    assert "there is no end of it within 0.3 s" == states["token"].text
    assert "ok" == states["spool"].state


def test_session_that_fails_in_a_way_of_its_own(scripted: Start) -> None:
    """What a host's own session raises ends one check, and no other."""

    class Broken(requests.Session):
        def request(self, *_: object, **__: object) -> requests.Response:
            raise RuntimeError(SECRET)

    report = examine(base_url=scripted(api).url, http_session=Broken())
    states = {finding.name: finding for finding in report.findings}
    assert ("failure", "the check itself went wrong: RuntimeError") == (states["api"].state, states["api"].text)
    assert "ok" == states["spool"].state
    assert SECRET not in json.dumps(report.as_json())


# ---- what answers


def test_server_that_answers_html(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A web page where JSON was expected is told with its title."""
    page = Answer(200, b"<html><title>Sign in &amp; go</title></html>", {"Content-Type": "text/html"})
    use(LAYER_BASE_URL=scripted(page).url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "answered 200 with a web page, 'Sign in & go', where JSON was expected" in found.line("api")
    assert "LAYER_BASE_URL must be the address of the API" in found.line("api")


def test_redirect_to_a_login_page(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A redirect is told, without its query, and not followed."""
    server = scripted(Answer(302, b"", {"Location": f"https://sso.example.com/login?state={PASSWORD}"}))
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "answered 302, a redirect to https://sso.example.com/login ->" in found.line("api")
    assert "a login page or a gateway seems to stand before the API" in found.line("api")


def test_redirect_to_https(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A redirect to the same path elsewhere names what to configure."""
    server = scripted(Answer(301, b"", {"Location": "https://layer.example.com/v1/applications"}))
    use(LAYER_BASE_URL=server.url)
    assert "-> write https://layer.example.com in LAYER_BASE_URL" in examined(capsys).line("api")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/v1", "take /v1 off the end of LAYER_BASE_URL"),
        ("/wrong", "take /wrong off LAYER_BASE_URL: the API answers at"),
    ],
)
def test_wrong_path(use: Use, capsys: Capsys, scripted: Start, path: str, advice: str) -> None:
    """A path that does not belong there is named."""
    use(LAYER_BASE_URL=scripted(api).url + path)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"has nothing at {path}/v1/applications, with HTTP 404" in found.line("api")
    assert advice in found.line("api")


def test_json_of_something_else(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A server that answers 200 with other JSON is not the Layer API."""
    use(LAYER_BASE_URL=scripted(json_of({"hello": "world"})).url)
    assert "what answers is not the Layer API" in examined(capsys).line("api")


def test_server_in_trouble(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A 503 is told with the server's words, and asked for once."""
    server = scripted(json_of({"detail": "under maintenance"}, 503))
    use(LAYER_BASE_URL=server.url)
    assert "answered HTTP 503: under maintenance" in examined(capsys).line("api")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(3600, "failure 60 min behind"), (-7300, "failure 2 h ahead of"), (100, "warning s behind")],
)
def test_skewed_clock(use: Use, capsys: Capsys, scripted: Start, seconds: int, told: str) -> None:
    """Clocks that differ are told, with which one is ahead, and what comes of it."""

    def answer(asked: Asked) -> Answer:
        then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        plain = api(asked)
        return Answer(plain.status, plain.body, {**plain.headers, "Date": format_datetime(then, usegmt=True)})

    use(LAYER_BASE_URL=scripted(answer).url)
    state, text = told.split(maxsplit=1)
    found = examined(capsys)
    assert int(state == "failure") == found.status
    assert found.line("clock").startswith(f"{state:<7}")
    assert text in found.line("clock")
    assert "set this machine's clock" in found.line("clock")


def test_unknown_application(use: Use, capsys: Capsys, scripted: Start) -> None:
    """An application that Layer does not have is named, beside those that it has."""
    refusal = json_of({"detail": "no such application"}, 404)
    use(LAYER_BASE_URL=scripted(lambda asked: refusal if asked.method == "POST" else api(asked)).url)
    use(LAYER_APPLICATION_ID="11111111-bf1a-4f68-b182-6026e869b8cd")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "does not list the application 11111111" in found.line("application")
    assert "takes no sessions of the application 11111111" in found.line("round_trip")
    assert f"(support-assistant ({APPLICATION}))" in found.line("round_trip")


def test_unknown_application_name_makes_none(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A name that Layer does not list is a warning, and the doctor creates nothing of it."""
    server = scripted(api)
    use(LAYER_BASE_URL=server.url, LAYER_APPLICATION_ID="", LAYER_APPLICATION_NAME="suport-assistant")
    found = examined(capsys)
    assert 0 == found.status
    assert "check LAYER_APPLICATION_NAME for a slip of the pen" in found.line("application")
    assert {"GET"} == {asked.method for asked in server.asked}


# ---- settings


def test_missing_application(use: Use, capsys: Capsys, scripted: Start) -> None:
    """Without an application the settings fail, and the rest is looked at all the same."""
    use(LAYER_BASE_URL=scripted(api).url, LAYER_APPLICATION_ID=" ")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "application_id or application_name is missing" in found.line("settings")
    assert "(LAYER_APPLICATION_ID set, but empty)" in found.line("settings")
    assert found.line("api").startswith("ok")
    assert found.line("round_trip").startswith("skipped")


def test_nothing_is_set(use: Use, capsys: Capsys) -> None:
    """All that is missing is told at once."""
    use(LAYER_APPLICATION_ID="")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "base_url is missing" in found.line("settings")
    assert "application_id or application_name is missing" in found.line("settings")
    assert "there is no base_url that can be used: see settings" in found.line("api.name")


def test_invalid_timeout(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A value that cannot be used is told with its variable, and what is wanted."""
    use(LAYER_BASE_URL=scripted(api).url, LAYER_TIMEOUT="ten", LAYER_OVERFLOW="drop")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "http_timeout must be a number of seconds" in found.line("settings")
    assert "the environment variable LAYER_TIMEOUT is 'ten'" in found.line("settings")
    assert "overflow must be one of drop_newest" in found.line("settings")


def test_credentials_without_an_endpoint(use: Use, capsys: Capsys, scripted: Start) -> None:
    """Half of the credentials are a failure of the settings; nothing is asked without them."""
    server = scripted(api)
    use(LAYER_BASE_URL=server.url, LAYER_OIDC_CLIENT_ID="app", LAYER_OIDC_CLIENT_SECRET=SECRET)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "token_url is missing" in found.line("settings")
    assert found.line("api").startswith("skipped")


def test_variable_that_is_nearly_one_of_ours(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A misspelt variable is a warning; one that Kubernetes sets for a service called layer is none."""
    use(LAYER_BASE_URL=scripted(api).url, LAYER_ENVIROMENT="production", LAYER_PORT="tcp://10.0.0.1:80")
    found = examined(capsys)
    assert 0 == found.status
    assert "LAYER_ENVIROMENT is no setting of the SDK -> did you mean LAYER_ENVIRONMENT?" in found.line("settings")
    assert "LAYER_PORT" not in found.output


def test_settings_say_where_they_come_from(use: Use, capsys: Capsys, scripted: Start) -> None:
    """Each setting is printed with its value and its origin; what is secret in it is not."""
    server = scripted(granting())
    credentials(use, server.url + "/token")
    use(LAYER_CONTENT_KEY=SECRET, LAYER_ENVIRONMENT="test", LAYER_BASE_URL="http://other.invalid")
    use(HTTPS_PROXY=f"http://me:{PASSWORD}@proxy.example.com:3128")
    given = server.url.replace("//", f"//me:{PASSWORD}@")
    lines = examined(capsys, "--base-url", given).output.splitlines()
    masked = server.url.replace("//", "//***@")
    assert f"base_url  {masked}  (argument)" in lines
    assert "environment  test  (environment variable LAYER_ENVIRONMENT)" in lines
    assert "http_timeout  10.0  (default)" in lines
    assert "content_key  ***  (environment variable LAYER_CONTENT_KEY)" in lines
    assert "oidc_client_secret  ***  (environment variable LAYER_OIDC_CLIENT_SECRET)" in lines
    assert "HTTPS_PROXY  http://***@proxy.example.com:3128  (environment variable HTTPS_PROXY)" in lines
    assert {option.name for option in OPTIONS} <= {line.split("  ")[0] for line in lines}


# ---- this machine


def test_spool_is_a_file(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """A file where the spool's folder should be is named."""
    (tmp_path / "spool").touch()
    use(LAYER_BASE_URL=scripted(api).url, LAYER_SPOOL_DIR=str(tmp_path / "spool"))
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"{tmp_path / 'spool'} is a file, not a folder -> name a folder in LAYER_SPOOL_DIR" in found.line("spool")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that is mounted for reading alone: permissions would not stop root."""
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)

    def run(*words: str) -> int:
        return subprocess.run([*words, str(folder)], capture_output=True, check=False).returncode

    if os.geteuid() or run("mount", "-t", "tmpfs", "-o", "ro,mode=700", "none"):
        folder.chmod(0o500)
        if not os.geteuid():
            pytest.skip("mounting is not permitted here")
        yield folder
        return
    yield folder
    run("umount", "-l")


def test_read_only_spool(use: Use, capsys: Capsys, scripted: Start, read_only: Path) -> None:
    """A folder that cannot be written is named, with the reason and the user."""
    use(LAYER_BASE_URL=scripted(api).url, LAYER_SPOOL_DIR=str(read_only))
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"{read_only} cannot be written: " in found.line("spool")
    assert "name a folder in LAYER_SPOOL_DIR that the user of the application may write to" in found.line("spool")


def test_spool_that_others_can_write(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """A folder that is not private is a failure, as it is for `layer.init`."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o777)
    use(LAYER_BASE_URL=scripted(api).url, LAYER_SPOOL_DIR=str(tmp_path / "spool"))
    found = examined(capsys)
    assert 1 == found.status
    assert "can be written by others: make its mode 0700" in found.line("spool")


def test_spool_that_is_not_there_yet(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """A folder that `layer.init` will make is well, and the doctor does not make it."""
    use(LAYER_BASE_URL=scripted(api).url, LAYER_SPOOL_DIR=str(tmp_path / "a" / "spool"))
    found = examined(capsys)
    assert 0 == found.status
    assert f"{tmp_path / 'a' / 'spool'} will be made; " in found.line("spool")
    assert not (tmp_path / "a").exists()


def test_unsupported_openai(
    use: Use, capsys: Capsys, scripted: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of openai whose calls are not recorded is a failure, unless it is disabled."""
    folder = tmp_path / "openai-0.28.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: openai\nVersion: 0.28.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    use(LAYER_BASE_URL=scripted(api).url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "calls of openai 0.28.1 are not recorded" in found.line("instrumentation")
    assert '-> pip install "openai>=1.18,<4.0"' in found.line("instrumentation")
    use(LAYER_DISABLE_INSTRUMENTATIONS="openai")
    assert "disabled by LAYER_DISABLE_INSTRUMENTATIONS" in examined(capsys).line("instrumentation")


# ---- the firewall


def test_firewall_that_is_another_server(use: Use, capsys: Capsys, scripted: Start) -> None:
    """A firewall's URL that leads to something else fails by itself."""
    page = Answer(200, b"<html></html>", {"Content-Type": "text/html"})
    use(LAYER_BASE_URL=scripted(api).url, LAYER_FIREWALL_BASE_URL=scripted(page).url)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "check LAYER_FIREWALL_BASE_URL: is it the firewall of this very Layer?" in found.line("firewall")


# ---- all is well


@pytest.fixture
def healthy(use: Use, devserver: Server, make_layer: MakeLayer, tmp_path: Path) -> Server:
    """An embedded Layer with an application, and all settings that go with it."""
    use(
        LAYER_BASE_URL=devserver.url,
        LAYER_FIREWALL_BASE_URL=devserver.url,
        LAYER_APPLICATION_ID=make_layer().create_application("examined"),
        LAYER_SPOOL_DIR=str(tmp_path / "spool"),
    )
    return devserver


def test_all_is_well(healthy: Server, capsys: Capsys) -> None:
    """With everything as it should be, each line is ok, the session arrives, and the status is 0."""
    found = examined(capsys)
    states = [line.split()[0] for line in found.output.partition("\nchecks\n")[2].partition("\n\n")[0].splitlines()]
    assert (0, {"ok"}, 14) == (found.status, set(states), len(states))
    assert "was created, and an action appended, and read back" in found.line("round_trip")
    assert found.output.endswith("\n14 ok, 0 warning, 0 failure, 0 skipped\n")


def test_session_of_the_round_trip_is_marked(healthy: Server, capsys: Capsys, recorded: Callable[..., object]) -> None:
    """What the doctor writes can be told from what an application records."""
    words = examined(capsys).line("round_trip").split()
    session = json.dumps(recorded(words[words.index("session") + 1].rstrip(",")))
    assert 2 == session.count('"layer.doctor": "true"')


def test_no_write(use: Use, capsys: Capsys, scripted: Start) -> None:
    """With `--no-write`, nothing is created."""
    server = scripted(api)
    use(LAYER_BASE_URL=server.url)
    found = examined(capsys, "--no-write")
    assert 0 == found.status
    assert "skipped  round_trip  --no-write leaves it out" == found.line("round_trip")
    assert {"GET"} == {asked.method for asked in server.asked}


def test_json_has_stable_keys(healthy: Server, capsys: Capsys) -> None:
    """`--json` prints one object, whose keys do not depend on what is found."""
    assert 0 == main(["doctor", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert ["state", "counts", "settings", "checks", "versions"] == list(data)
    assert {("name", "value", "origin")} == {tuple(each) for each in data["settings"]}
    assert {("name", "state", "text", "advice")} == {tuple(each) for each in data["checks"]}
    assert ("ok", __version__) == (data["state"], data["versions"]["layer-sdk"])
    assert {"ok": 14, "warning": 0, "failure": 0, "skipped": 0} == data["counts"]
    assert {"python", "requests", "urllib3", "certifi", "httpx", "openssl", "platform"} <= set(data["versions"])


def test_colours_and_boxes_are_for_terminals(healthy: Server, capsys: Capsys) -> None:
    """What is piped is plain: no escape, nothing that is not ASCII, and lines as long as they are."""
    output = examined(capsys).output
    assert output.isascii()
    assert "\x1b" not in output
    assert any(len(line) > 100 for line in output.splitlines())


def test_round_trip_with_tokens(use: Use, capsys: Capsys, scripted: Start, tmp_path: Path) -> None:
    """With credentials, what is sent carries the token, whatever login a netrc file has."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {PASSWORD}\n")
    (tmp_path / "netrc").chmod(0o600)
    use(NETRC=str(tmp_path / "netrc"))
    server = scripted(granting())
    credentials(use, server.url + "/token")
    use(LAYER_BASE_URL=server.url)
    assert 0 == examined(capsys).status
    carried = {asked.headers.get("Authorization") for asked in server.asked if asked.path.startswith("/v1")}
    assert {f"Bearer {TOKEN}"} == carried


def test_older_servers_are_well(use: Use, capsys: Capsys) -> None:
    """A server that answers 202 to a created session is as good."""
    with Server(Settings(status_on_create=202)) as server:
        use(LAYER_BASE_URL=server.url)
        assert examined(capsys).line("round_trip").startswith("ok")


def test_options_that_are_none() -> None:
    """`examine` takes the options of `layer.init`, and no others."""
    with pytest.raises(TypeError, match="base_uri"):
        examine(base_uri="https://layer.example.com")


def test_doctor_needs_no_server_here() -> None:
    """The doctor runs with the extra `cli` alone: nothing of the embedded Layer is imported."""
    program = (
        "import sys\nfrom layer_sdk.cli import main\nmain(['doctor', '--base-url', 'http://127.0.0.1:9'])\n"
        "print(sorted({'jinja2', 'openai', 'sqlite3', 'starlette', 'uvicorn'} & set(sys.modules)), file=sys.stderr)"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": "generated:."}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "[]\n" == done.stderr
    assert "refuses connections" in done.stdout


def test_terminals_see_colours(tmp_path: Path) -> None:
    """On a terminal, findings are coloured; with NO_COLOR they are as plain as when they are piped."""
    command = f"{sys.executable} -m layer_sdk doctor --base-url http://127.0.0.1:9"
    for no_colour in ("", "1"):
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": "generated:.", "TERM": "xterm-256color"}
        output = on_a_terminal(command, {**environ, "NO_COLOR": no_colour})
        assert ("\x1b[" in output) is not bool(no_colour)
        assert "refuses connections" in output


def on_a_terminal(command: str, environ: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command.split(), cwd=ROOT, env=environ, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        parts: list[bytes] = []
        with suppress(OSError):  # what a terminal says when nobody writes to it any more
            while not parts or parts[-1]:
                parts.append(os.read(ours, 65_536))
        os.close(ours)
    return b"".join(parts).decode()
