"""What the SDK sends without httpx, against what the same generated functions send with it."""

from __future__ import annotations

from typing import Any, Callable
from uuid import UUID

import httpx
import pytest
import requests

from layer_api.api.applications import create_application, list_applications
from layer_api.api.sessions import append_action
from layer_sdk import _wire
from layer_sdk._address import address_of, login_headers
from layer_sdk._credentials import Credentials
from layer_sdk._http import CONSUMED_HEADERS
from layer_sdk._sender import NoAnswerError
from layer_sdk._shortcut import Answer as Answered
from layer_sdk.auth import AuthProvider
from layer_sdk.exceptions import LayerRequestError
from layer_sdk.schemas import ApplicationCreationRequest, SessionActionRequest
from scripted_server import SESSION, Answer, ScriptedServer
from two_ways import outcome, without_chance

WHEN = "2026-01-01T00:00:00Z"
ACTION = SessionActionRequest.from_dict(
    {"kind": "completion_prompt", "start_time": WHEN, "end_time": WHEN, "data": {"text": "\xfc\u20ac\U0001f600"}}
)
NAMES = (None, "authorization", "X-Key")  # of the header with credentials
CALLS: dict[str, Callable[[Any], Any]] = {
    "append": lambda client: append_action.sync_detailed(
        UUID(SESSION), client=client, body=ACTION, idempotency_key="k-1"
    ),
    "list": lambda client: list_applications.sync_detailed(client=client),
    "create": lambda client: create_application.sync_detailed(
        client=client, body=ApplicationCreationRequest(name="n", source="manual")
    ),
}
ANSWERS: dict[str, list[Answer]] = {
    "success": [Answer(202)],
    "list": [Answer(200, b"[]", {"Content-Type": "application/json"})],
    "other success": [Answer(299, b"{}", {"X-Request-Id": "r-1"})],
    "refusal": [Answer(422, b'{"detail": "no"}', {"Content-Type": "application/json"})],
    "no credentials": [Answer(401, b"", {"WWW-Authenticate": "Bearer"}), Answer(202)],
    "no credentials, twice": [Answer(401, b'"no"')],
    "redirect": [Answer(307, b"", {"Location": "/there"}), Answer(202)],
    "redirect that loses the body": [Answer(302, b"", {"Location": "/there"}), Answer(202)],
    "no JSON": [Answer(500, b"oops \xff", {"Content-Type": "text/plain"})],
    "no JSON where it is due": [Answer(200, b"<html>"), Answer(202)],
    "cut": [Answer(cut=True)],
}


class Rotating(AuthProvider):
    """Gives another token after each refusal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refused = 0
        self.allow_insecure = True

    def get_headers(self) -> dict[str, str]:
        return {self.name: f"Bearer t{self.refused}"}

    def invalidate(self) -> None:
        self.refused += 1


def seen(make: Any, answers: list[Answer], call: Callable[[Any], Any], base: str, name: str | None) -> Any:
    """Give what the server saw, and what the generated function gave, raised or made of the answer.

    A server that the base URL does not name is its proxy.
    """
    with ScriptedServer(*answers) as server:
        url = base.format(server.url.partition("//")[2])
        found: list[Any] = [None]
        session = requests.Session()
        session.proxies = {} if "{}" in base else {"http": server.url}

        def ask() -> Any:
            client = make(url, session, 5.0, Credentials(Rotating(name), url) if name else None)
            try:
                found[0] = call(client)
            except (httpx.RequestError, NoAnswerError) as error:
                raise ConnectionError(str(error)) from error.__cause__
            return requests_like(found[0])

        result = outcome(ask)
        asked = [(each.method, each.path, sorted(each.headers.items()), each.body) for each in server.asked]
        parsed = getattr(found[0], "parsed", None)
        return without_chance((result, parsed, asked), server.url.rpartition(":")[2])


def requests_like(answer: Any) -> Any:
    """Give a generated function's answer in the form that `outcome` takes, with headers as httpx spells them."""
    dropped = CONSUMED_HEADERS
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in dropped}
    return Answered(answer.status_code, headers, answer.content, "")


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize(
    ("call", "name"), [("list", None), ("create", NAMES[1]), *(("append", name) for name in NAMES)]
)
def test_same_is_sent_and_given_as_over_httpx(answers: list[Answer], call: str, name: str | None) -> None:
    """The server sees the same request, and the generated function gives or raises the same."""
    over_httpx, directly = (
        seen(make, answers, CALLS[call], "http://{}/layer", name) for make in (_wire.raw_client, _wire.direct_client)
    )
    assert over_httpx == directly


@pytest.mark.parametrize(
    "base",
    [
        "http://{}",
        "http://{}/a/b",
        "http://{}/%7Ea%2Fb",
        "http://{}/a|b/\xfc",
        "http://{}/a/../b/./c",
        "http://me:p%40ss@{}/a",
        "http://me@{}",
        "http://:pass@{}",
        "http://m%C3%A9%E2%82%AC:p@{}",
        "http://m\xe9:\u20ac;=|@{}",
        "http://a:b:c@{}/a",
        "http://a%3Ab:%FF%2@{}/a",
        "http://a@b:p@{}",
        "http://@{}",
        "http://:@{}",
        "HTTP://{}/A",
        "http://{}/a b/\u20ac/%zz%41%c3/'\"<>`{{}}[]^\\",
        "http://{}/..",
        "http://{}//a//./",
        "http://B\xfccher.Example/\xe9",
        "http://xn--bcher-kva.example:8080",
        "http://me:p@fa\xdf.\u65e5\u672c.example.:8080/a",
        "http://[FE80::1]:8080/a",
        "http://me@[::1]",
        "http://some_host.example:80/a/",
        "http://HOST.example:443",
        "http://1.2.3.4:080",
        "http://host.example:",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_base_url_is_read_as_httpx_reads_it(base: str, name: str | None) -> None:
    """Path, escapes and login of a base URL lead to the same request."""
    over_httpx, directly = (
        seen(make, [Answer(202)], CALLS["append"], base, name) for make in (_wire.raw_client, _wire.direct_client)
    )
    assert over_httpx == directly
    assert directly[2] or name == "X-Key"  # beside which requests itself would send the login, were it Latin-1


@pytest.mark.parametrize(
    "base",
    [
        "https://layer.example",
        "https://layer.example/",
        "https://LAYER.example:443/a/",
        "https://layer.example:0443",
        "http://layer.example:443//",
        "HTTPS://layer.example:8443/A b",
        "https://b\xfccher.example:443/\xe9%c3",
        "https://[2001:DB8::1]:443/a",
        "http://m\xe9 a:p;=&%40@layer.example/;=&%40|",
        "http://:p@1.2.3.4:80",
        "http://@layer.example",
        "http://:@layer.example",
    ],
)
def test_address_is_that_of_httpx(base: str) -> None:
    """What paths are appended to, and the header of a login, are letter by letter what httpx makes of them."""
    with httpx.Client(base_url=base, transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        sent = client.get("/v1").request
    theirs = str(httpx.URL(base)).rstrip("/")
    assert theirs.replace("[2001:DB8::1]", "[2001:db8::1]") == address_of(base)
    assert sent.headers.get("authorization") == login_headers(base).get("Authorization")


@pytest.mark.parametrize("host", ["-\xfc.example", "xn--\xfc.example", "\u2603\u200d.example", "\xfc" * 64])
def test_host_that_has_no_encoding_is_no_answer(host: str) -> None:
    """A name that cannot stand in the DNS is told in requests' words, as an exception of ours."""
    wire = _wire.Wire(_wire.direct_client(f"http://{host}", requests.Session(), 5.0))
    with pytest.raises(LayerRequestError, match="list applications: no answer: ") as caught:
        wire.list_applications()
    assert isinstance(caught.value.__cause__, requests.RequestException)
