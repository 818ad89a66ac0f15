from __future__ import annotations

import asyncio
import gzip
import inspect
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from layer_sdk._http import EXCEPTIONS, RequestsTransport
from layer_sdk._suppression import is_suppressed
from layer_sdk._wire import raw_client
from scripted_server import Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

Scripted = Callable[..., ScriptedServer]


def client(session: requests.Session | None = None, timeout: float = 5.0) -> httpx.Client:
    return httpx.Client(transport=RequestsTransport(session or requests.Session()), timeout=timeout, trust_env=False)


def redirect(location: str, status: int = 307) -> Answer:
    return Answer(status, b"moved", {"Location": location})


class CountingAdapter(HTTPAdapter):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str | None] = []
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.sent.append(request.url)
        self.timeouts.append(kwargs.get("timeout"))
        return super().send(request, *args, **kwargs)


def test_request_reaches_the_server_as_it_was_given(scripted: Scripted) -> None:
    """Method, path with query, headers and body arrive as httpx was told."""
    server = scripted(Answer(200, b"fine", {"X-Answer": "yes"}))
    with client() as http:
        response = http.post(f"{server.url}/a%20b?x=1&y=%26", content=b"body", headers={"X-Mine": "1"})
    asked = server.asked[0]
    assert ("POST", "/a%20b?x=1&y=%26", b"body", "1") == (asked.method, asked.path, asked.body, asked.headers["X-Mine"])
    assert (200, "fine", "yes", "OK") == (
        response.status_code,
        response.text,
        response.headers["X-Answer"],
        response.reason_phrase,
    )


def test_what_httpx_adds_by_itself_does_not_hide_the_headers_of_the_session(scripted: Scripted) -> None:
    """The session's own Accept-Encoding, User-Agent and Accept reach the server unless the request names them."""
    server = scripted(Answer())
    session = requests.Session()
    session.headers.update(
        {"User-Agent": "host/1", "Accept-Encoding": "identity", "Accept": "text/x-mine", "X-Team": "a"}
    )
    with client(session) as http:
        http.get(server.url)
        http.get(server.url, headers={"User-Agent": "ours/2"})
    seen = [{name.lower(): value for name, value in asked.headers.items()} for asked in server.asked]
    names = ("user-agent", "accept-encoding", "accept", "x-team")
    assert ["host/1", "identity", "text/x-mine", "a"] == [seen[0][name] for name in names]
    assert "ours/2" == seen[1]["user-agent"]


def test_cookies_live_in_the_jar_of_the_session(scripted: Scripted) -> None:
    """A cookie that the server sets comes back with the next request, and the session's owner sees it."""
    server = scripted(Answer(200, b"", {"Set-Cookie": "ticket=t1; Path=/"}), Answer())
    session = requests.Session()
    with client(session) as http:
        http.get(server.url)
        http.get(server.url)
        assert {} == dict(http.cookies)
    assert "ticket=t1" == server.asked[1].headers["Cookie"]
    assert "t1" == session.cookies["ticket"]


def test_auth_and_hooks_of_the_session_run(scripted: Scripted) -> None:
    """The session's auth signs each request and its hooks see each answer."""
    server = scripted(Answer())
    seen: list[int] = []
    session = requests.Session()
    session.auth = HTTPBasicAuth("me", "pass")
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    with client(session) as http:
        http.get(server.url)
    assert ("Basic bWU6cGFzcw==", [200]) == (server.asked[0].headers["Authorization"], seen)


def test_hook_that_raises_for_status_still_gives_the_answer(scripted: Scripted) -> None:
    """A hook that calls raise_for_status() does not turn an answer into a network error."""
    server = scripted(Answer(404, b"none of that name"))
    session = requests.Session()
    session.hooks["response"].append(lambda response, **_: response.raise_for_status())
    with client(session) as http:
        response = http.get(server.url)
    assert (404, "none of that name") == (response.status_code, response.text)


def test_netrc_does_not_replace_credentials_that_the_request_has(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials in a netrc file serve requests without any, and never those that have their own."""
    server = scripted(Answer())
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with client() as http:
        http.get(server.url, headers={"Authorization": "Bearer t"})
        http.get(server.url)
    assert ["Bearer t", "Basic c29tZWJvZHk6ZWxzZQ=="] == [asked.headers["Authorization"] for asked in server.asked]


def test_adapter_gets_both_timeouts(scripted: Scripted) -> None:
    """Connect and read timeout of httpx arrive at the adapter as requests' pair."""
    server = scripted(Answer())
    session = requests.Session()
    adapter = CountingAdapter()
    session.mount("http://", adapter)
    with client(session) as http:
        http.get(server.url, timeout=httpx.Timeout(7.0, connect=3.0))
    assert ([f"{server.url}/"], [(3.0, 7.0)]) == (adapter.sent, adapter.timeouts)


def test_proxy_of_the_session_is_used(scripted: Scripted) -> None:
    """Requests go through the session's proxy."""
    proxy = scripted(Answer(200, b"by proxy"))
    session = requests.Session()
    session.proxies["http"] = proxy.url
    with client(session) as http:
        response = http.get("http://layer.invalid/v1/applications")
    assert ("by proxy", "http://layer.invalid/v1/applications") == (response.text, proxy.asked[0].path)


def test_verify_and_cert_of_the_session_are_used() -> None:
    """TLS settings of the session arrive at its adapter."""

    class Recording(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # type: ignore[override]
            seen.append((kwargs["verify"], kwargs["cert"]))
            raise requests.ConnectionError("seen enough", request=request)

    seen: list[Any] = []
    session = requests.Session()
    session.verify, session.cert = "/ca.pem", ("/client.pem", "/client.key")
    session.mount("https://", Recording())
    with client(session) as http, pytest.raises(httpx.ConnectError):
        http.get("https://127.0.0.1:1/")
    assert [("/ca.pem", ("/client.pem", "/client.key"))] == seen


def test_body_is_decoded_once(scripted: Scripted) -> None:
    """A compressed answer arrives decoded, and the header that would have it decoded again is gone."""
    server = scripted(Answer(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"}))
    with client() as http:
        response = http.get(server.url)
    assert ({"a": 1}, None) == (response.json(), response.headers.get("content-encoding"))


def test_connection_is_used_again(scripted: Scripted) -> None:
    """Each request gives its connection back to the pool."""
    server = scripted(Answer(200, b"x" * 100_000))
    with client() as http:
        for _ in range(5):
            http.post(server.url, content=b"y")
    assert 1 == len(server.connections)


def test_redirect_that_keeps_the_method_is_followed_by_requests_alone(scripted: Scripted) -> None:
    """A 307 is followed with method and body; httpx sees only the last answer."""
    server = scripted(lambda asked: redirect("/there") if asked.path == "/" else Answer(201, b"made"))
    with client() as http:
        response = http.post(server.url, content=b"body")
    assert [("POST", "/", b"body"), ("POST", "/there", b"body")] == [(a.method, a.path, a.body) for a in server.asked]
    assert (201, "made", []) == (response.status_code, response.text, response.history)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirect_that_would_drop_the_body_is_handed_back(scripted: Scripted, status: int) -> None:
    """Where following means a GET instead of a POST, the redirect itself is the answer, not the GET's success."""
    server = scripted(lambda asked: redirect("/there", status) if asked.path == "/" else Answer(200, b"a page"))
    with client() as http:
        response = http.post(server.url, content=b"body")
    assert (status, "/there") == (response.status_code, response.headers["location"])


def test_redirect_to_another_origin_carries_no_credentials(scripted: Scripted) -> None:
    """The Authorization header stays with the origin that it was meant for."""
    elsewhere = scripted(Answer())
    server = scripted(redirect(elsewhere.url.replace("127.0.0.1", "localhost")))
    with client() as http:
        http.get(server.url, headers={"Authorization": "Bearer t"})
    assert ["Bearer t", None] == [s.asked[0].headers.get("Authorization") for s in (server, elsewhere)]


def test_redirects_without_end_are_an_error_of_their_own(scripted: Scripted) -> None:
    """A loop of redirects ends as httpx.TooManyRedirects."""
    server = scripted(redirect("/"))
    with client() as http, pytest.raises(httpx.TooManyRedirects):
        http.get(server.url)


def test_server_that_never_answers_is_a_read_timeout(scripted: Scripted) -> None:
    """The read timeout ends the wait, with requests' exception as the cause."""
    server = scripted(Answer(delay=30))
    with client(timeout=0.2) as http, pytest.raises(httpx.ReadTimeout) as caught:
        http.get(server.url)
    assert isinstance(caught.value.__cause__, requests.ReadTimeout)


def test_answer_that_stops_in_its_body_is_a_read_timeout(scripted: Scripted) -> None:
    """A body that does not go on is told apart from a connection that broke."""
    server = scripted(Answer(200, b"half", {"Content-Length": "100"}))
    with client(timeout=0.2) as http, pytest.raises(httpx.ReadTimeout):
        http.get(server.url)


def test_connection_that_breaks_is_a_protocol_error(scripted: Scripted) -> None:
    """A server that closes the connection instead of answering shows as RemoteProtocolError."""
    server = scripted(Answer(cut=True))
    with client() as http, pytest.raises(httpx.RemoteProtocolError):
        http.get(server.url)


def test_refused_connection_is_a_connect_error() -> None:
    """Nobody listening shows as ConnectError, with the cause."""
    with client() as http, pytest.raises(httpx.ConnectError) as caught:
        http.get("http://127.0.0.1:1/")
    assert isinstance(caught.value.__cause__, requests.ConnectionError)


def test_full_backlog_is_a_connect_timeout() -> None:
    """A host that takes no connection within the timeout shows as ConnectTimeout."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)  # noqa: FBT003  (the standard library's signature)
            each.connect_ex(listener.getsockname())
        with client(timeout=0.3) as http, pytest.raises(httpx.ConnectTimeout):
            http.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        for each in waiting:
            each.close()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/no-host"])
def test_address_that_no_adapter_takes_is_an_unsupported_protocol(url: str) -> None:
    """What requests cannot send to is said in httpx's words."""
    with client() as http, pytest.raises(httpx.UnsupportedProtocol):
        http.get(url)


def test_header_that_cannot_be_sent_is_a_local_error(scripted: Scripted) -> None:
    """A header with a line break never reaches the wire."""
    server = scripted(Answer())
    with client() as http, pytest.raises(httpx.LocalProtocolError):
        http.get(server.url, headers={"X-Bad": "a\r\nb: c"})
    assert [] == server.asked


def test_every_exception_of_requests_is_mapped() -> None:
    """Each class in requests.exceptions has a row of its own, and none stands behind one of its bases."""
    theirs = {
        kind
        for kind in vars(requests.exceptions).values()
        if inspect.isclass(kind) and issubclass(kind, requests.RequestException)
    }
    mapped = [kind for kind, _ in EXCEPTIONS]
    derived = {requests.exceptions.JSONDecodeError}  # an InvalidJSONError; as the answer is never parsed, none comes
    assert set() == theirs - set(mapped) - derived
    hidden = [kind for index, kind in enumerate(mapped) if any(issubclass(kind, earlier) for earlier in mapped[:index])]
    assert [] == hidden


def test_every_mapped_exception_is_one_that_the_generated_client_documents() -> None:
    """What comes out is always an httpx.RequestError, and timeouts are httpx.TimeoutException."""
    assert all(issubclass(kind, httpx.RequestError) for _, kind in EXCEPTIONS)
    timeouts = [kind for source, kind in EXCEPTIONS if issubclass(source, requests.Timeout)]
    assert all(issubclass(kind, httpx.TimeoutException) for kind in timeouts)


@pytest.mark.parametrize(("theirs", "ours"), EXCEPTIONS)
def test_adapter_that_raises_is_answered_in_kind(theirs: type[BaseException], ours: type[httpx.RequestError]) -> None:
    """Whatever an adapter raises comes out as the table says, with the request and the cause attached."""

    class Raising(HTTPAdapter):
        def send(self, *_: Any, **__: Any) -> requests.Response:
            raise theirs("utf-8", "x", 0, 1, "no") if theirs is UnicodeError else theirs("told to")

    session = requests.Session()
    session.mount("http://", Raising())
    with client(session) as http, pytest.raises(httpx.RequestError) as caught:
        http.get("http://127.0.0.1:1/")
    assert (ours, theirs) == (type(caught.value), type(caught.value.__cause__))
    assert "http://127.0.0.1:1/" == str(caught.value.request.url)


def test_many_threads_share_one_session(scripted: Scripted) -> None:
    """Sixteen threads get their own answers, over no more connections than the pool holds."""

    def echo(asked: Asked) -> Answer:
        return Answer(200, asked.body)

    server = scripted(echo)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=4, pool_block=True))
    with client(session) as http, ThreadPoolExecutor(16) as threads:
        bodies = [str(number).encode() for number in range(400)]
        answers = list(threads.map(lambda body: http.post(server.url, content=body).content, bodies))
    assert bodies == answers
    assert 4 >= len(server.connections)


def test_async_client_sends_in_a_thread(scripted: Scripted) -> None:
    """The async side gives the same answers and never sends on the event loop's thread."""
    server = scripted(Answer(200, b"fine"))
    senders: list[int] = []
    session = requests.Session()
    session.hooks["response"].append(lambda *_, **__: senders.append(threading.get_ident()))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=RequestsTransport(session), trust_env=False) as http:
            return await http.post(server.url, content=b"body")

    response = asyncio.run(ask())
    assert (200, b"fine", b"body") == (response.status_code, response.content, server.asked[0].body)
    assert threading.get_ident() not in senders


def test_closing_the_client_leaves_the_session_open(scripted: Scripted) -> None:
    """The session belongs to whoever made it."""
    server = scripted(Answer())
    session = requests.Session()
    with client(session) as http:
        http.get(server.url)
    assert 200 == session.get(server.url, timeout=5).status_code
    assert 1 == len(server.connections)


def test_own_requests_are_marked_as_such(scripted: Scripted) -> None:
    """While a request of ours is on its way, and only then, instrumentation is told to look away."""
    seen: list[bool] = []
    session = requests.Session()
    session.hooks["response"].append(lambda *_, **__: seen.append(is_suppressed()))
    with client(session) as http:
        http.get(scripted(Answer()).url)
    assert ([True], False) == (seen, is_suppressed())


def test_cookie_jars_are_free_in_a_forked_child() -> None:
    """Httpx locks its cookies at every answer: a child must not wait for a thread of the parent's that it has not."""
    session = requests.Session()
    client = raw_client("http://127.0.0.1:1", session, 1.0)
    jars = [client.get_httpx_client().cookies.jar, client.get_async_httpx_client().cookies.jar, session.cookies]
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with jars[0]._cookies_lock, jars[1]._cookies_lock, jars[2]._cookies_lock:  # type: ignore[attr-defined]
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if not child:
        free = [jar._cookies_lock.acquire(blocking=False) for jar in jars]  # type: ignore[attr-defined]
        os._exit(0 if all(free) else 1)
    done.set()
    holder.join()
    assert 0 == os.waitpid(child, 0)[1]
