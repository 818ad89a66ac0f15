"""The short way from the generated functions to a `requests.Session`: no httpx request and answer in between.

`layer.raw` runs over httpx, whose clients, auth and hooks its users know. What the SDK itself sends, often one request
for each call of the host's, needs none of them: that would be a third of what a request costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, cast

from ._address import address_of, login_headers
from ._encoding import encode
from ._secrets import Secret
from ._shortcut import Asking

if TYPE_CHECKING:
    from layer_api.client import Client

    from ._credentials import Credentials
    from ._sender import Sender
    from ._shortcut import Answer


class DirectClient:
    """What the generated functions ask of a client, and of the httpx client in it.

    Args:
        base_url: Where paths are appended.
        sender: Sends.
        headers: Of every request.
        timeout: Seconds to connect and to wait for an answer, each.
        credentials: Puts them on each request.
    """

    raise_on_unexpected_status = False

    def __init__(
        self,
        base_url: str,
        sender: Sender,
        headers: Mapping[str, str],
        timeout: float,
        credentials: Credentials | None,
    ) -> None:
        self._base_url = address_of(base_url)
        self._sender = sender
        self._headers = Secret({**headers, **(login_headers(base_url) if credentials is None else {})})
        self._timeout = (timeout, timeout)
        self._credentials = credentials

    @property
    def as_client(self) -> Client:
        """Itself, as the generated functions' signatures call it."""
        return cast("Client", self)

    def get_httpx_client(self) -> DirectClient:
        """Give itself: it does what is asked of an httpx client."""
        return self

    def request(self, *, method: str, url: str, headers: Mapping[str, str] | None = None, json: Any = None) -> Answer:
        """Send a request, with credentials where there are any, and read its whole answer."""
        body = None if json is None else encode(json)
        own = Secret({**self._headers.reveal(), **(headers or {})})
        asking = Asking(method.upper(), self._base_url + url, own.reveal(), body, self._timeout)
        if self._credentials is None:
            return self._sender.exchange(asking)
        return self._credentials.exchange(asking, self._sender)
