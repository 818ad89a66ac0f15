"""The short way and the long way over TLS: whom a session trusts, and who it says it is."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from authority import Authority
from layer_sdk._sender import Sender
from layer_sdk._shortcut import Asking, Shortcut
from scripted_server import Answer, ScriptedServer
from two_ways import SECONDS, LongSession, outcome, without_chance

if TYPE_CHECKING:
    from pathlib import Path

Prepare = Callable[[requests.Session, Authority], object]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom both sides trust."""
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[ScriptedServer]:
    """A server that asks for a certificate, and answers without one too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    with ScriptedServer(lambda asked: Answer(200, asked.body)) as started:
        listener = started._server.socket
        started._server.socket = context.wrap_socket(listener, server_side=True)
        yield started


def asking(server: ScriptedServer) -> Asking:
    return Asking("POST", server.url.replace("http://", "https://") + "/", {}, b"body", SECONDS)


def ask(session: requests.Session, server: ScriptedServer) -> Any:
    sender = Sender(session)
    found = [outcome(lambda: sender.exchange(asking(server))) for _ in range(2)]
    session.close()
    return without_chance(found, server.url.rpartition(":")[2])


def settings(**given: Callable[[Authority], Any]) -> Prepare:
    return lambda session, authority: vars(session).update({name: of(authority) for name, of in given.items()})


def own_context(session: requests.Session, authority: Authority) -> None:
    adapter = HTTPAdapter()
    context = ssl.create_default_context(cafile=str(authority.path))
    adapter.init_poolmanager(10, 10, ssl_context=context)
    session.mount("https://", adapter)


def none(_: object) -> str:
    return "/no/such/file.pem"


TRUSTS: dict[str, Prepare] = {
    "nobody": settings(),
    "the authority": settings(verify=lambda authority: str(authority.path)),
    "a path of the authority's": settings(verify=lambda authority: authority.path),
    "everybody": settings(verify=lambda _: False),
    "a file that is none": settings(verify=none),
    "a folder of none": settings(verify=lambda authority: str(authority.path.parent)),
    "the authority, with a certificate": settings(
        verify=lambda authority: str(authority.path), cert=lambda authority: str(authority.issue("me"))
    ),
    "the authority, with a certificate and its key": settings(
        verify=lambda authority: str(authority.path), cert=lambda authority: (str(authority.issue("me")),) * 2
    ),
    "the authority, with a certificate that is none": settings(verify=lambda authority: str(authority.path), cert=none),
    "the authority, by a context": own_context,
}


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("trust", TRUSTS.values(), ids=TRUSTS.keys())
def test_trust_is_told_alike(server: ScriptedServer, authority: Authority, trust: Prepare) -> None:
    """Whom a session trusts, and what it proves, is the same on both ways, and so is what is said of a refusal."""
    found = []
    for session in (requests.Session(), LongSession()):
        trust(session, authority)
        found.append((ask(session, server), len(server.asked)))
        server.asked.clear()
    assert found[1] == found[0]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_trust_follows_the_environment(
    server: ScriptedServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A bundle that a variable names counts from the next request on, as it does on the long way."""
    found = []
    for session in (requests.Session(), LongSession()):
        found.append([ask(session, server)])
        monkeypatch.setenv(name, str(authority.path))
        found[-1].append(ask(session, server))
        monkeypatch.setenv(name, "/no/such/file.pem")
        found[-1].append(ask(session, server))
        monkeypatch.delenv(name)
    assert found[1] == found[0]
    assert 4 == len(server.asked)


def test_trust_follows_the_session(server: ScriptedServer, authority: Authority) -> None:
    """Trust that is taken away, or given, counts from the next request on; the short way is gone all the while."""
    session = requests.Session()
    shortcut = Shortcut(session)
    session.verify = str(authority.path)
    assert b"body" == getattr(shortcut.send(asking(server), SECONDS), "content", None)
    session.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        shortcut.send(asking(server), SECONDS)
    session.verify = False
    with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        assert b"body" == getattr(shortcut.send(asking(server), SECONDS), "content", None)
    session.close()


def test_trust_of_an_adapter_is_its_own(server: ScriptedServer, authority: Authority) -> None:
    """Of two adapters for one host, each brings the context that it was given, whatever was found out for the other."""
    session = requests.Session()
    shortcut = Shortcut(session)
    with pytest.raises(requests.exceptions.SSLError):
        shortcut.send(asking(server), SECONDS)
    own_context(session, authority)
    assert b"body" == getattr(shortcut.send(asking(server), SECONDS), "content", None)
    session.close()


def test_answer_over_a_connection_that_was_used_before_is_read_without_urllib3(
    server: ScriptedServer, authority: Authority
) -> None:
    """So it is over TLS, unless nobody said whom to trust: of that urllib3 warns at each request."""
    session = requests.Session()
    shortcut = Shortcut(session)
    session.verify = str(authority.path)
    assert [True, False, False] == [
        getattr(shortcut.send(asking(server), SECONDS), "raw", 0) is not None for _ in "abc"
    ]
    session.verify = False
    for _ in "abc":
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert b"body" == getattr(shortcut.send(asking(server), SECONDS), "content", None)
    session.close()
