"""The short way and the long way over a session, told apart by nobody."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as theirs
from urllib3.util.retry import Retry

from layer_sdk import _shortcut
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Asking, Shortcut
from leaks import shown_in_frames, told
from scripted_server import Answer, ScriptedServer
from shortcut_cases import CASES
from two_ways import SECONDS, Case, LongSession, both, goes_short, outcome, without_chance

if TYPE_CHECKING:
    from pathlib import Path

Scripted = Callable[..., ScriptedServer]

TOKEN = st.text("abcXYZ019-_.!~'", min_size=1, max_size=8)
LINE = st.text(st.characters(max_codepoint=0x17F, exclude_characters="\r\n\0"), max_size=12)
PATHS = st.text('ab/.%2e7Fü ?&=#;:@[]~-_"|', max_size=14)


def ask(session: requests.Session, url: str, path: str = "/") -> Any:
    return outcome(lambda: Sender(session).exchange(Asking("POST", url + path, {}, b"body", SECONDS)))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_both_ways_are_told_alike(case: Case) -> None:
    """The server, whoever asked, the jar and the pools see the same, whichever way a request goes."""
    short, long = both(case)
    assert long == short


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": "\xc3\xa9"}',
        b'{"a": "\xed\xa0\xbd"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32-be"),
        b' {"a": 1}',
        b"[1]",
    ],
)
def test_body_is_read_as_json_reads_it(content: bytes) -> None:
    """In whichever encoding a server writes, as `requests.Response.json` does."""
    assert json.loads(content) == _shortcut.Answer(200, {}, content, "OK").json()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("request", "session"))])
def test_only_what_is_peculiar_goes_the_long_way(name: str) -> None:
    """A request goes the short way wherever that is right, and what goes the long way is not sent before."""
    case = CASES[name]
    assert case.is_short == goes_short(case, requests.Session())


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=PATHS,
    headers=st.dictionaries(TOKEN, LINE, max_size=4),
    body=st.none() | st.binary(max_size=300),
    status=st.integers(200, 599),
    answered=st.dictionaries(TOKEN.map("X-{}".format), st.text('abc \xe9"=', max_size=9), max_size=4),
    content=st.binary(max_size=300),
)
def test_any_request_and_answer_is_told_alike(
    *,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
    answered: dict[str, str],
    content: bytes,
) -> None:
    """Whatever is asked and answered, both ways are told alike."""
    headers = {**headers, "X-Last": "1"}
    short, long = both(Case([Answer(status, content, answered)], method, f"/v1{path}", headers, body))
    assert long == short


REASONS: list[Any] = [
    theirs.NewConnectionError(None, "refused"),  # type: ignore[arg-type]
    theirs.ConnectTimeoutError(None, "late"),
    theirs.ResponseError("too many 503 error responses"),
    theirs.ProxyError("no proxy", OSError("refused")),
    theirs.SSLError("no trust"),
    theirs.ProtocolError("cut", OSError("reset")),
    None,
]
ERRORS: list[Any] = [
    *(theirs.MaxRetryError(None, "/v1", reason) for reason in REASONS),  # type: ignore[arg-type]
    *(reason for reason in REASONS if reason is not None and not isinstance(reason, theirs.ProxyError)),
    theirs.ClosedPoolError(None, "closed"),  # type: ignore[arg-type]
    theirs.EmptyPoolError(None, "empty"),  # type: ignore[arg-type]
    theirs.ReadTimeoutError(None, "/v1", "late"),  # type: ignore[arg-type]
    theirs.InvalidHeader("a wish that is none"),
    theirs.DecodeError("no gzip"),
    theirs.LocationParseError("a..b"),
    theirs.HTTPError("something"),
    requests.ConnectionError("one of requests' own"),
    OSError(5, "input and output"),
    ValueError("a number"),
    LookupError("nothing of HTTP's"),
]


class Raising(Retry):
    error: Any = None

    def increment(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {getattr(error, 'reason', '')}")
def test_error_of_urllib3_is_told_alike(error: Any) -> None:
    """Each of urllib3's errors, and what is none, comes as the exception that requests makes of it."""
    retries = Raising(3)
    retries.error = error

    def mount(session: requests.Session) -> None:
        session.mount("http://", HTTPAdapter(max_retries=retries))

    short, long = both(Case([Answer(cut=True)], prepare=mount))
    assert long == short
    assert 1 == len(short["asked"])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://127.0.0.1:01",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "https://127.0.0.1:1",
        "HTTP://LOCALHOST:1",
        "http://localhost.:1",
        "http://me:pass@localhost:1",
        "http://[::1]:1",
        "http://[::1:1",
        "http://[fe80::1%25lo]:1",
        "http://a..b:1",
        f"http://{'a' * 64}.example:1",
        "http://*.example:1",
        "http://b\xfccher.localhost:1",
        "http:///",
        "ftp://127.0.0.1:1",
    ],
)
def test_address_without_a_server_is_told_alike(url: str) -> None:
    """Who cannot be reached is said in the same words, with the same exceptions."""
    short, long = (without_chance(ask(session, url, "/v1/a")) for session in (requests.Session(), LongSession()))
    assert long == short


def test_login_in_the_address_is_sent(scripted: Scripted) -> None:
    """Name and password in a URL arrive as requests sends them."""
    server = scripted(Answer())
    url = server.url.replace("//", "//me:p%40ss@")
    for session in (requests.Session(), LongSession()):
        ask(session, url)
    assert ["Basic bWU6cEBzcw=="] * 2 == [asked.headers["Authorization"] for asked in server.asked]


@pytest.mark.parametrize("kind", [requests.Session, LongSession])
def test_pool_that_is_in_use_outlives_others(scripted: Scripted, kind: type[requests.Session]) -> None:
    """Of a session's pools, the one that the SDK uses all the time is not the one that has to make room."""
    server, *others = [scripted(Answer()) for _ in range(5)]
    session = kind()
    session.mount("http://", HTTPAdapter(pool_connections=2))
    for other in others:
        ask(session, server.url)
        session.get(other.url, timeout=5)
    assert 1 == len(server.connections)


@pytest.mark.parametrize("kind", [requests.Session, LongSession])
def test_forked_child_uses_connections_of_its_own(scripted: Scripted, kind: type[requests.Session]) -> None:
    """A child leaves the parent's connection alone, and the parent goes on with it."""
    server = scripted(lambda asked: Answer(200, asked.body))
    sender = Sender(kind())

    def echoed(body: bytes) -> bool:
        return body == sender.exchange(Asking("POST", f"{server.url}/", {}, body, SECONDS)).content

    assert echoed(b"before")
    child = os.fork()
    if not child:
        os._exit(0 if echoed(b"child") and echoed(b"again") else 1)
    assert 0 == os.waitpid(child, 0)[1]
    assert echoed(b"after")
    assert (4, 2) == (len(server.asked), len(server.connections))


@pytest.mark.parametrize("kind", [requests.Session, LongSession])
def test_threads_share_a_session_while_its_owner_changes_it(scripted: Scripted, kind: type[requests.Session]) -> None:
    """Each of eight threads gets its own answers, while the session is closed and given adapters and headers."""
    server = scripted(lambda asked: Answer(200, asked.body))
    session = kind()
    sender = Sender(session)
    is_over = threading.Event()

    def echo(number: int) -> bool:
        body = str(number).encode()
        return body == sender.exchange(Asking("POST", f"{server.url}/", {}, body, SECONDS)).content

    def change() -> None:
        number = 0
        while not is_over.wait(0.005):
            number += 1
            session.headers["X-Number"] = str(number)
            session.mount(f"http://127.0.0.1:{number}/", HTTPAdapter())

    changing = threading.Thread(target=change)
    changing.start()
    with ThreadPoolExecutor(8) as threads:
        echoed = list(threads.map(echo, range(300)))
    is_over.set()
    changing.join()
    assert [True] * 300 == echoed
    assert 8 >= len(server.connections)


def test_error_shows_neither_credentials_nor_the_environment(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In our frames, which tools show with an error, there are no headers, no cookies and no variables."""
    monkeypatch.setenv("DATABASE_URL", "of-the-environment")
    server = scripted(Answer(cut=True))
    session = requests.Session()
    session.headers["X-Key"] = "of-the-session"
    session.cookies.set("ticket", "of-the-jar")
    headers = {"Authorization": "Bearer of-the-request"}
    assert Shortcut(session)._settings(session.get_adapter(server.url), server.url).pool is not None
    with pytest.raises(requests.ConnectionError) as caught:
        Shortcut(session).send(Asking("POST", f"{server.url}/", headers, b"body", SECONDS), SECONDS)
    assert "Bearer of-the-request" == server.asked[0].headers["Authorization"]
    shown = shown_in_frames(caught.value) + told(caught.value)
    assert "_sent" in shown
    assert [] == [end for end in ("environment", "session", "jar", "request") if f"of-the-{end}" in shown]


@pytest.mark.parametrize(("age", "noticed"), [(60.0, None), (0.0, "Basic bWU6cGFzcw==")])
def test_file_that_changes_is_noticed_in_time(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, age: float, noticed: str | None
) -> None:
    """A login that appears in a netrc file is sent as soon as it is time to look again, and not before."""
    server = scripted(Answer())
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(_shortcut, "MAX_AGE", age)
    sender = Sender(requests.Session())
    for _ in range(2):
        sender.exchange(Asking("POST", f"{server.url}/", {}, None, SECONDS))
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
    assert [None, noticed] == [asked.headers.get("Authorization") for asked in server.asked]
