"""What the owner of a session promised itself of it, or did to requests: it goes the long way, and keeps working."""

from __future__ import annotations

import subprocess
import sys
from http.cookiejar import LWPCookieJar
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
from requests import adapters, sessions
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3 import PoolManager

from layer_sdk import _shipped
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Answer as ShortAnswer
from layer_sdk._shortcut import Asking, Shortcut
from scripted_server import Answer, ScriptedServer
from two_ways import SECONDS, recorder

Scripted = Callable[..., ScriptedServer]

ROOT = Path(__file__).resolve().parent.parent
PLACES = [(place, name) for place, names in _shipped.PLACES for name in names]


def asking(server: ScriptedServer, url: str | None = None) -> Asking:
    return Asking("POST", f"{url or server.url}/v1/sessions", {"Accept": "application/json"}, b"{}", SECONDS)


def send(session: requests.Session, server: ScriptedServer) -> ShortAnswer:
    return Sender(session).exchange(asking(server))


def is_short(session: requests.Session, server: ScriptedServer) -> bool:
    return Shortcut(session).send(asking(server), SECONDS) is not None


def test_session_out_of_the_box_goes_the_short_way(scripted: Scripted) -> None:
    """Nothing is promised yet, so all other tests here tell what the promise changed."""
    server = scripted(Answer(202))
    assert is_short(requests.Session(), server)
    assert 202 == send(requests.Session(), server).status_code


@pytest.mark.parametrize(("place", "name"), PLACES, ids=lambda each: getattr(each, "__name__", each))
def test_function_that_somebody_replaced_in_requests_is_called(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    """Tools that trace, record or fake requests put their functions there, and see each request of ours."""
    server = scripted(Answer(202))
    calls: list[Any] = []
    monkeypatch.setattr(place, name, recorder(getattr(place, name), calls))
    assert not is_short(requests.Session(), server)
    assert [] == [*calls, *server.asked]
    assert 202 == send(requests.Session(), server).status_code
    assert 1 <= len(calls)


@pytest.mark.parametrize("name", _shipped.SESSION)
def test_method_that_the_owner_put_on_the_session_is_called(scripted: Scripted, name: str) -> None:
    """A session whose own method was replaced, on the object alone, is used as it is."""
    server = scripted(Answer(202))
    session = requests.Session()
    calls: list[Any] = []
    setattr(session, name, recorder(getattr(session, name), calls))
    assert not is_short(session, server)
    assert [] == calls
    assert 202 == send(session, server).status_code
    assert 1 <= len(calls)


@pytest.mark.parametrize("name", _shipped.ADAPTER)
def test_method_that_the_owner_put_on_an_adapter_is_called(scripted: Scripted, name: str) -> None:
    """So is an adapter."""
    server = scripted(Answer(202))
    session = requests.Session()
    adapter = session.get_adapter(server.url)
    calls: list[Any] = []
    setattr(adapter, name, recorder(getattr(adapter, name), calls))
    assert not is_short(session, server)
    assert 202 == send(session, server).status_code
    assert 1 <= len(calls)


def test_function_that_was_replaced_before_the_sdk_was_imported_is_called(scripted: Scripted) -> None:
    """Instrumentation that came first, and took over the name and module of what it wraps, is no part of requests."""
    server = scripted(Answer(202))
    program = f"""
import functools, requests
original = requests.Session.send
@functools.wraps(original)
def send(*arguments, **options):
    print("seen")
    return original(*arguments, **options)
requests.Session.send = send
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Asking
Sender(requests.Session()).exchange(Asking("POST", "{server.url}/", {{}}, b"", (5.0, 5.0)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ("seen\n", "", 1) == (done.stdout, done.stderr, len(server.asked))


class Session(requests.Session):
    """A class of the owner's own."""


class Adapter(HTTPAdapter):
    """A class of the owner's own."""


class Pools(PoolManager):
    """A class of the owner's own."""


class Jar(RequestsCookieJar):
    """A class of the owner's own."""


class Headers(CaseInsensitiveDict):  # type: ignore[type-arg]
    """A class of the owner's own."""


def refuse(response: requests.Response, **_: Any) -> None:
    response.raise_for_status()


CHANGES: dict[str, Callable[[requests.Session], object]] = {
    "adapter": lambda session: session.mount("http://", Adapter()),
    "adapter of this host": lambda session: session.mount("http://127.0.0.1", Adapter()),
    "pools": lambda session: setattr(session.get_adapter("http://a"), "poolmanager", Pools()),
    "auth": lambda session: setattr(session, "auth", ("me", "pass")),
    "params": lambda session: session.params.update({"a": "1"}),  # type: ignore[union-attr]
    "hook": lambda session: session.hooks["response"].append(refuse),
    "hook that stands alone": lambda session: session.hooks.update({"response": refuse}),
    "stream": lambda session: setattr(session, "stream", True),
    "proxies": lambda session: session.proxies.update({"https": "http://127.0.0.1:1"}),
    "class of the jar": lambda session: setattr(session, "cookies", Jar()),
    "jar of the standard library": lambda session: setattr(session, "cookies", LWPCookieJar()),
    "class of the headers": lambda session: setattr(session, "headers", Headers({"a": "1"})),
    "class": lambda session: setattr(session, "__class__", Session),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_session_that_its_owner_changed_goes_the_long_way(
    scripted: Scripted, change: Callable[[requests.Session], object]
) -> None:
    """Whatever hangs on a session, and whenever it was hung there, is looked at for each request."""
    server = scripted(Answer(202))
    session = requests.Session()
    shortcut = Shortcut(session)
    assert shortcut.send(asking(server), SECONDS) is not None
    change(session)
    assert shortcut.send(asking(server), SECONDS) is None
    assert 202 == send(session, server).status_code
    assert 2 == len(server.asked)


def test_promises_are_kept(scripted: Scripted) -> None:
    """Auth, params, hooks, headers and adapters of a session, all given after its first request, work."""
    server = scripted(Answer(202))
    session = requests.Session()
    sender = Sender(session)
    sender.exchange(asking(server))
    seen: list[int] = []
    session.auth = ("me", "pass")
    session.params = {"a": "1"}
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    session.headers.update({"X-Team": "a", "User-Agent": None})  # type: ignore[dict-item]
    sender.exchange(asking(server))
    asked = server.asked[1]
    assert ("/v1/sessions?a=1", "Basic bWU6cGFzcw==", [202]) == (asked.path, asked.headers["Authorization"], seen)
    assert ("a", True) == (asked.headers["X-Team"], asked.headers["User-Agent"].startswith("python-urllib3"))


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxy_that_appears_in_the_environment_is_used(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From one request to the next, a proxy comes, is bypassed, and goes."""
    server, proxy = scripted(Answer(202)), scripted(Answer(200))
    sender = Sender(requests.Session())

    def status() -> int:
        return sender.exchange(asking(server)).status_code

    found = [status()]
    monkeypatch.setenv(name, proxy.url)
    found.append(status())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found.append(status())
    monkeypatch.delenv("NO_PROXY")
    found.append(status())
    monkeypatch.delenv(name)
    found.append(status())
    assert [202, 200, 202, 200, 202] == found
    assert [f"{server.url}/v1/sessions"] * 2 == [asked.path for asked in proxy.asked]


def test_environment_that_is_not_trusted_does_not_count(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A session that trusts the environment no more knows neither proxies nor netrc, and goes the short way."""
    server = scripted(Answer(202))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session = requests.Session()
    shortcut = Shortcut(session)
    found = []
    for session.trust_env in (True, False, True):
        found.append(shortcut.send(asking(server), SECONDS) is not None)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for session.trust_env in (True, False):
        found.append(shortcut.send(asking(server), SECONDS) is not None)
    assert [False, True, False, False, True] == found


def test_headers_of_the_session_are_those_of_the_moment(scripted: Scripted) -> None:
    """A header that the owner sets, changes or deletes does so from the next request on, on the short way."""
    server = scripted(Answer(202))
    session = requests.Session()
    shortcut = Shortcut(session)
    for change in ({}, {"X-Team": "a"}, {"X-Team": "b"}):
        session.headers.update(change)
        assert shortcut.send(asking(server), SECONDS) is not None
    del session.headers["X-Team"]
    assert shortcut.send(asking(server), SECONDS) is not None
    assert [None, "a", "b", None] == [asked.headers.get("X-Team") for asked in server.asked]


def test_login_of_a_netrc_file_is_sent(scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is sent to the host that it is for, by way of requests, and to no other."""
    server = scripted(Answer(202))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session = requests.Session()
    send(session, server)
    assert "Basic bWU6cGFzcw==" == server.asked[0].headers["Authorization"]
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    assert Shortcut(session).send(asking(server, elsewhere), SECONDS) is not None
    assert "Authorization" not in server.asked[1].headers


def test_timeout_of_a_class_that_somebody_put_into_requests_counts(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gives every request of a program another timeout, by the class that requests makes it with, gives it ours."""
    seen: list[Any] = []

    class Timeout(adapters.TimeoutSauce):  # type: ignore[misc, name-defined]
        def __init__(self, connect: Any = None, read: Any = None) -> None:
            seen.append((connect, read))
            super().__init__(connect=0.1, read=0.1)

    monkeypatch.setattr(adapters, "TimeoutSauce", Timeout)
    server = scripted(Answer(delay=30))
    for _ in range(2):
        with pytest.raises(requests.ReadTimeout):
            Shortcut(requests.Session()).send(asking(server), SECONDS)
    assert [SECONDS] * 2 == seen


def test_class_that_somebody_put_in_the_place_of_a_session_goes_the_long_way(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that replaces `requests.Session` by a class of its own is asked first."""
    server = scripted(Answer(202))
    for module in (requests, sessions):
        monkeypatch.setattr(module, "Session", Session)
    assert not is_short(requests.Session(), server)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    "origin",
    ["http://a.b", "http://a.b:80", "https://a.b", "https://a.b:8443", "http://[::1]:90", "http://127.0.0.1:3"],
)
def test_pool_has_the_key_that_urllib3_makes(origin: str, verify: bool) -> None:  # noqa: FBT001
    """The pool that is looked for without making its key anew is the one that requests would have."""
    session = requests.Session()
    session.verify = verify
    adapter: Any = session.get_adapter(origin)
    settings = Shortcut(session)._settings(adapter, origin)
    assert settings.pool is not None
    made = adapter.poolmanager.connection_from_host(**settings.pool)
    assert made is adapter.poolmanager.pools.get(settings.key)


def test_way_to_make_keys_of_pools_is_that_of_the_moment(scripted: Scripted) -> None:
    """Who has connections told apart in another way, between two requests, finds another pool in use."""
    server = scripted(Answer(202))
    session = requests.Session()
    shortcut = Shortcut(session)
    assert shortcut.send(asking(server), SECONDS) is not None
    manager: Any = session.get_adapter(server.url).poolmanager  # type: ignore[attr-defined]
    manager.key_fn_by_scheme = {**manager.key_fn_by_scheme, "http": lambda context: ("mine", context["host"])}
    assert shortcut.send(asking(server), SECONDS) is not None
    assert ("mine", "127.0.0.1") in manager.pools.keys()  # noqa: SIM118  (it has no `in` of its own)
    assert 2 == len(server.connections)
