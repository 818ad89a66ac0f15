"""The short way from the generated functions to a `requests.Session`: no httpx request and answer in between.

`layer.raw` runs over httpx, whose clients, auth and hooks its users know. What the SDK itself sends, often one request
for each call of the host's, needs none of them: that would be a third of what a request costs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Mapping, cast

import httpx

from ._secrets import Secret
from ._shortcut import Asking

if TYPE_CHECKING:
    from layer_api.client import Client

    from ._http import ProviderAuth, RequestsTransport
    from ._shortcut import Answer

encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode  # as httpx does


class DirectClient:
    """What the generated functions ask of a client, and of the httpx client in it.

    Args:
        base_url: Where paths are appended.
        transport: Sends.
        headers: Of every request.
        timeout: Seconds to connect and to wait for an answer, each.
        auth: Puts credentials on each request.
    """

    raise_on_unexpected_status = False

    def __init__(
        self,
        base_url: str,
        transport: RequestsTransport,
        headers: Mapping[str, str],
        timeout: float,
        auth: ProviderAuth | None,
    ) -> None:
        url = httpx.URL(base_url)
        self._base_url = str(url).rstrip("/")
        self._transport = transport
        self._headers = Secret({**headers, **(_login(url) if auth is None else {})})
        self._timeout = (timeout, timeout)
        self._auth = auth

    @property
    def as_client(self) -> Client:
        """Itself, as the generated functions' signatures call it."""
        return cast("Client", self)

    def get_httpx_client(self) -> DirectClient:
        """Give itself: it does what is asked of an httpx client."""
        return self

    def request(self, *, method: str, url: str, headers: Mapping[str, str] | None = None, json: Any = None) -> Answer:
        """Send a request, with credentials where there is an auth, and read its whole answer."""
        body = None if json is None else encode(json).encode("utf-8")
        own = Secret({**self._headers.reveal(), **(headers or {})})
        asking = Asking(method.upper(), self._base_url + url, own.reveal(), body, self._timeout)
        if self._auth is None:
            return self._transport.exchange(asking)
        return self._auth.exchange(asking, self._transport)


def _login(url: httpx.URL) -> dict[str, str]:
    """Give the header that httpx makes of a login in a URL. requests would make none of a name without a password."""
    if not url.username and not url.password:
        return {}
    request = next(httpx.BasicAuth(url.username, url.password).sync_auth_flow(httpx.Request("GET", url)))
    return {"Authorization": request.headers["Authorization"]}
