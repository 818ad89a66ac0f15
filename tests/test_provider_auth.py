"""What a provider's credentials meet on their way to the API: refusals, redirects, other origins, plain http."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests

from layer_api.api.applications import list_applications
from layer_sdk import (
    APIKey,
    AuthProvider,
    BearerToken,
    Layer,
    LayerAuthError,
    LayerAuthHTTPError,
    LayerInvalidConfigurationError,
    OIDCClientCredentials,
)
from leaks import shown_in_frames, told
from scripted_server import CREATED, SESSION, Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from conftest import MakeLayer

Scripted = Callable[..., ScriptedServer]

KEY = "k3y-of-the-test"
PROVIDERS: dict[str, Callable[[], AuthProvider]] = {
    "BearerToken": lambda: BearerToken(KEY),
    "APIKey": lambda: APIKey("X-API-Key", KEY),
}


def numbered_tokens(scripted: Scripted) -> ScriptedServer:
    """Start a token endpoint whose tokens are t1, t2 and so on."""

    def reply(_: Asked) -> Answer:
        return Answer(200, json.dumps({"access_token": f"t{len(server.asked)}", "expires_in": 300}).encode())

    server = scripted(reply)
    return server


def credentials(server: ScriptedServer) -> OIDCClientCredentials:
    return OIDCClientCredentials(
        token_url=server.url, client_id="app", client_secret="s3cr3t", http_session=requests.Session()
    )


# ---- ready-made providers


def test_ready_made_providers_send_their_header(scripted: Scripted, make_layer: MakeLayer) -> None:
    """The token as a bearer's, the key in the header that was named; the function is called for each request."""
    server = scripted(CREATED)
    given = iter(["a", "b"])
    for provider in (BearerToken(KEY), BearerToken(lambda: next(given)), APIKey("X-Key", f"{KEY} {KEY}")):
        make_layer(base_url=server.url, auth_provider=provider).create_session()
    assert [(f"Bearer {KEY}", None), ("Bearer a", None), (None, f"{KEY} {KEY}")] == [
        (asked.headers.get("Authorization"), asked.headers.get("X-Key")) for asked in server.asked
    ]


@pytest.mark.parametrize("value", ["", " ", "a b", "a\n", "ü", 7, None, b"x"])
def test_token_that_cannot_be_sent(value: Any) -> None:
    """It is an error at once, or an auth error where a function gives it; neither shows it."""
    with pytest.raises(LayerInvalidConfigurationError, match=r"^token must"):
        BearerToken(value)
    with pytest.raises(LayerAuthError, match=r"^token must"):
        BearerToken(lambda: value).get_headers()


@pytest.mark.parametrize("value", ["", "\t", " a", "a\r\nX: y", "ü", 7, None])
def test_key_that_cannot_be_sent(value: Any) -> None:
    """The same holds for a key."""
    with pytest.raises(LayerInvalidConfigurationError, match=r"^value must"):
        APIKey("X-Key", value)
    with pytest.raises(LayerAuthError, match=r"^value must"):
        APIKey("X-Key", lambda: value).get_headers()


@pytest.mark.parametrize("header", ["", "X Key", "X:Key", "X\n", "ü", 7])
def test_header_that_is_none(header: Any) -> None:
    """The header's name is one that HTTP has."""
    with pytest.raises(LayerInvalidConfigurationError, match="header must be the name of an HTTP header"):
        APIKey(header, KEY)


def test_ready_made_providers_show_no_secret() -> None:
    """Neither repr nor error nor traceback gives it away."""
    assert ("BearerToken(***)", "APIKey('X-Key', ***)") == (repr(BearerToken(KEY)), repr(APIKey("X-Key", KEY)))
    for make in (lambda: BearerToken(f"{KEY}\n"), lambda: APIKey("X-Key", f"{KEY}\n"), lambda: APIKey("X Key", KEY)):
        with pytest.raises(LayerInvalidConfigurationError) as caught:
            make()
        assert KEY not in str(caught.value) + shown_in_frames(caught.value)


# ---- 401 and 403


@pytest.mark.parametrize("is_async", [False, True])
def test_refused_token_is_replaced_once(scripted: Scripted, make_layer: MakeLayer, is_async: bool) -> None:  # noqa: FBT001
    """After a 401 there is another token and one repetition."""
    issuing = numbered_tokens(scripted)
    server = scripted(lambda asked: CREATED if asked.headers["Authorization"] == "Bearer t2" else Answer(401))
    mine = make_layer(base_url=server.url, auth_provider=credentials(issuing))
    assert SESSION == (asyncio.run(mine.acreate_session()) if is_async else mine.create_session())
    assert ["Bearer t1", "Bearer t2"] == [asked.headers["Authorization"] for asked in server.asked]
    assert 2 == len(issuing.asked)


@pytest.mark.parametrize(("status", "requests_made"), [(401, 2), (403, 1)])
def test_refusal_that_stays(scripted: Scripted, make_layer: MakeLayer, status: int, requests_made: int) -> None:
    """A second 401, or a 403 at once, is an auth error with the server's words."""
    server = scripted(Answer(status, b'{"error": "invalid_token", "error_description": "of another realm"}'))
    with pytest.raises(LayerAuthHTTPError, match="create session: of another realm") as caught:
        make_layer(base_url=server.url, auth_provider=credentials(numbered_tokens(scripted))).create_session()
    assert (status, requests_made) == (caught.value.status_code, len(server.asked))
    assert "Bearer t" not in told(caught.value) + shown_in_frames(caught.value)


def test_words_of_a_challenge(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Where the body is silent, the words are those of the WWW-Authenticate header (RFC 6750, section 3)."""
    challenge = 'Bearer realm="layer", error="invalid_token", error_description="The token \\"x\\" is too old"'
    server = scripted(
        Answer(401, b"", {"WWW-Authenticate": challenge}), Answer(401, b"", {"WWW-Authenticate": "Basic"})
    )
    mine = make_layer(base_url=server.url, auth_provider=BearerToken(KEY))
    for words in ('The token "x" is too old', "no reason given"):
        with pytest.raises(LayerAuthHTTPError) as caught:
            mine.create_session()
        assert f"create session: {words}" == caught.value.message


@pytest.mark.row(12, "a storm of 401")
def test_herd_of_refusals_is_one_token_request(scripted: Scripted, make_layer: MakeLayer) -> None:
    """When a token is revoked under sixteen threads, one other is fetched, and a late 401 does not forget that one."""
    issuing = numbered_tokens(scripted)
    start = threading.Barrier(16)

    def reply(asked: Asked) -> Answer:
        return CREATED if asked.headers["Authorization"] != "Bearer t1" else Answer(401, delay=0.01 * len(api.asked))

    api = scripted(reply)
    mine = make_layer(base_url=api.url, auth_provider=credentials(issuing))

    def create(_: int) -> str:
        start.wait(30)
        return mine.create_session()

    with ThreadPoolExecutor(16) as pool:
        assert [SESSION] * 16 == list(pool.map(create, range(16)))
    assert 2 == len(issuing.asked)


class Plain:
    """Has what a provider must have, an invalidate of its own, and nothing else."""

    def __init__(self) -> None:
        self.forgotten: list[Any] = []

    def get_headers(self) -> dict[str, str]:
        return {"X-Key": f"k{len(self.forgotten)}"}

    def invalidate(self) -> None:
        self.forgotten.append(None)


class Told(Plain):
    def invalidate(self, refused: Any = None) -> None:
        self.forgotten.append(refused)


@pytest.mark.parametrize(("kind", "expected"), [(Plain, [None]), (Told, [{"X-Key": "k0"}])])
def test_invalidate_is_told_what_was_refused_if_it_asks(
    scripted: Scripted, make_layer: MakeLayer, kind: type[Plain], expected: list[Any]
) -> None:
    """With a parameter `refused` it gets the headers, without one it is called as ever."""
    provider = kind()
    server = scripted(Answer(401), CREATED)
    make_layer(base_url=server.url, auth_provider=provider).create_session()
    assert expected == provider.forgotten


def test_provider_without_invalidate_is_asked_for_other_headers(scripted: Scripted, make_layer: MakeLayer) -> None:
    """A function that gives another token by then gets its repetition; the same token is not sent twice."""
    given = iter(["a", "b", "b", "b"])
    server = scripted(Answer(401), CREATED, Answer(401))
    mine = make_layer(base_url=server.url, auth_provider=BearerToken(lambda: next(given)))
    mine.create_session()
    with pytest.raises(LayerAuthHTTPError):
        mine.create_session()
    assert ["Bearer a", "Bearer b", "Bearer b"] == [asked.headers["Authorization"] for asked in server.asked]


# ---- never without credentials


class Giving:
    def __init__(self, headers: Any) -> None:
        self._headers = headers

    def get_headers(self) -> Any:
        return self._headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        None,
        7,
        "text",
        {"Authorization": None},
        {"Authorization": ""},
        {"X": f"{KEY}\r\nY: z"},
        {"X": "ü"},
        {7: KEY},
    ],
)
def test_headers_that_are_none_stop_the_request(scripted: Scripted, make_layer: MakeLayer, headers: Any) -> None:
    """No request goes out without credentials, and no value is shown."""
    server = scripted(CREATED)
    with pytest.raises(LayerAuthError, match=r"Giving.get_headers\(\) ") as caught:
        make_layer(base_url=server.url, auth_provider=Giving(headers)).create_session()
    assert [] == server.asked
    assert KEY not in told(caught.value) + shown_in_frames(caught.value)


def test_invalidate_that_fails_is_an_auth_error(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Whatever a provider raises comes out as one of our exceptions, with its cause."""

    class Broken(Plain):
        def invalidate(self) -> None:
            raise KeyError("cache")

    with pytest.raises(LayerAuthError, match=r"Broken.invalidate\(\) raised KeyError") as caught:
        make_layer(base_url=scripted(Answer(401)).url, auth_provider=Broken()).create_session()
    assert isinstance(caught.value.__cause__, KeyError)


# ---- where credentials go


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_another_origin_is_not_followed(
    scripted: Scripted, make_layer: MakeLayer, name: str, status: int
) -> None:
    """Neither credentials nor data go where the API redirects to; as it is an auth error, delivery holds the data."""
    elsewhere = scripted(CREATED)
    server = scripted(Answer(status, b"", {"Location": f"{elsewhere.url}/v1/sessions?x=1"}))
    with pytest.raises(LayerAuthError, match=f"redirected with status {status} to {elsewhere.url}, where") as caught:
        make_layer(base_url=server.url, auth_provider=PROVIDERS[name]()).create_session()
    assert ([KEY], []) == ([KEY for asked in server.asked if KEY in str(dict(asked.headers))], elsewhere.asked)
    assert KEY not in told(caught.value) + shown_in_frames(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_another_name_of_the_same_machine_is_another_origin(
    scripted: Scripted, make_layer: MakeLayer, host: str
) -> None:
    """Origins are told apart by name, as everybody does."""
    server: ScriptedServer = scripted(lambda _: Answer(307, b"", {"Location": server.url.replace("127.0.0.1", host)}))
    with pytest.raises(LayerAuthError, match=f"to http://{host}:"):
        make_layer(base_url=server.url, auth_provider=APIKey("X-API-Key", KEY)).create_session()
    assert 1 == len(server.asked)


def test_redirect_by_way_of_the_own_origin(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Redirects within the origin are followed with credentials, up to the one that leaves it."""
    elsewhere = scripted(CREATED)

    def reply(asked: Asked) -> Answer:
        places = {"/v1/sessions": "/two", "/two": "/done" if not leaves else f"{elsewhere.url}/three"}
        return CREATED if asked.path == "/done" else Answer(307, b"", {"Location": places[asked.path]})

    server = scripted(reply)
    mine = make_layer(base_url=server.url, auth_provider=APIKey("X-API-Key", KEY))
    leaves = False
    assert SESSION == mine.create_session()
    assert [KEY] * 3 == [asked.headers.get("X-API-Key") for asked in server.asked]
    leaves = True
    with pytest.raises(LayerAuthError, match="redirected with status 307"):
        mine.create_session()
    assert [] == elsewhere.asked


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1\\@{}/", "//{}/x", "http:{}", "\\\\{}/", "http://{}#@127.0.0.1/"]
)
def test_location_written_to_deceive(scripted: Scripted, make_layer: MakeLayer, location: str) -> None:
    """What counts is where requests would connect to, however the location is written."""
    elsewhere = scripted(CREATED)
    target = location.format(elsewhere.url.replace("http://", "").replace("127.0.0.1", "localhost"))
    server: ScriptedServer = scripted(
        lambda asked: Answer(307, b"", {"Location": target}) if len(server.asked) < 3 else CREATED
    )
    with suppress(LayerAuthError):  # some of them lead back
        make_layer(base_url=server.url, auth_provider=APIKey("X-API-Key", KEY)).create_session()
    assert [] == [asked for asked in elsewhere.asked if KEY in str(dict(asked.headers))]


def test_hooks_of_the_session_still_run(scripted: Scripted, make_layer: MakeLayer) -> None:
    """The check of redirects comes beside the hooks that the session has."""
    seen: list[int] = []
    for own in ([lambda response, **_: seen.append(response.status_code)], lambda r, **_: seen.append(r.status_code)):
        session = requests.Session()
        session.hooks["response"] = own
        server = scripted(Answer(307, b"", {"Location": "/two"}), CREATED)
        make_layer(base_url=server.url, auth_provider=BearerToken(KEY), http_session=session).create_session()
    assert [307, 201] * 2 == seen


def test_raw_client_sends_credentials_to_its_own_host_alone(scripted: Scripted, make_layer: MakeLayer) -> None:
    """Another address, given to the httpx client behind layer.raw, gets neither credentials nor request."""
    elsewhere, server = scripted(Answer()), scripted(Answer(200, b"[]"))
    mine = make_layer(base_url=server.url, auth_provider=BearerToken(KEY))
    list_applications.sync_detailed(client=mine.raw)
    with pytest.raises(LayerAuthError, match=f"they are not sent to {elsewhere.url}"):
        mine.raw.get_httpx_client().get(elsewhere.url)
    assert (1, []) == (len(server.asked), elsewhere.asked)


@pytest.mark.parametrize("name", ["base_url", "firewall_base_url"])
def test_plain_http_is_refused_by_init(name: str) -> None:
    """Credentials and plain http to another host are an error at once, unless the provider says otherwise."""
    urls = {"base_url": "https://layer.invalid", "firewall_base_url": "https://firewall.invalid"}
    urls[name] = urls[name].replace("https", "http")
    mine = Layer()
    with pytest.raises(LayerInvalidConfigurationError, match=f"^{name} is plain http.*BearerToken allow_insecure=True"):
        mine.init(application_id="a", auth_provider=BearerToken(KEY), **urls)  # type: ignore[arg-type]
    mine.init(application_id="a", auth_provider=BearerToken(KEY, allow_insecure=True), **urls)  # type: ignore[arg-type]
    mine.shutdown()


def test_plain_http_is_refused_for_each_request(scripted: Scripted) -> None:
    """A provider that takes its permission back is heard; through a proxy of the caller's, it was heard before."""
    proxy = scripted(CREATED)
    session = requests.Session()
    session.proxies["http"] = proxy.url
    provider = BearerToken(KEY, allow_insecure=True)
    mine = Layer()
    mine.init(base_url="http://layer.invalid", application_id="a", auth_provider=provider, http_session=session)
    mine.create_session()
    provider.allow_insecure = False
    with pytest.raises(LayerAuthError, match=r"not sent over plain http, to http://layer.invalid,"):
        mine.create_session()
    mine.shutdown()
    assert [f"Bearer {KEY}"] == [asked.headers["Authorization"] for asked in proxy.asked]


def test_redirect_of_the_token_endpoint_is_not_followed(scripted: Scripted) -> None:
    """The secret goes to no address that an answer names."""
    elsewhere = scripted(Answer(200, b'{"access_token": "t"}'))
    server = scripted(Answer(307, b"", {"Location": elsewhere.url}))
    with pytest.raises(LayerAuthError, match="answered 307 instead of a token"):
        credentials(server).get_headers()
    assert [] == elsewhere.asked


def test_delivery_holds_what_cannot_be_sent(scripted: Scripted) -> None:
    """With a token endpoint that refuses, nothing that was recorded is given up."""
    refusing = scripted(Answer(401, b'{"error": "invalid_client"}'))
    server = scripted(CREATED)
    mine = Layer()
    mine.init(
        base_url=server.url,
        application_id="a",
        auth_provider=credentials(refusing),
        delivery="background",
        shutdown_timeout=0.1,
    )
    with mine.session():
        pass
    assert not mine.flush(1.0)
    stats = mine.stats()
    assert (1, 0, {}, 0) == (stats["accepted"], stats["sent"], stats["dropped"], stats["dead_lettered"])
    assert ([], True) == (server.asked, bool(refusing.asked))
    mine.shutdown(0.1)
