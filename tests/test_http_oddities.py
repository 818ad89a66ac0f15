"""Answers and requests over httpx at which something along the way stumbled."""

from __future__ import annotations

from typing import Callable

import httpx
import pytest
import requests

from layer_sdk._http import RequestsTransport
from scripted_server import Answer, ScriptedServer

Scripted = Callable[..., ScriptedServer]


def client(session: requests.Session | None = None) -> httpx.Client:
    return httpx.Client(transport=RequestsTransport(session or requests.Session()), timeout=5, trust_env=False)


def test_header_that_is_repeated_arrives_whole(scripted: Scripted) -> None:
    """Values of one name are joined in their order, however the name is spelled each time."""
    server = scripted(Answer())
    with client() as http:
        http.get(server.url, headers=[("X-Mine", "1"), ("x-mine", "2"), ("X-Mine", "3"), ("X-Last", "4")])
    assert ["1, 2, 3", "4"] == [server.asked[0].headers[name] for name in ("X-Mine", "X-Last")]


def test_headers_arrive_in_the_order_that_they_were_given_in(scripted: Scripted) -> None:
    """The order is the caller's, after the session's own."""
    server = scripted(Answer())
    names = [f"X-{letter}" for letter in "qwertyuiop"]
    with client() as http:
        http.get(server.url, headers=[(name, "1") for name in names])
    assert names == [name for name in server.asked[0].headers if name.startswith("X-")]


def test_hook_that_raises_for_half_an_answer_is_a_protocol_error(scripted: Scripted) -> None:
    """Where a hook raises for the status before the body is read, and that breaks off, httpx's words are used."""
    server = scripted(Answer(404, b"none", {"Content-Length": "100", "Connection": "close"}))
    session = requests.Session()
    session.hooks["response"].append(lambda response, **_: response.raise_for_status())
    with client(session) as http, pytest.raises(httpx.RemoteProtocolError):
        http.get(server.url)


@pytest.mark.parametrize("session", [requests.Session(), type("Own", (requests.Session,), {})()], ids=["short", "long"])
def test_redirect_to_what_is_no_address_is_an_error_of_httpx(scripted: Scripted, session: requests.Session) -> None:
    """What requests cannot read as a URL, it says with a bare ValueError; that goes no further."""
    server = scripted(Answer(307, b"", {"Location": "http://[there/"}))
    with client(session) as http, pytest.raises(httpx.RequestError):
        http.get(server.url)
    session.close()
