from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable

import httpx
import pytest
from pages import Page

from layer_sdk.devserver import Server, Settings
from layer_sdk.devserver._hosts import Hosts, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def locked() -> Iterator[httpx.Client]:
    """A client of a server that has a token."""
    with Server(Settings(token=TOKEN)) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/dev/sessions", "/v1/applications", "/readyz", "/static/0/page.js", "/dev/events"]
)
@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "localhost.evil.test", "", "[::1", "a b"]
)
def test_other_hosts_are_refused(layer: httpx.Client, path: str, host: str) -> None:
    """What calls the server by a name that is not its own, as DNS rebinding does, gets nothing: page, JSON or API."""
    answer = layer.get(path, headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "app.localhost", "127.0.0.1:9", "127.8.9.1", "[::1]:80", "[::1]"]
)
def test_names_of_this_machine_are_let_in(layer: httpx.Client, host: str) -> None:
    """The loopback names and addresses are the server's own, with any port: it may be forwarded."""
    assert 200 == layer.get("/", headers={"Host": host}).status_code


def test_hosts_of_a_server_that_others_reach() -> None:
    """A server on another address is called by any address and by its names, not by other names."""
    hosts = Hosts("0.0.0.0", ["Layer.Internal"])  # noqa: S104
    taken = ["10.1.2.3:4747", "layer.internal", "localhost", "[fe80::1]:4747", "layer.internal.:80"]
    assert [True] * 5 == [hosts.takes(host) for host in taken]
    assert [False] * 3 == [hosts.takes(host) for host in ("evil.test", "layer.internal.evil.test", "")]
    assert (None, None, "::1") == (host_of("[x]:1"), host_of("a:b"), host_of("[::1]:5"))


@pytest.mark.parametrize("path", ["/", "/dev/sessions", "/v1/applications"])
def test_pages_of_other_sites_read_nothing(layer: httpx.Client, path: str) -> None:
    """A request that a browser makes for another site's page is refused; a link from there may be followed."""
    from_script = layer.get(path, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
    by_link = layer.get(path, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    own = layer.get(path, headers={"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"})
    assert [403, 200, 200] == [from_script.status_code, by_link.status_code, own.status_code]
    assert "access-control-allow-origin" not in own.headers


def test_without_the_token_nothing_is_shown(locked: httpx.Client) -> None:
    """With a token, the page, its JSON, its events and the API need it; health and style do not."""
    statuses = {path: locked.get(path).status_code for path in ("/", "/sessions/x", "/dev/sessions", "/dev/events")}
    assert {401} == set(statuses.values())
    assert 401 == locked.post("/v1/sessions", json={"application_id": "shop"}).status_code
    assert (200, 200) == (locked.get("/readyz").status_code, locked.get("/static/0/style.css").status_code)
    page = locked.get("/")
    assert "A token is needed" in Page(page.text).text
    assert "Content-Security-Policy" in page.headers
    assert "Bearer" in locked.get("/v1/applications").headers["WWW-Authenticate"]


@pytest.mark.parametrize("wrong", ["x", "a-token-of-this-tesT", TOKEN + "x", "é" * 20])
def test_a_wrong_token_is_none(locked: httpx.Client, wrong: str) -> None:
    """A token that is not the server's opens nothing, in whichever way it comes."""
    assert 401 == locked.get("/", params={"token": wrong}).status_code
    assert 401 == locked.get("/v1/applications", headers={"Authorization": f"Bearer {wrong}".encode()}).status_code
    name = "layer_dev_" + "0" * 12
    assert 401 == locked.get("/", headers={"Cookie": f"{name}={wrong}".encode()}).status_code


def test_the_token_is_good_for_the_api(locked: httpx.Client) -> None:
    """As a bearer token it opens the API and the JSON; in an address of the API it does not."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    created = locked.post("/v1/sessions", json={"application_id": "shop"}, headers=headers)
    assert (201, 200) == (created.status_code, locked.get("/dev/sessions", headers=headers).status_code)
    assert 401 == locked.get("/v1/applications", params={"token": TOKEN}).status_code


def test_the_first_visit_leaves_a_cookie(locked: httpx.Client) -> None:
    """The address with the token leads to one without it, and a cookie that no script and no other site can use."""
    first = httpx.get(f"{locked.base_url}/", params={"token": TOKEN, "q": "a&b"})
    cookie = first.headers["Set-Cookie"]
    assert (303, "/?q=a%26b") == (first.status_code, first.headers["Location"])
    assert re.fullmatch(r"layer_dev_\w{12}=[0-9a-f]{64}; HttpOnly; Path=/; SameSite=strict", cookie)
    assert TOKEN not in cookie
    with_it = {"Cookie": cookie.partition(";")[0]}
    assert [200, 200] == [locked.get(path, headers=with_it).status_code for path in ("/", "/dev/sessions")]
    assert 401 == locked.get("/v1/applications", headers=with_it).status_code
    assert "/x" == httpx.get(f"{locked.base_url}//x", params={"token": TOKEN}).headers["Location"]


def test_a_server_that_others_reach_makes_up_a_token() -> None:
    """On another address than loopback there is a token, new for each server, and no log or repr has it."""
    one, other = Settings(host="0.0.0.0"), Settings(host="0.0.0.0")  # noqa: S104
    assert one.token
    assert one.token != other.token
    assert one.token not in repr(one)
    assert Settings().token is None
    with Server(one) as server:
        assert f"{server.url}/?token={one.token}" == server.page_url
        assert [401, 303] == [httpx.get(url).status_code for url in (server.url, server.page_url)]
    with Server() as server:
        assert f"{server.url}/" == server.page_url


def test_with_an_issuer_the_api_takes_its_tokens() -> None:
    """Where an issuer vouches for who uses the API, the API asks for its tokens, and the page for the server's own."""
    with Server(Settings(token=TOKEN, oidc_issuer="http://127.0.0.1:9/realms/none")) as server:
        for token in (TOKEN, "a-token-of-the-issuer"):
            answer = httpx.get(f"{server.url}/v1/applications", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (401, 503)
            assert "The token of this server" not in answer.text
            page = httpx.get(f"{server.url}/dev/sessions", headers={"Authorization": f"Bearer {token}"})
            assert (200 if token == TOKEN else 401) == page.status_code


@pytest.mark.parametrize("token", ["", "short", "with a space in it", "x" * 201])
def test_a_token_that_is_none(token: str) -> None:
    """A token that is too short, or that an address can not hold, is refused when settings are made."""
    with pytest.raises(ValueError, match="token must have 16 to 200"):
        Settings(token=token)


def test_no_request_of_a_page_changes_anything(start: Callable[..., httpx.Client]) -> None:
    """Pages answer GET alone, and a form of another site can not record: it can not send JSON."""
    mine = start()
    assert {405} == {
        mine.post(path).status_code for path in ("/", "/totals", "/requests", "/dev/sessions", "/dev/events")
    }
    forged = mine.post("/v1/sessions", content='{"application_id": "shop"}', headers={"Content-Type": "text/plain"})
    assert 415 == forged.status_code
    assert 405 == mine.options("/v1/sessions", headers={"Origin": "https://evil.test"}).status_code
