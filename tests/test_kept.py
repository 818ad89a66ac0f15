"""Requests over a connection that was used before, told apart from urllib3's own by nobody."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import adapters
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse
from urllib3.util import Timeout, parse_url

from kept_cases import CLOSE, COMMON, EARLY, KEPT, LATE, ODD, PAUSE, kept, pools_of
from layer_sdk import _shipped
from layer_sdk._kept import Fields
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Asking, Shortcut
from leaks import shown_in_frames, told
from two_ways import SECONDS, Case, LongSession, RawServer, both, outcome, recorder, without_chance

if TYPE_CHECKING:
    from layer_sdk._shortcut import Answer

ROOT = Path(__file__).resolve().parent.parent
OK = COMMON["plain"]
FUNCTIONS = [
    (place, name)
    for place, names in _shipped.BELOW
    for name in names
    if not isinstance(getattr(place, name), type) and name not in _shipped.CONSTANTS
]
LINES = [
    b"Content-Length: 4\r\n",
    b"Content-Length: 5\r\n",
    b"Connection: keep-alive\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Set-Cookie: a=1\r\n",
    b"HTTP/1.1 100 Continue\r\n",
    b"X-A: a\r\n",
    b"X-A:a \r\n",
    b" folded\r\n",
    b"X-\xe9: \x85\r\n",
    b"X-B: b\n",
    b"no colon\r\n",
    b"4\r\nfine\r\n",
    b"\r\n",
]


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session out of the box."""
    with requests.Session() as made:
        yield made


@pytest.fixture
def long_session() -> Iterator[LongSession]:
    """One that goes by requests."""
    with LongSession() as made:
        yield made


def asking(server: RawServer) -> Asking:
    return Asking("POST", f"{server.url}/v1", {"Authorization": "Bearer of-the-request"}, b"of-the-body", SECONDS)


def second(session: requests.Session, server: RawServer) -> Answer:
    """Give the second of two answers."""
    shortcut = Shortcut(session)
    found = [shortcut.send(asking(server), SECONDS) for _ in range(2)]
    assert found[0] is not None
    assert found[1] is not None
    return found[1]


def is_read_here(session: requests.Session, server: RawServer) -> bool:
    """Tell whether the second of two answers is read without urllib3."""
    return second(session, server).raw is None


@pytest.mark.parametrize("case", KEPT.values(), ids=KEPT.keys())
def test_both_ways_are_told_alike(case: Case) -> None:
    """Whatever comes over a connection that was used before, and whoever reads it, all see the same."""
    short, long = both(case)
    assert long == short


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.sampled_from(LINES), max_size=6),
    status=st.sampled_from([200, 202, 204, 304, 503]),
    cut=st.integers(1, 90),
)
def test_any_bytes_are_told_alike(lines: list[bytes], status: int, cut: int) -> None:
    """Whatever bytes come, in whatever pieces, before the connection ends, they mean the same."""
    answer = f"HTTP/1.1 {status} Said\r\n".encode() + b"".join(lines) + b"\r\nfine"
    short, long = both(kept(answer[:cut] + PAUSE + answer[cut:] + CLOSE))
    assert long == short


@pytest.mark.parametrize("answer", COMMON.values(), ids=COMMON.keys())
def test_common_answer_is_read_without_urllib3(session: requests.Session, answer: bytes) -> None:
    """An answer of the common kind goes by urllib3 over a new connection, and not over one that was used before."""
    with RawServer(answer) as server:
        assert [False, True] == [
            found is not None and found.raw is None
            for found in (Shortcut(session).send(asking(server), SECONDS) for _ in range(2))
        ]
        assert 1 == len(server.connections)


@pytest.mark.parametrize("name", ["HTTP/1.0", "chunks", "gzip", "folded", "cookie", "length of", "204", "401", "503"])
def test_odd_answer_is_read_by_urllib3(session: requests.Session, name: str) -> None:
    """Any other answer is for urllib3 to read, though the request went out without it, once."""
    odd = next(answer for key, answer in ODD.items() if key.startswith(name))
    with RawServer(OK, odd) as server:
        assert not is_read_here(session, server)
        assert 2 == len(server.asked)


def test_answer_that_has_no_body_is_read_by_urllib3(session: requests.Session) -> None:
    """To HEAD there is none, whatever length is told; nobody waits for it."""
    with RawServer(COMMON["accepted"]) as server:
        asked = asking(server)
        asked.method, asked.body = "HEAD", None
        assert is_read_here(session, server)
        found = Shortcut(session).send(asked, SECONDS)
        assert found is not None
        assert found.raw is not None


@pytest.mark.parametrize(("place", "name"), FUNCTIONS, ids=lambda each: getattr(each, "__qualname__", each))
def test_function_that_somebody_replaced_below_requests_is_called(
    session: requests.Session, long_session: LongSession, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    """Tools that trace, record or fake below requests see what they would see without us, over any connection."""
    calls: list[Any] = []
    monkeypatch.setattr(place, name, recorder(getattr(place, name), calls))
    with RawServer(OK) as server:
        was_called = []
        for each in (session, long_session):
            sender = Sender(each)
            sender.exchange(asking(server))
            calls.clear()
            sender.exchange(asking(server))
            was_called.append(bool(calls))
        assert was_called[1] == was_called[0]
        assert not is_read_here(session, server)


@pytest.mark.parametrize("name", _shipped.POOL)
def test_pool_that_the_owner_changed_is_asked(session: requests.Session, name: str) -> None:
    """So do those who replaced something on the pool of one session alone."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        pool = pools_of(session)[0]
        setattr(pool, name, getattr(pool, name))
        assert not is_read_here(session, server)


def test_socket_of_another_class_is_used(session: requests.Session) -> None:
    """Tools that watch or forbid the network have sockets of their own, and gevent has."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        connection = pools_of(session)[0].pool.queue[-1]
        connection.sock = type("Mine", (socket.socket,), {})(fileno=connection.sock.detach())
        assert not is_read_here(session, server)
        assert 1 == len(server.connections)


@pytest.mark.parametrize("name", _shipped.CONNECTION)
def test_connection_that_the_owner_changed_is_asked(session: requests.Session, name: str) -> None:
    """So do those who replaced something on one connection alone."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        connection = pools_of(session)[0].pool.queue[-1]
        setattr(connection, name, getattr(connection, name))
        assert not is_read_here(session, server)


@pytest.mark.parametrize(
    ("name", "value"), [("ResponseCls", type("Mine", (HTTPResponse,), {})), ("proxy", parse_url("http://127.0.0.1:1"))]
)
def test_what_the_owner_gave_a_pool_is_used(session: requests.Session, name: str, value: Any) -> None:
    """A class of answers, which was urllib3's before its version 2, or a proxy, is for urllib3 to look after."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        setattr(pools_of(session)[0], name, value)
        assert not is_read_here(session, server)


@pytest.mark.parametrize("name", ["timeout", "retries"])
def test_class_that_the_owner_chose_is_used(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A timeout or retries of another kind may do anything, which urllib3 has them do."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        if name == "retries":
            vars(session.get_adapter(server.url))["max_retries"] = 0
        else:
            monkeypatch.setattr(adapters, "TimeoutSauce", type("Mine", (Timeout,), {}))
        assert not is_read_here(session, server)


@pytest.mark.parametrize("host", ["localhost", "[::1]", "127.0.0.1:80"])
def test_host_is_named_alike(
    session: requests.Session, long_session: LongSession, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Whatever the address, and whether its port is the one that goes without saying, `Host` is the same."""
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "127.0.0.1")  # for which `::1` is no name
    names = []
    with RawServer(OK, host="::1" if host == "[::1]" else "127.0.0.1") as server:
        port = server.url.rpartition(":")[2]
        if host.endswith(":80"):
            monkeypatch.setattr(HTTPConnection, "default_port", int(port))
        for each in (session, long_session):
            for _ in range(2):
                asked = asking(server)
                asked.url = f"http://{host.replace(':80', '')}:{port}/v1"
                Sender(each).exchange(asked)
        names = [asked.headers["Host"] for asked in server.asked]
    assert [host.replace(":80", "") + ("" if host.endswith(":80") else f":{port}")] * 4 == names


@pytest.mark.parametrize(("name", "value"), [("debuglevel", 1), ("_http_vsn_str", "HTTP/1.0")])
def test_setting_of_http_client_counts(
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: Any,
) -> None:
    """What a program set for all connections of http.client, as many have found on the web, goes on to work."""
    with RawServer(OK) as server:
        assert is_read_here(session, server)
        monkeypatch.setattr("http.client.HTTPConnection." + name, value)
        capsys.readouterr()
        assert not is_read_here(session, server)
        assert ("send: b'POST /v1" in capsys.readouterr().out) == (name == "debuglevel")


BEFORE = {
    "a function": """
original = urllib3.HTTPConnectionPool.urlopen
@functools.wraps(original)
def urlopen(*arguments, **options):
    print("seen")
    return original(*arguments, **options)
urllib3.HTTPConnectionPool.urlopen = urlopen
""",
    "a setting": """
http.client.print = lambda *words: print("seen") if words[0] == "reply:" else None
http.client.HTTPConnection.debuglevel = 1
""",
}


@pytest.mark.parametrize("change", BEFORE.values(), ids=BEFORE.keys())
def test_what_was_changed_before_the_sdk_was_imported_counts(change: str) -> None:
    """Instrumentation that came first, and took over the name and module of what it wraps, is no part of urllib3."""
    program = f"""
import functools, http.client, requests, sys, urllib3
{change}
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Asking
sender = Sender(requests.Session())
for _ in range(2):
    sender.exchange(Asking("POST", sys.argv[1], {{}}, b"", (5.0, 5.0)))
"""
    with RawServer(OK) as server:
        command = [sys.executable, "-c", program, server.url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert ("seen\nseen\n", "", 2) == (done.stdout, done.stderr, len(server.asked))


def test_sending_has_the_time_that_connecting_has(session: requests.Session, long_session: LongSession) -> None:
    """What goes out over a connection that was used before has the time that urllib3 gives it."""
    given: list[set[float | None]] = []

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if given and event == "http.client.send":
            given[-1].add(arguments[0].sock.gettimeout())

    sys.addaudithook(hear)
    with RawServer(OK) as server:
        for each in (session, long_session):
            given.append(set())
            asked = asking(server)
            Sender(each).exchange(asked)
            given[-1].clear()
            asked.timeout = (4.0, 2.0)
            Sender(each).exchange(asked)
            Sender(each).exchange(asked)
    assert [{4.0}, {4.0}] == given
    given.clear()  # the hook stays as long as the process


def test_log_of_urllib3_is_told_alike(
    session: requests.Session, long_session: LongSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has urllib3 tell of each request reads of ours as of any other."""
    caplog.set_level("DEBUG", "urllib3")
    lines = []
    for each in (session, long_session):
        with RawServer(OK) as server:
            sender = Sender(each)
            for _ in range(2):
                sender.exchange(asking(server))
            lines.append([record.getMessage().replace(server.url, "") for record in caplog.records[1:]])
            caplog.clear()
    assert lines[1] == lines[0]
    assert 2 == len([line for line in lines[0] if '"POST /v1 HTTP/1' in line])


@pytest.mark.parametrize("answer", [CLOSE, ODD["reset in the body"]], ids=["none", "half"])
def test_error_shows_no_credentials(session: requests.Session, answer: bytes) -> None:
    """In our frames, which tools show with an error, there is neither what was sent nor what came."""
    with RawServer(OK, answer) as server, pytest.raises(requests.RequestException) as caught:
        second(session, server)
    shown = shown_in_frames(caught.value) + told(caught.value)
    assert "Bearer of-the-request" == server.asked[1].headers["Authorization"]
    assert [] == [part for part in ("of-the-request", "of-the-body") if part in shown]


def test_error_of_sending_shows_no_credentials(session: requests.Session) -> None:
    """Nor is there when it cannot go out."""
    with RawServer(OK, EARLY + LATE + CLOSE) as server:
        shortcut = Shortcut(session)
        shortcut.send(asking(server), SECONDS)
        large = asking(server)
        large.body = b"of-the-body" * 1_100_000
        with pytest.raises(requests.RequestException) as caught:
            shortcut.send(large, (0.2, 0.2))
    shown = shown_in_frames(caught.value) + told(caught.value)
    assert [] == [part for part in ("of-the-request", "of-the-body") if part in shown]


def test_pool_that_is_closed_is_told_alike(session: requests.Session, long_session: LongSession) -> None:
    """Whoever closes a pool behind the session's back has the next request fail in the same words."""
    found = []
    for each in (session, long_session):
        with RawServer(OK) as server:
            sender = Sender(each)
            sender.exchange(asking(server))
            pools_of(each)[-1].close()
            answer = outcome(partial(sender.exchange, asking(server)))
            found.append(without_chance(answer, server.url.rpartition(":")[2]))
    assert found[1] == found[0]
    assert "Pool is closed." in str(found[0])


class Stop(BaseException):
    """What ends a program, or a wait in it."""


def test_wait_that_is_ended_leaves_the_pool_in_order(session: requests.Session, long_session: LongSession) -> None:
    """Where a signal, or what a greenlet throws, ends a wait, the connection is closed and its place is free."""

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    found = []
    for each in (session, long_session):
        each.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        sender = Sender(each)
        with RawServer(OK, LATE + OK, OK) as server:
            sender.exchange(asking(server))
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(Stop):
                sender.exchange(asking(server))
            kept_open = [connection is not None for connection in pools_of(each)[-1].pool.queue]
            answer = outcome(partial(sender.exchange, asking(server)))
            found.append((kept_open, answer, len(server.connections)))
    signal.signal(signal.SIGALRM, before)
    assert found[1] == found[0]
    assert ([False], 2) == (found[0][0], found[0][2])


def test_headers_of_an_answer_are_found_however_they_are_spelled() -> None:
    """They are iterated over as the server spells them."""
    headers = Fields(["X-Request-Id", "Date"], {"x-request-id": "7", "date": "now"})
    assert ("7", "7", None, True) == (
        headers["x-REQUEST-id"],
        headers.get("X-Request-Id"),
        headers.get("location"),
        "DATE" in headers,
    )
    assert {"X-Request-Id": "7", "Date": "now"} == dict(headers)
    assert 2 == len(headers)
