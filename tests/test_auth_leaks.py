"""Whatever goes wrong: only our exceptions come out, each readable, and none shows a secret, in its frames neither."""

from __future__ import annotations

import json
import logging
import socket
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator
from urllib.parse import quote_plus

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys import pem_of, private_key
from layer_sdk import LayerAuthError, LayerRequestError, LayerSDKException, OIDCClientCredentials
from leaks import shown_in_frames, told
from scripted_server import Answer, Asked, ScriptedServer

Scripted = Callable[..., ScriptedServer]

SECRET = "s3cr3t+&= /"
TOKEN = "t0k3n.of-the.server"
JSON = {"Content-Type": "application/json"}
FORMS = [SECRET, quote_plus(SECRET), SECRET[:6], TOKEN, TOKEN[:5]]


def provider(url: str, **options: Any) -> OIDCClientCredentials:
    given_ones = {"client_id": "app", "client_secret": SECRET, "http_session": requests.Session(), "http_timeout": 5}
    return OIDCClientCredentials(**{"token_url": url, **given_ones, **options})


def error_of(mine: OIDCClientCredentials) -> LayerSDKException | None:
    """Give the error instead of a token; anything that is not ours is raised."""
    try:
        mine.get_headers()
    except (LayerAuthError, LayerRequestError) as error:
        return error
    return None


def check(error: LayerSDKException, *more: str) -> None:
    """Check that an error can be read and shows nothing."""
    text = str(error)
    assert text.startswith(("The token endpoint http", "No answer from the token endpoint http"))
    assert len(text) <= 900
    assert text.isprintable()
    shown = told(error) + shown_in_frames(error)
    assert [] == [form for form in (*FORMS, *more) if form in shown]


# ---- answers that somebody thought of


def body(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), JSON)


def refusal(status: int, *words: Any, **fields: Any) -> Answer:
    names = ("error", "error_description", "error_uri")
    return Answer(status, json.dumps({**dict(zip(names, words)), **fields}).encode(), JSON)


ROGUES = [
    Answer(200),
    Answer(204),
    Answer(205, b"x"),
    Answer(226, b"{}"),
    Answer(200, b"null", JSON),
    Answer(200, b"true", JSON),
    Answer(200, b"7", JSON),
    Answer(200, b"[]", JSON),
    Answer(200, b"{}", JSON),
    Answer(200, b"{", JSON),
    Answer(200, b'{"access_token"}', JSON),
    Answer(200, b'{"access_token": "%s"' % TOKEN.encode(), JSON),
    Answer(200, b"[" * 100_000, JSON),
    Answer(200, b'{"a":' * 20_000, JSON),
    Answer(200, b"9" * 10_000, JSON),
    Answer(200, b"\x00\xff\xfe", JSON),
    Answer(200, "\ufeff{}".encode(), JSON),
    Answer(200, "{}".encode("utf-16"), JSON),
    Answer(200, TOKEN.encode(), {"Content-Type": "text/plain"}),
    Answer(200, f"access_token={TOKEN}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
    Answer(200, f"<html>{SECRET} {TOKEN}</html>".encode(), {"Content-Type": "text/html"}),
    Answer(200, b"x" * 300_000),
    Answer(200, b" " * 300_000 + b"{}"),
    body([TOKEN]),
    body({"token": TOKEN}),
    body({"access_token": None}),
    body({"access_token": 7}),
    body({"access_token": True}),
    body({"access_token": [TOKEN]}),
    body({"access_token": {"token": TOKEN}}),
    body({"access_token": ""}),
    body({"access_token": " "}),
    body({"access_token": f"{TOKEN} {TOKEN}"}),
    body({"access_token": f"{TOKEN}\r\nX-Evil: 1"}),
    body({"access_token": f"{TOKEN}\x00"}),
    body({"access_token": f"{TOKEN}\udcff"}),
    body({"access_token": f"{TOKEN}ü"}),
    body({"access_token": TOKEN, "token_type": "mac"}),
    body({"access_token": TOKEN, "token_type": ["Bearer"]}),
    body({"access_token": TOKEN, "token_type": f"Bearer {TOKEN}"}),
    body({"access_token": TOKEN, "error": "invalid_client"}),
    body({"error": "temporarily_unavailable", "access_token": TOKEN}),
    body({"id_token": TOKEN, "error": f"see {TOKEN}"}),
    refusal(400),
    refusal(400, "invalid_request"),
    refusal(400, "invalid_grant", "no\r\nsuch\tthing\x1b[31m"),
    refusal(400, "unsupported_grant_type", "x" * 100_000),
    refusal(400, {"code": SECRET}),
    refusal(400, 7, ["x"], None),
    refusal(401, "invalid_client", f"not {SECRET}", SECRET),
    refusal(401, SECRET, quote_plus(SECRET)),
    refusal(401, "invalid_client", json.dumps({"was": SECRET})),
    refusal(401, "\udcff", "\u202egnp"),
    refusal(403, "unauthorized_client", refresh_token=TOKEN, error_uri=TOKEN),
    refusal(500, "server_error", SECRET),
    refusal(503, "x", access_token=TOKEN),
    refusal(429, "slow_down", f"{SECRET}" * 100),
    Answer(401, b"", {"WWW-Authenticate": f'Basic realm="{SECRET}"'}),
    Answer(404, f"<!doctype html>{SECRET}".encode()),
    Answer(405),
    Answer(418, SECRET.encode()),
    Answer(301, b"", {"Location": f"/?{quote_plus(SECRET)}"}),
    Answer(302, b"", {"Location": "http://[::1"}),
    Answer(302, b"", {"Location": "http://u:p@\xff/"}),
    Answer(302, b"", {"Location": "ftp://x"}),
    Answer(307, b"", {"Location": "http://127.0.0.1:1/"}),
    Answer(399),
    Answer(599, b"x"),
    Answer(999, b"x"),
    Answer(cut=True),
    Answer(200, b"{", {"Content-Length": "100", "Connection": "close"}),
    Answer(200, b"{}", {"Content-Length": "-5", "Connection": "close"}),
    Answer(200, b"{}", {"Content-Length": "many", "Connection": "close"}),
    Answer(200, b"zz\r\n{}", {"Transfer-Encoding": "chunked", "Connection": "close"}),
    Answer(200, b"2\r\n{}", {"Transfer-Encoding": "chunked", "Connection": "close"}),
    Answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
    Answer(200, b"no deflate", {"Content-Encoding": "deflate"}),
    Answer(200, b"{}", {"Content-Encoding": "x-unknown"}),
    Answer(200, b"{}", {"Content-Type": "application/json; charset=no-such"}),
    Answer(200, b"{}", {"Set-Cookie": "a=b; Expires=never; Domain=."}),
    Answer(200, b"{}", {"X-Long": "x" * 70_000, "Connection": "close"}),
    Answer(200, b"{}", {**{f"X-{number}": "x" for number in range(200)}, "Connection": "close"}),
]


@pytest.mark.parametrize("rogue", ROGUES, ids=lambda rogue: f"{rogue.status}-{rogue.body[:20]!r}")
def test_rogue_answer(scripted: Scripted, rogue: Answer) -> None:
    """An answer without a usable token is one of two errors, which can be read and shows nothing."""
    error = error_of(provider(scripted(rogue).url))
    assert error is not None
    check(error)


@contextmanager
def raw_server(reply: Callable[[bytes], bytes]) -> Iterator[str]:
    """Answer each connection with bytes made of the request, and close it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    asked = connection.recv(65_536)
                    if b"client_secret" not in asked:
                        asked += connection.recv(65_536)
                    connection.sendall(reply(asked))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/token"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    "reply",
    [
        lambda asked: asked,
        lambda asked: asked.rpartition(b"\r\n")[2],
        lambda asked: b"HTTP/1.1 abc " + asked.rpartition(b"\r\n")[2] + b"\r\n\r\n",
        lambda asked: b"HTTP/1.1 401 " + asked.rpartition(b"\r\n")[2] + b"\r\nContent-Length: 0\r\n\r\n",
        lambda asked: b"HTTP/1.1 200 OK\r\n" + asked.rpartition(b"\r\n")[2] + b"\r\n\r\n",
        lambda asked: b"HTTP/1.1 200 OK\r\nContent-Length: " + asked.rpartition(b"\r\n")[2] + b"\r\n\r\n",
        lambda asked: b"HTTP/1.1 302 OK\r\nLocation: http://" + asked.rpartition(b"\r\n")[2] + b":x\r\n\r\n",
        lambda asked: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + asked.rpartition(b"\r\n")[2],
        lambda asked: b"HTTP/1.1 200 OK\r\n\r\n",
        lambda asked: b"\x00" * 1000,
        lambda asked: b"",
    ],
)
def test_server_that_repeats_what_it_was_sent(reply: Callable[[bytes], bytes]) -> None:
    """Where the secret comes back in a place that a library quotes, the quotation is left out."""
    with raw_server(reply) as url:
        error = error_of(provider(url))
    assert error is not None
    check(error)


def test_server_that_dawdles(scripted: Scripted) -> None:
    """An answer that comes a byte at a time, each within the timeout, does not last for ever."""
    with raw_server_of_drops() as url:
        error = error_of(provider(url, http_timeout=0.5))
    assert isinstance(error, LayerRequestError)
    assert "the answer began, and did not end in time" in str(error)


@contextmanager
def raw_server_of_drops() -> Iterator[str]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
                try:
                    while not over.wait(0.05):
                        connection.sendall(b" ")
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/token"
        over.set()
        thread.join(5)


# ---- answers that nobody thought of


def is_public(text: str) -> bool:
    """Tell whether a text that Hypothesis made up may be shown: it tries those that it finds in our tests, too."""
    return not any(form in text for form in FORMS)


def is_named(value: Any) -> bool:
    """Tell whether a token in what is for people to read stands in a field for tokens as well.

    Where it does not, nobody can know that it is one.
    """
    if not isinstance(value, dict) or TOKEN not in (value.get("error"), value.get("error_description")):
        return True
    return any(name.endswith("token") and each == TOKEN for name, each in value.items())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text().filter(is_public)
    | st.sampled_from([SECRET, TOKEN, "Bearer", "invalid_client"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["access_token", "token_type", "expires_in", "error", "error_description", "scope", "refresh_token"]
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES))
SAID = (FIELDS | VALUES).filter(is_named).map(lambda value: json.dumps(value).encode())
BODIES = SAID | st.binary(max_size=200).filter(lambda value: is_public(value.decode("latin-1")))
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Content-Type",
            "Content-Encoding",
            "Content-Length",
            "Location",
            "Retry-After",
            "WWW-Authenticate",
            "Set-Cookie",
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30).filter(
        is_public
    ),
    max_size=3,
)
STATUSES = st.sampled_from([200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 429, 500, 503]) | st.integers(200, 999)


@pytest.fixture(scope="module")
def rogue() -> Iterator[tuple[ScriptedServer, list[Answer]]]:
    now: list[Answer] = [Answer()]
    with ScriptedServer(lambda _: now[0]) as server:
        yield server, now


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=STATUSES, headers=HEADERS, content=BODIES)
def test_any_answer(
    rogue: tuple[ScriptedServer, list[Answer]], status: int, headers: dict[str, str], content: bytes
) -> None:
    """Whatever comes back, it is a token that can be sent, or one of two errors that can be read and show nothing."""
    server, now = rogue
    now[0] = Answer(status, content, {**headers, "Connection": "close"})
    mine = provider(f"{server.url}/token", http_timeout=2)
    error = error_of(mine)
    if error is not None:
        check(error)
    else:
        assert mine.get_headers()["Authorization"].isascii()


# ---- secrets of every kind, in every error

PEM = pem_of(private_key("ES256"))


@pytest.mark.parametrize("method", ["post", "basic", "private_key_jwt"])
@pytest.mark.parametrize(
    "answer",
    [Answer(401, b'{"error": "invalid_client"}'), Answer(cut=True), Answer(500), Answer(200, b"{}"), Answer(404)],
)
def test_no_frame_shows_a_secret(
    scripted: Scripted, caplog: pytest.LogCaptureFixture, method: str, answer: Answer
) -> None:
    """In the frames of ours that a traceback shows there is no secret, key, assertion or header that was sent."""
    caplog.set_level(logging.DEBUG)
    server = scripted(answer)
    mine = provider(server.url, client_auth=method, private_key=PEM, client_secret=SECRET)
    error = error_of(mine)
    assert error is not None
    sent = [asked.headers.get("Authorization", "Basic none").split()[1] for asked in server.asked]
    sent += [asked.body.decode() for asked in server.asked if len(asked.body) > 40]
    assertions = [
        part.split("=")[1] for asked in server.asked for part in asked.body.decode().split("&") if "assertion=" in part
    ]
    shown = told(error) + shown_in_frames(error) + caplog.text
    key_lines = [line for line in PEM.splitlines() if not line.startswith("-")]
    assert [] == [secret for secret in (*FORMS, *sent, *assertions, *key_lines) if secret in shown]


def test_echoed_assertion_is_hidden(scripted: Scripted) -> None:
    """A server that repeats the assertion in its words does not make us show it."""

    def echo(asked: Asked) -> Answer:
        return Answer(401, json.dumps({"error": "invalid_client", "error_description": asked.body.decode()}).encode())

    server = scripted(echo)
    error = error_of(provider(server.url, client_auth="private_key_jwt", private_key=PEM))
    assert error is not None
    assertion = server.asked[0].body.decode().partition("client_assertion=")[2].partition("&")[0]
    assert "***" in str(error)
    assert assertion[:20] not in told(error)


@pytest.mark.parametrize(
    "options",
    [
        {"client_auth": "no such"},
        {"client_secret": f"{SECRET}\udcff"},
        {"client_secret": SECRET, "client_secret_file": "x"},
        {"client_auth": "private_key_jwt", "private_key": PEM[:100]},
        {"client_auth": "private_key_jwt", "private_key": PEM, "signing_algorithm": "RS256"},
        {"token_url": "https://user:pa55w0rd@[::1"},
        {"token_url": "http://user:pa55w0rd@sso.example.com"},
        {"http_timeout": "long"},
        {"extra_parameters": {"key": f"{SECRET}\udcff"}},
        {"extra_parameters": {"client_id": SECRET}},
        {"client_id": " "},
    ],
)
def test_constructor_that_fails_shows_nothing(options: dict[str, Any]) -> None:
    """The arguments of a constructor that raises are among the first things that a tool shows."""
    with pytest.raises(LayerSDKException) as caught:
        provider(**{"url": "https://sso.example.com", "client_secret": SECRET, **renamed(options)})
    key_line = PEM.splitlines()[1][:20]
    shown = str(caught.value) + shown_in_frames(caught.value)
    assert [] == [secret for secret in (*FORMS, "pa55w0rd", key_line) if secret in shown]


def renamed(options: dict[str, Any]) -> dict[str, Any]:
    return {"url" if name == "token_url" else name: value for name, value in options.items()}


def test_cause_leads_on_without_what_was_sent(scripted: Scripted) -> None:
    """The library's exception is the cause, without its frames: they hold the form."""
    error = error_of(provider(scripted(Answer(cut=True)).url))
    assert error is not None
    assert isinstance(error.__cause__, requests.ConnectionError)
    assert error.__cause__.__traceback__ is None
