"""Run httpx clients over a `requests.Session`, so that everything its owner set up on it keeps working."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import netrc  # noqa: F401  (requests imports it in its first request: a child forked meanwhile would wait for ever)
from functools import partial
from typing import TYPE_CHECKING, Any, AsyncGenerator, Callable, Generator, TypeVar

import httpx
import requests
from requests import exceptions as failed
from requests.structures import CaseInsensitiveDict
from urllib3 import exceptions as urllib3_failed

from . import _fork, _pools
from ._deadline import capped
from ._origins import Origin, is_exposed, named, origin_of
from ._retry import once
from ._secrets import Secret
from ._shortcut import Answer, Asking, Seconds, Shortcut
from ._suppression import suppressed
from .auth import AuthProvider
from .exceptions import LayerAuthError, LayerSDKException

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

T = TypeVar("T")

_dispatch_hook: Any = requests.hooks.dispatch_hook
_keep_cookies: Any = requests.cookies.extract_cookies_to_jar

UNAUTHORIZED = 401
# Marks a request whose headers hold credentials of a provider.
CONFINED = "layer_sdk.confined"

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
    """An httpx transport, sync and async, whose requests are sent by a `requests.Session`.

    Adapters, retries, proxies, TLS settings, hooks, headers, cookies and auth of the session work as they do in
    requests. Redirects are followed by requests alone; one that would turn a POST into a GET is handed back as it is.
    The async side runs the same in a thread. Closing the transport leaves the session open: it belongs to its owner.

    Args:
        session: The session to send with. It is used from many threads at once.
        is_retried: Whether the session's adapters may retry; else each request is sent once.
    """

    def __init__(self, session: requests.Session, *, is_retried: bool = True) -> None:
        self._session = session
        self._is_retried = is_retried
        self._shortcut = Shortcut(session, is_retried=is_retried)
        self._jars: list[CookieJar] = []
        _fork.watch(self)

    def after_fork(self) -> None:
        """Leave the parent's connections alone, and what its threads had locked."""
        _pools.renew(self._session)
        for jar in self._jars:
            _pools.unlock_cookies(jar)

    def serve(self, cookies: CookieJar) -> None:
        """Look after the cookie jar of an httpx client over a fork: httpx asks it at every answer."""
        self._jars.append(cookies)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read its whole answer."""
        timeout = request.extensions.get("timeout", {})
        seconds = (timeout.get("connect"), timeout.get("read"))
        asking = Asking(request.method, str(request.url), _headers(request), request.read() or None, seconds)
        asking.extensions = request.extensions
        return _as_response(self.exchange(asking), request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request in a thread, so that the event loop goes on."""
        await request.aread()
        return await in_thread(self.handle_request, request)

    def exchange(self, asking: Asking) -> Answer:
        """Send a request and read its whole answer.

        Raises:
            httpx.RequestError: If there is no answer.
        """
        _fork.check()
        seconds = (capped(asking.timeout[0]), capped(asking.timeout[1]))
        try:
            with suppressed():
                answer = self._shortcut.send(asking, seconds)
                if answer is not None and not answer.is_redirect:
                    return answer
                response = _before_method_change(self._answered(answer, asking, seconds), asking.method)
                return Answer(response.status_code, response.headers, response.content, response.reason or "")
        except (failed.RequestException, urllib3_failed.HTTPError, OSError, ValueError) as error:
            raise _as_httpx(error, asking) from error

    def _answered(self, redirect: Answer | None, asking: Asking, timeout: Seconds) -> requests.Response:
        try:
            return self._send(asking, timeout) if redirect is None else self._follow(redirect, asking, timeout)
        except failed.HTTPError as error:
            # A hook that calls raise_for_status() got an answer; what it means is for the caller to say.
            if error.response is None:
                raise
            return error.response

    def _follow(self, answer: Answer, asking: Asking, timeout: Seconds) -> requests.Response:
        """Let requests go where a redirect points, as it does after a first answer of its own."""
        session = self._session if self._is_retried else once(self._session)
        hooks = _confining(session) if asking.extensions.get(CONFINED) else None
        request = requests.Request(asking.method, asking.url, asking.headers, data=asking.body, hooks=hooks, auth=_keep)
        prepared = session.prepare_request(request)
        adapter: Any = session.get_adapter(asking.url)
        response: Any = adapter.build_response(prepared, answer.raw)
        settings: Any = {"timeout": timeout, **session.merge_environment_settings(asking.url, {}, None, None, None)}
        response = _dispatch_hook("response", prepared.hooks, response, **settings)
        _keep_cookies(session.cookies, prepared, answer.raw)
        steps: list[requests.Response] = [response, *session.resolve_redirects(response, prepared, **settings)]
        steps[-1].history = steps[:-1]
        return steps[-1]

    def _send(self, asking: Asking, timeout: Seconds) -> requests.Response:
        keeps_own = self._session.auth is None and any(name.lower() == "authorization" for name in asking.headers)
        session = self._session if self._is_retried else once(self._session)
        return session.request(
            asking.method,
            asking.url,
            headers=asking.headers,
            data=asking.body,
            timeout=timeout,
            allow_redirects=True,
            auth=_keep if keeps_own else None,
            hooks=_confining(session) if asking.extensions.get(CONFINED) else None,
        )


def _keep(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would put credentials out of a netrc file over the ones that the request has."""
    return prepared


def _confining(session: requests.Session) -> dict[str, list[Callable[..., Any]]]:
    """Make hooks that stop a redirect to another origin, before those that the session has.

    On such a redirect, requests takes the `Authorization` header away and leaves all others. Without credentials the
    request would be of no use there, and its body is nobody else's either.
    """

    def stop(response: requests.Response, **_: Any) -> None:
        following = next(session.resolve_redirects(response, response.request, yield_requests=True), None)
        here, there = origin_of(str(response.url)), origin_of(str(getattr(following, "url", response.url)))
        if here != there:
            raise LayerAuthError(
                f"{named(here)} redirected with status {response.status_code} to {named(there)}, where the credentials "
                "must not go: configure the address that answers"
            )

    own = session.hooks.get("response") or []
    return {"response": [stop, *([own] if callable(own) else own)]}


def _headers(request: httpx.Request) -> dict[str, str]:
    """Give the headers that somebody chose, as they spelled them, without those that httpx adds to every request."""
    names = dict.fromkeys(name.decode("ascii") for name, _ in request.headers.raw)
    return {name: request.headers[name] for name in names if not _is_added(name.lower(), request)}


def _is_added(name: str, request: httpx.Request) -> bool:
    value = request.headers[name]
    is_own_host = name == "host" and value.encode("ascii", "replace") == request.url.netloc
    return is_own_host or name in HOP_HEADERS or value == HTTPX_HEADERS.get(name)


def _before_method_change(response: requests.Response, method: str) -> requests.Response:
    """Give the last answer to the method that was asked for: a GET's success does not stand for a POST's."""
    steps = [*response.history, response]
    for step, follower in zip(steps, steps[1:]):
        if follower.request.method != method:
            return step
    return response


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


class ProviderAuth(httpx.Auth):
    """Puts an `AuthProvider`'s headers on every request, and asks for others once after a 401.

    Args:
        provider: Where the headers come from.
        base_urls: Whom they are for. They go to these origins and to no other.
    """

    def __init__(self, provider: AuthProvider, *base_urls: str) -> None:
        self._provider = provider
        self._origins = {origin_of(url) for url in base_urls}

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the provider's headers; after a 401, invalidate them and send once more."""
        sent = self._authenticate(request)
        response = yield request
        if response.status_code == UNAUTHORIZED and self._replace(request, sent):
            yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the same with the provider in a thread: it may have to fetch a token."""
        sent = await in_thread(self._authenticate, request)
        response = yield request
        if response.status_code == UNAUTHORIZED and await in_thread(self._replace, request, sent):
            yield request

    def exchange(self, asking: Asking, transport: RequestsTransport) -> Answer:
        """Send a request with credentials, as an httpx client with this auth does."""
        asking.headers = CaseInsensitiveDict(asking.headers)
        flow: Generator[Any, Any, None] = self.sync_auth_flow(asking)  # type: ignore[arg-type]  # it has what is asked
        request = next(flow)
        while True:
            answer = transport.exchange(request)
            try:
                request = flow.send(answer)
            except StopIteration:
                return answer

    def _authenticate(self, request: httpx.Request) -> Secret[dict[str, str]]:
        self._check(str(request.url))
        headers = credentials(self._provider)
        request.headers.update(headers.reveal())
        request.extensions = {**request.extensions, CONFINED: True}
        return headers

    def _replace(self, request: httpx.Request, refused: Secret[dict[str, str]]) -> bool:
        """Put other credentials on a request whose own were refused; False where there are none."""
        was_forgotten = self._invalidate(refused)
        return self._authenticate(request) != refused or was_forgotten

    def _check(self, url: str) -> None:
        origin: Origin = origin_of(url)
        if origin not in self._origins:
            ours = " and ".join(sorted(named(each) for each in self._origins))
            raise LayerAuthError(f"The credentials are for {ours}: they are not sent to {named(origin)}")
        if is_exposed(url) and not getattr(self._provider, "allow_insecure", False):
            raise LayerAuthError(
                f"The credentials are not sent over plain http, to {named(origin)}, for all on the way to read: "
                f"use https, or give {type(self._provider).__name__} allow_insecure=True"
            )

    def _invalidate(self, refused: Secret[dict[str, str]]) -> bool:
        invalidate = getattr(self._provider, "invalidate", None)
        if invalidate is None or getattr(invalidate, "__func__", None) is AuthProvider.invalidate:
            return False
        options = {"refused": refused.reveal()} if _takes_refused(invalidate) else {}
        _asked(self._provider, "invalidate", partial(invalidate, **options))
        return True


def _takes_refused(invalidate: Callable[..., Any]) -> bool:
    try:
        return "refused" in inspect.signature(invalidate).parameters
    except (TypeError, ValueError):  # written in C
        return False


def credentials(provider: AuthProvider) -> Secret[dict[str, str]]:
    """Ask a provider for its headers.

    Raises:
        LayerAuthError: If it has none to give, or fails in a way of its own.
    """
    headers = _asked(provider, "get_headers", lambda: dict(provider.get_headers()))
    problem = _problem_with(headers)
    if problem is not None:
        raise LayerAuthError(f"{type(provider).__name__}.get_headers() gave {problem}")
    return headers


def _asked(provider: AuthProvider, name: str, call: Callable[[], T]) -> Secret[T]:
    try:
        return Secret(call())
    except LayerSDKException:
        raise
    except Exception as error:
        raise LayerAuthError(f"{type(provider).__name__}.{name}() raised {type(error).__name__}") from error


def _problem_with(headers: Secret[dict[Any, Any]]) -> str | None:
    """Say why headers cannot be sent, without showing them; None where they can."""
    if not headers.reveal():
        return "no headers, and no request goes out without credentials"
    for name, value in headers.reveal().items():
        if not isinstance(name, str) or not isinstance(value, str):
            return f"headers that are no texts, but {type(name).__name__} and {type(value).__name__}"
        if not name.isascii() or not value.isascii() or not (name + value).isprintable() or not value.strip():
            return f"a header {name!r:.100} that is empty, or not ASCII on one line"
    return None


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking function in a thread, with the caller's context variables (asyncio.to_thread is Python 3.9's)."""
    call = partial(contextvars.copy_context().run, function, *arguments)
    return await asyncio.get_running_loop().run_in_executor(None, call)
