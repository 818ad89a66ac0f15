"""Discovery, the ways to prove who asks, and secrets that are exchanged."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable
from urllib.parse import parse_qsl

import jwt
import pytest
import requests

from keys import pem_of, private_key
from layer_sdk import (
    LayerAuthError,
    LayerInvalidConfigurationError,
    LayerMissingRequiredConfigurationError,
    LayerRequestError,
    OIDCClientCredentials,
)
from leaks import told
from scripted_server import Answer, Asked, ScriptedServer

Scripted = Callable[..., ScriptedServer]

ROOT = Path(__file__).resolve().parent.parent
SECRET = "s3cr3t+&= /ü:%"
JSON = {"Content-Type": "application/json"}
REALM = "/realms/layer"
WELL_KNOWN = f"{REALM}/.well-known/openid-configuration"


def answer(fields: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(fields).encode(), JSON)


TOKEN = answer({"access_token": "t0k3n", "token_type": "Bearer", "expires_in": 300})
INVALID_CLIENT = answer({"error": "invalid_client"}, 401)


def form(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.body.decode(), keep_blank_values=True, strict_parsing=True))


def provider(server: ScriptedServer, **options: Any) -> OIDCClientCredentials:
    """Make a provider that asks a server once: the SDK's own session would retry, and sleep between."""
    place = {} if "issuer" in options else {"token_url": server.url + "/token"}
    return OIDCClientCredentials(**{**place, "client_id": "app", "http_session": requests.Session(), **options})


# ---- secrets in form or header


def test_post_sends_id_and_secret_in_the_form(scripted: Scripted) -> None:
    """`post`, the default, has both in the form and nothing in the headers."""
    server = scripted(TOKEN)
    provider(server, client_secret=SECRET, client_auth="post").get_headers()
    expected = {"grant_type": "client_credentials", "client_id": "app", "client_secret": SECRET}
    assert expected == form(server.asked[0])
    assert "Authorization" not in server.asked[0].headers


def test_basic_sends_both_form_encoded_in_the_header(scripted: Scripted) -> None:
    """`basic` has them in the header, form-urlencoded before base64 as RFC 6749 2.3.1 says, and not in the form."""
    server = scripted(TOKEN)
    session = requests.Session()
    session.auth = ("somebody", "else")
    provider(server, client_id="a:b", client_secret=SECRET, client_auth="basic", http_session=session).get_headers()
    (asked,) = server.asked
    scheme, _, encoded = asked.headers["Authorization"].partition(" ")
    assert ("Basic", b"a%3Ab:s3cr3t%2B%26%3D+%2F%C3%BC%3A%25") == (scheme, base64.b64decode(encoded))
    assert {"grant_type": "client_credentials"} == form(asked)


def test_tls_sends_the_id_alone(scripted: Scripted) -> None:
    """`tls` leaves the proof to the certificate of http_session, and needs no secret."""
    server = scripted(TOKEN)
    provider(server, client_auth="tls").get_headers()
    assert {"grant_type": "client_credentials", "client_id": "app"} == form(server.asked[0])


def test_more_fields_for_the_request(scripted: Scripted) -> None:
    """Audience and extra parameters are fields of the form, and what the SDK writes is not theirs to change."""
    server = scripted(TOKEN)
    extra = {"resource": "https://layer", "scope": "mine"}
    provider(server, client_secret=SECRET, audience="layer-api", extra_parameters=extra).get_headers()
    sent = form(server.asked[0])
    assert ("layer-api", "https://layer", "mine") == (sent["audience"], sent["resource"], sent["scope"])
    with pytest.raises(LayerInvalidConfigurationError, match="must leave client_secret, grant_type to the SDK"):
        provider(server, client_secret=SECRET, extra_parameters={"grant_type": "x", "client_secret": "y"})


@pytest.mark.parametrize("extra", [["a"], {1: "a"}, {"a": 1}, {"a": "b\udcff"}])
def test_extra_parameters_that_cannot_be_sent(scripted: Scripted, extra: Any) -> None:
    """They are names and texts."""
    with pytest.raises(LayerInvalidConfigurationError, match=r"extra_parameters.* must be"):
        provider(scripted(TOKEN), client_secret=SECRET, extra_parameters=extra)


@pytest.mark.parametrize("method", ["client_secret_post", "", None])
def test_way_that_there_is_not(scripted: Scripted, method: Any) -> None:
    """Another way is an error that names those that there are."""
    with pytest.raises(LayerInvalidConfigurationError, match="must be one of post, basic, private_key_jwt, tls, but"):
        provider(scripted(TOKEN), client_secret=SECRET, client_auth=method)


# ---- signed assertions


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [("RS256", None), ("PS256", "PS256"), ("ES256", None), ("ES384", None), ("ES512", None), ("EdDSA", None)],
)
def test_assertion_is_signed_as_fits_the_key(scripted: Scripted, algorithm: str, given: str | None) -> None:
    """The assertion has the claims of RFC 7523, a short life, and verifies with the public key."""
    server = scripted(TOKEN)
    key = private_key(algorithm)
    options = {"private_key": pem_of(key), "key_id": "k-1", "signing_algorithm": given}
    provider(server, client_auth="private_key_jwt", **options).get_headers()
    sent = form(server.asked[0])
    assertion = sent.pop("client_assertion")
    assert {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    } == sent
    claims = jwt.decode(assertion, key.public_key(), [algorithm], audience=f"{server.url}/token")
    assert ("app", "app", 60) == (claims["iss"], claims["sub"], claims["exp"] - claims["iat"])
    header = jwt.get_unverified_header(assertion)
    assert (algorithm, "k-1") == (header["alg"], header["kid"])


def test_assertions_are_used_once(scripted: Scripted) -> None:
    """Each request has an assertion of its own, with an id of its own."""
    server = scripted(answer({"access_token": "t0k3n", "expires_in": 0}))
    mine = provider(server, client_auth="private_key_jwt", private_key=pem_of(private_key("ES256")))
    mine.get_headers()
    mine.get_headers()
    decoded = [
        jwt.decode(form(asked)["client_assertion"], options={"verify_signature": False}) for asked in server.asked
    ]
    assert 2 == len({claims["jti"] for claims in decoded})


def test_assertion_is_for_the_issuer_where_it_is_known(scripted: Scripted) -> None:
    """With an issuer, given beside the token URL or by discovery, that is the audience."""
    server: ScriptedServer = scripted(lambda asked: description(server) if asked.path == WELL_KNOWN else TOKEN)
    issuer = server.url + REALM
    pem = pem_of(private_key("ES256"))
    for place in ({"issuer": issuer}, {"issuer": issuer, "token_url": f"{server.url}/token"}):
        provider(server, client_auth="private_key_jwt", private_key=pem, **place).get_headers()
        assertion = form(server.asked[-1])["client_assertion"]
        assert issuer == jwt.decode(assertion, options={"verify_signature": False})["aud"]
    assert ["GET", "POST", "POST"] == [asked.method for asked in server.asked]


UNUSABLE: dict[str, Callable[[], str]] = {
    "no PEM": lambda: "not a key",
    "encrypted": lambda: pem_of(private_key("ES256"), b"password"),
    "half": lambda: pem_of(private_key("ES256"))[:120],
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_key_that_cannot_sign(scripted: Scripted, kind: str) -> None:
    """A key given as text is tried at once, one from a function when it is used; neither is shown."""
    server = scripted(TOKEN)
    pem = UNUSABLE[kind]()
    with pytest.raises(LayerInvalidConfigurationError, match="private_key cannot sign") as at_once:
        provider(server, client_auth="private_key_jwt", private_key=pem)
    mine = provider(server, client_auth="private_key_jwt", private_key=lambda: pem)
    with pytest.raises(LayerAuthError, match="private_key cannot sign") as later:
        mine.get_headers()
    assert [] == [part for part in pem.splitlines()[1:2] if part in told(at_once.value) + told(later.value)]
    assert [] == server.asked


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES512"])
def test_algorithm_that_does_not_fit(scripted: Scripted, algorithm: str) -> None:
    """Only algorithms of private keys are taken, and the key must fit."""
    pem = pem_of(private_key("RS256"))
    with pytest.raises(LayerInvalidConfigurationError, match="signing_algorithm"):
        provider(scripted(TOKEN), client_auth="private_key_jwt", private_key=pem, signing_algorithm=algorithm)


def test_key_is_needed(scripted: Scripted) -> None:
    """Without a key the error names both arguments."""
    with pytest.raises(LayerMissingRequiredConfigurationError, match=r"argument private_key or private_key_file$"):
        provider(scripted(TOKEN), client_auth="private_key_jwt", client_secret=SECRET)


def test_missing_extra_is_named() -> None:
    """Without PyJWT the error says what to install; the other ways need nothing."""
    program = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('jwt', 'cryptography'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from layer_sdk import OIDCClientCredentials\n"
        "place = {'token_url': 'https://sso.example.com', 'client_id': 'app'}\n"
        "OIDCClientCredentials(**place, client_secret='s', client_auth='basic')\n"
        "try:\n"
        "    OIDCClientCredentials(**place, client_auth='private_key_jwt', private_key='p')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "generated:."},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert 'needs the extra "jwt"' in done.stdout
    assert 'pip install "protectai-layer-sdk[jwt]"' in done.stdout


# ---- where secrets come from


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_secret_from_a_file(scripted: Scripted, tmp_path: Path, ending: str) -> None:
    """The end of the file's line is no part of the secret."""
    server = scripted(TOKEN)
    file = tmp_path / "secret"
    file.write_bytes(f" {SECRET}{ending}".encode())
    provider(server, client_secret_file=file).get_headers()
    assert f" {SECRET}" == form(server.asked[0])["client_secret"]


def test_order_of_the_ways_to_give_a_secret(
    scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument comes before the environment, a secret before a file; two arguments are an error."""
    server = scripted(TOKEN)
    (tmp_path / "one").write_text("of the argument's file")
    (tmp_path / "two").write_text("of the variable's file")
    monkeypatch.setenv("LAYER_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "two"))
    provider(server).get_headers()
    monkeypatch.setenv("LAYER_OIDC_CLIENT_SECRET", "of the variable")
    provider(server).get_headers()
    provider(server, client_secret_file=str(tmp_path / "one")).get_headers()
    provider(server, client_secret="of the argument").get_headers()
    names = ["variable's file", "variable", "argument's file", "argument"]
    assert [f"of the {name}" for name in names] == [form(asked)["client_secret"] for asked in server.asked]
    with pytest.raises(LayerInvalidConfigurationError, match="client_secret and client_secret_file are two ways"):
        provider(server, client_secret="a", client_secret_file="b")
    with pytest.raises(LayerInvalidConfigurationError, match="client_secret_file must be a path, but is 7"):
        provider(server, client_secret_file=7)


def test_secret_that_was_exchanged_is_read_for_the_next_token(scripted: Scripted, tmp_path: Path) -> None:
    """File and function are read for each token, so that the new secret is used from then on."""
    server = scripted(answer({"access_token": "t0k3n", "expires_in": 0}))
    file = tmp_path / "secret"
    file.write_text("old")
    mine = [provider(server, client_secret_file=file), provider(server, client_secret=file.read_text)]
    for each in mine:
        each.get_headers()
    file.write_text("new")
    for each in mine:
        each.get_headers()
    assert ["old", "old", "new", "new"] == [form(asked)["client_secret"] for asked in server.asked]


@pytest.mark.parametrize(
    ("status", "error"), [(400, "invalid_client"), (400, "unauthorized_client"), (401, "of_its_own")]
)
@pytest.mark.parametrize("method", ["post", "basic"])
def test_secret_that_is_exchanged_meanwhile(
    scripted: Scripted, tmp_path: Path, status: int, error: str, method: str
) -> None:
    """Where the provider knows the new secret already, it is read once more, and that is no error."""
    file = tmp_path / "secret"
    file.write_text("old-secret")

    def rotate(_: Asked) -> Answer:
        file.write_text("new-secret")
        return answer({"error": error}, status)

    server = scripted(rotate, TOKEN)
    provider(server, client_secret_file=file, client_auth=method).get_headers()
    assert 2 == len(server.asked)
    sent = server.asked[1]
    expected = "app:new-secret" if method == "basic" else "new-secret"
    found = base64.b64decode(sent.headers.get("Authorization", "")[6:]).decode() or form(sent)["client_secret"]
    assert expected == found


def test_secret_that_is_wrong_is_not_tried_twice(scripted: Scripted) -> None:
    """Without another secret there is one request, and the error says what to check."""
    server = scripted(INVALID_CLIENT)
    with pytest.raises(LayerAuthError, match=r"status 401: invalid_client; check client_id, its secret"):
        provider(server, client_secret=lambda: SECRET).get_headers()
    assert 1 == len(server.asked)


def test_key_that_is_exchanged_meanwhile(scripted: Scripted, tmp_path: Path) -> None:
    """The same holds for a key in a file."""
    file = tmp_path / "key.pem"
    file.write_text(pem_of(private_key("ES256")))

    def rotate(_: Asked) -> Answer:
        file.write_text(pem_of(private_key("ES256", "new")))
        return INVALID_CLIENT

    server = scripted(rotate, TOKEN)
    provider(server, client_auth="private_key_jwt", private_key_file=file).get_headers()
    assertion = form(server.asked[1])["client_assertion"]
    key = private_key("ES256", "new").public_key()
    assert "app" == jwt.decode(assertion, key, ["ES256"], audience=f"{server.url}/token")["iss"]


def raising() -> str:
    raise RuntimeError("vault")


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (raising, "client_secret is a function that raised RuntimeError"),
        (lambda: None, "client_secret must be text, but is of type NoneType"),
        (lambda: " ", "client_secret must not be empty"),
        (lambda: f"{SECRET}\udcff", "client_secret must be text that UTF-8 can write"),
    ],
)
def test_function_that_gives_no_secret(scripted: Scripted, secret: Any, words: str) -> None:
    """It is an auth error, and nobody is asked."""
    server = scripted(TOKEN)
    with pytest.raises(LayerAuthError) as caught:
        provider(server, client_secret=secret).get_headers()
    assert words == str(caught.value)
    assert (False, []) == (SECRET in told(caught.value), server.asked)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "client_secret must not be empty"),
        (b"\xffs3cr3t", "must be text in UTF-8"),
    ],
)
def test_file_that_holds_no_secret(scripted: Scripted, tmp_path: Path, content: bytes | None, words: str) -> None:
    """It is an auth error when a token is needed, and the file may come later."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    mine = provider(scripted(TOKEN), client_secret_file=file)
    with pytest.raises(LayerAuthError, match=words) as caught:
        mine.get_headers()
    assert "s3cr3t" not in told(caught.value)
    file.write_text("here it is")
    assert {"Authorization": "Bearer t0k3n"} == mine.get_headers()


# ---- discovery


def description(server: ScriptedServer, **fields: Any) -> Answer:
    return answer({"issuer": server.url + REALM, "token_endpoint": f"{server.url}/token", **fields})


def discovering(scripted: Scripted, *answers: Answer | Callable[[Asked], Answer]) -> ScriptedServer:
    """Start a server that gives its description, and `answers` to the token requests."""
    token_requests = list(answers)

    def reply(asked: Asked) -> Answer:
        if asked.path == WELL_KNOWN:
            return description(server)
        now = token_requests.pop(0) if len(token_requests) > 1 else token_requests[0]
        return now if isinstance(now, Answer) else now(asked)

    server = scripted(reply)
    return server


@pytest.mark.parametrize("slash", ["", "/"])
def test_issuer_names_the_token_endpoint(scripted: Scripted, slash: str) -> None:
    """The description is asked for once, under the issuer's path, and then the endpoint that it names."""
    server = discovering(scripted, answer({"access_token": "t0k3n", "expires_in": 0}))
    mine = provider(server, issuer=server.url + REALM + slash, client_secret=SECRET)
    mine.get_headers()
    mine.get_headers()
    assert [("GET", WELL_KNOWN), ("POST", "/token"), ("POST", "/token")] == [
        (asked.method, asked.path) for asked in server.asked
    ]
    assert f"OIDCClientCredentials(issuer='{server.url + REALM + slash}', client_id='app')" == repr(mine)


def test_issuer_from_the_environment(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAYER_OIDC_ISSUER serves as the argument does; a token URL given as an argument sets it aside."""
    server = discovering(scripted, TOKEN)
    monkeypatch.setenv("LAYER_OIDC_ISSUER", server.url + REALM)
    options = {"client_id": "app", "client_secret": SECRET, "http_session": requests.Session()}
    OIDCClientCredentials(**options).get_headers()  # type: ignore[arg-type]
    provider(server, client_secret=SECRET).get_headers()
    assert [WELL_KNOWN, "/token", "/token"] == [asked.path for asked in server.asked]


@pytest.mark.parametrize("gone", [Answer(404), Answer(410), Answer(503), Answer(302, b"", {"Location": "/x"})])
def test_endpoint_that_moves_is_found_again(scripted: Scripted, gone: Answer) -> None:
    """When the endpoint stops working, the description is asked for anew, and the one that it names now is used."""
    new = scripted(TOKEN)
    endpoints = ["/old"]

    def reply(asked: Asked) -> Answer:
        if asked.path == WELL_KNOWN:
            return description(server, token_endpoint=endpoints[0] if "//" in endpoints[0] else server.url + "/old")
        endpoints[0] = f"{new.url}/new"
        return gone

    server = scripted(reply)
    mine = provider(server, issuer=server.url + REALM, client_secret=SECRET)
    assert {"Authorization": "Bearer t0k3n"} == mine.get_headers()
    assert ([WELL_KNOWN, "/old", WELL_KNOWN], ["/new"]) == (
        [asked.path for asked in server.asked],
        [asked.path for asked in new.asked],
    )


def test_endpoint_that_stays_is_not_asked_twice(scripted: Scripted) -> None:
    """Where the description names the same endpoint still, its own error is raised, and it is cached again."""
    server = discovering(scripted, Answer(503), TOKEN)
    mine = provider(server, issuer=server.url + REALM, client_secret=SECRET)
    with pytest.raises(LayerRequestError, match="answered 503"):
        mine.get_headers()
    mine.get_headers()
    assert [WELL_KNOWN, "/token", WELL_KNOWN, "/token"] == [asked.path for asked in server.asked]


def test_refused_secret_leaves_the_description_alone(scripted: Scripted) -> None:
    """An endpoint that refuses works."""
    server = discovering(scripted, INVALID_CLIENT)
    mine = provider(server, issuer=server.url + REALM, client_secret=SECRET)
    with pytest.raises(LayerAuthError):
        mine.get_headers()
    assert [WELL_KNOWN, "/token"] == [asked.path for asked in server.asked]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"issuer": "https://other.example.com"}, "is of another issuer, 'https://other.example.com', and not to be"),
        ({"issuer": None}, "is of another issuer, None"),
        ({"issuer": ["x"]}, "is of another issuer"),
        ({"token_endpoint": None}, "names no token_endpoint that is a URL"),
        ({"token_endpoint": "/token"}, "names no token_endpoint that is a URL"),
        ({"token_endpoint": "file:///etc/passwd"}, "names no token_endpoint that is a URL"),
        ({"token_endpoint": "http://evil.example.com\\@127.0.0.1/"}, "names no token_endpoint that is a URL"),
        (
            {"token_endpoint": "http://sso.example.com/token"},
            "names a token_endpoint over plain http, at http://sso.ex",
        ),
    ],
)
def test_description_that_is_not_to_be_trusted(scripted: Scripted, fields: dict[str, Any], words: str) -> None:
    """The secret goes to no endpoint that the issuer asked for does not name, nor over plain http."""
    server: ScriptedServer = scripted(lambda _: description(server, **fields))
    with pytest.raises(LayerAuthError, match=r"The discovery document http.*openid-configuration") as caught:
        provider(server, issuer=server.url + REALM, client_secret=SECRET).get_headers()
    assert words in str(caught.value)
    assert ["GET"] == [asked.method for asked in server.asked]


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Answer(404), LayerAuthError, "was answered with 404 instead of a JSON object; check issuer"),
        (Answer(200, b"<html>"), LayerAuthError, "was answered with 200 and a page for people instead of"),
        (Answer(200, b"[]"), LayerAuthError, "was answered with 200 instead of a JSON object"),
        (Answer(301, b"", {"Location": "/"}), LayerAuthError, "was answered with 301"),
        (Answer(500), LayerRequestError, "was answered with 500"),
        (Answer(429), LayerRequestError, "was answered with 429"),
        (Answer(cut=True), LayerRequestError, "No answer from the discovery document"),
    ],
)
def test_description_that_cannot_be_had(scripted: Scripted, reply: Answer, kind: type[Exception], words: str) -> None:
    """What is wrong for good is an auth error, what may pass a request error; the next call asks again."""
    server: ScriptedServer = scripted(reply, lambda _: description(server), TOKEN)
    mine = provider(server, issuer=server.url + REALM, client_secret=SECRET)
    with pytest.raises(kind, match=words):
        mine.get_headers()
    assert {"Authorization": "Bearer t0k3n"} == mine.get_headers()


@pytest.mark.parametrize("issuer", ["sso.example.com", "https://u:p@sso.example.com", "https://sso.example.com?x", 7])
def test_issuer_that_is_none(scripted: Scripted, issuer: Any) -> None:
    """An issuer identifier is a URL with nothing but host and path."""
    with pytest.raises(LayerInvalidConfigurationError, match="issuer must be"):
        provider(scripted(TOKEN), issuer=issuer, client_secret=SECRET)


# ---- plain http


def test_plain_http_to_another_host_is_refused() -> None:
    """Secret and token cross no network unencrypted, unless that is asked for."""
    for name in ("token_url", "issuer"):
        options: dict[str, Any] = {name: "http://sso.example.com", "client_id": "app", "client_secret": SECRET}
        with pytest.raises(LayerInvalidConfigurationError, match=f"{name} is plain http, to http://sso.example.com,"):
            OIDCClientCredentials(**options)
        assert OIDCClientCredentials(**options, allow_insecure=True).allow_insecure


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "sso.localhost", "LOCALHOST:8080"])
def test_plain_http_within_the_machine_is_fine(host: str) -> None:
    """What stays on this machine crosses no network."""
    OIDCClientCredentials(token_url=f"http://{host}/token", client_id="app", client_secret=SECRET)


@pytest.mark.parametrize("host", ["localhost.example.com", "0.0.0.0", "10.0.0.1", "127.0.0.1.nip.io", "[::2]"])  # noqa: S104
def test_host_that_only_looks_like_this_machine(host: str) -> None:
    """A name or address that others may answer is another host."""
    with pytest.raises(LayerInvalidConfigurationError, match="plain http"):
        OIDCClientCredentials(token_url=f"http://{host}/token", client_id="app", client_secret=SECRET)
