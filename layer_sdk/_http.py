"""Run httpx clients over a `requests.Session`: what `layer.raw` is made of, and what loads httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, AsyncGenerator, Generator

import httpx
from requests import exceptions as failed
from urllib3 import exceptions as urllib3_failed

from . import _fork, _pools
from ._credentials import UNAUTHORIZED
from ._sender import NoAnswerError, Sender, in_thread
from ._shortcut import Answer, Asking

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    import requests

    from ._credentials import Credentials

# requests' exceptions as the httpx ones that the generated client documents; the first that fits is taken, so each
# class stands before its bases. tests/test_http.py sees to it that none is missing.
EXCEPTIONS: list[tuple[type[BaseException], type[httpx.RequestError]]] = [
    (failed.ConnectTimeout, httpx.ConnectTimeout),
    (failed.ReadTimeout, httpx.ReadTimeout),
    (failed.Timeout, httpx.TimeoutException),
    (failed.InvalidProxyURL, httpx.ProxyError),
    (failed.ProxyError, httpx.ProxyError),
    (failed.SSLError, httpx.ConnectError),
    (failed.ConnectionError, httpx.ConnectError),
    (failed.ChunkedEncodingError, httpx.RemoteProtocolError),
    (failed.ContentDecodingError, httpx.DecodingError),
    (failed.TooManyRedirects, httpx.TooManyRedirects),
    (failed.RetryError, httpx.RemoteProtocolError),
    (failed.InvalidHeader, httpx.LocalProtocolError),
    (failed.UnrewindableBodyError, httpx.WriteError),
    (failed.StreamConsumedError, httpx.ReadError),
    (failed.MissingSchema, httpx.UnsupportedProtocol),
    (failed.InvalidSchema, httpx.UnsupportedProtocol),
    (failed.InvalidURL, httpx.UnsupportedProtocol),
    (failed.URLRequired, httpx.UnsupportedProtocol),
    (failed.HTTPError, httpx.RemoteProtocolError),
    (failed.InvalidJSONError, httpx.DecodingError),
    (failed.RequestException, httpx.RequestError),
    (UnicodeError, httpx.LocalProtocolError),
    (ValueError, httpx.RequestError),  # such as a redirect to what is no URL
]

# requests reports these inside a ConnectionError; they say more than it does.
INNER_EXCEPTIONS: list[tuple[type[BaseException], type[httpx.RequestError]]] = [
    (urllib3_failed.NewConnectionError, httpx.ConnectError),  # a ConnectTimeoutError by inheritance only
    (urllib3_failed.ConnectTimeoutError, httpx.ConnectTimeout),
    (urllib3_failed.ReadTimeoutError, httpx.ReadTimeout),
    (urllib3_failed.ProtocolError, httpx.RemoteProtocolError),
]

# What httpx adds to every request; the session's own are to reach the server instead.
HTTPX_HEADERS = dict(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))).headers)
# requests writes these itself.
HOP_HEADERS = {"connection", "content-length", "transfer-encoding"}
# The body was decoded once, by urllib3. Cookies live in the session's jar: a second one would shadow it.
CONSUMED_HEADERS = {"content-encoding", "content-length", "set-cookie", "transfer-encoding"}


class RequestsTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """An httpx transport, sync and async, whose requests are sent by a `requests.Session`; see `Sender`.

    The async side runs the same in a thread. Closing the transport leaves the session open: it belongs to its owner.

    Args:
        session: The session to send with. It is used from many threads at once.
        is_retried: Whether the session's adapters may retry; else each request is sent once.
    """

    def __init__(self, session: requests.Session, *, is_retried: bool = True) -> None:
        self._sender = Sender(session, is_retried=is_retried)
        self._jars: list[CookieJar] = []
        _fork.watch(self)

    def after_fork(self) -> None:
        """Leave alone what the parent's threads had locked."""
        for jar in self._jars:
            _pools.unlock_cookies(jar)

    def serve(self, cookies: CookieJar) -> None:
        """Look after the cookie jar of an httpx client over a fork: httpx asks it at every answer."""
        self._jars.append(cookies)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read its whole answer.

        Raises:
            httpx.RequestError: If there is none.
        """
        timeout = request.extensions.get("timeout", {})
        seconds = (timeout.get("connect"), timeout.get("read"))
        asking = Asking(request.method, str(request.url), _headers(request), request.read() or None, seconds)
        asking.extensions = request.extensions
        try:
            return _as_response(self._sender.exchange(asking), request)
        except NoAnswerError as error:
            raise _as_httpx(error.__cause__ or error, asking) from error.__cause__

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request in a thread, so that the event loop goes on."""
        await request.aread()
        return await in_thread(self.handle_request, request)


class ProviderAuth(httpx.Auth):
    """Puts a provider's credentials on every request of an httpx client, and others once after a 401.

    Args:
        credentials: What puts them there.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the provider's headers; after a 401, invalidate them and send once more."""
        sent = self._credentials.put_on(request)
        response = yield request
        if response.status_code == UNAUTHORIZED and self._credentials.replace_on(request, sent):
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same with the provider in a thread: it may have to fetch a token."""
        sent = await in_thread(self._credentials.put_on, request)
        response = yield request
        if response.status_code == UNAUTHORIZED and await in_thread(self._credentials.replace_on, request, sent):
            yield request


def _headers(request: httpx.Request) -> dict[str, str]:
    """Give the headers that somebody chose, as they spelled them, without those that httpx adds to every request."""
    names = dict.fromkeys(name.decode("ascii") for name, _ in request.headers.raw)
    return {name: request.headers[name] for name in names if not _is_added(name.lower(), request)}


def _is_added(name: str, request: httpx.Request) -> bool:
    value = request.headers[name]
    is_own_host = name == "host" and value.encode("ascii", "replace") == request.url.netloc
    return is_own_host or name in HOP_HEADERS or value == HTTPX_HEADERS.get(name)


def _as_response(answer: Answer, request: httpx.Request) -> httpx.Response:
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in CONSUMED_HEADERS]
    reason = answer.reason.encode("ascii", "replace") if isinstance(answer.reason, str) else b""
    return httpx.Response(
        answer.status_code,
        headers=headers,
        content=answer.content,
        request=request,
        extensions={"reason_phrase": reason},
    )


def _as_httpx(error: BaseException, asking: Asking) -> httpx.RequestError:
    request = httpx.Request(asking.method, asking.url)
    inner = error.args[0] if error.args else None
    inner = getattr(inner, "reason", inner)
    for kinds, found in ((INNER_EXCEPTIONS, inner), (EXCEPTIONS, error)):
        for kind, httpx_kind in kinds:
            if isinstance(found, kind):
                return httpx_kind(str(error), request=request)
    return httpx.NetworkError(str(error), request=request)
