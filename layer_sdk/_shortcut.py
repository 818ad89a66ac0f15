"""The short way through a `requests.Session`, for a session on which nothing hangs that could tell the difference.

requests looks proxies, certificates and netrc up in the environment for every request, prepares the request twice and
wraps the answer: three quarters of what a request costs. Where a session, its adapter and requests itself are as they
come out of the box, but for settings that are read here, the same bytes go out over the same pool of connections.
Anything else goes the long way: hooks, auth, params, proxies, netrc, adapters of the owner's own, patched methods.
"""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace
from typing import Any, Mapping, MutableMapping, NamedTuple, Optional, Tuple

import requests
from requests import cookies as _cookies
from requests import exceptions as failed
from requests.adapters import HTTPAdapter
from requests.utils import get_netrc_auth, select_proxy
from urllib3 import Timeout
from urllib3 import exceptions as urllib3_failed

from ._retry import untried

_cookie_header: Any = _cookies.get_cookie_header
_keep_cookies: Any = _cookies.extract_cookies_to_jar

MAX_AGE = 10.0  # seconds after which the environment's settings are looked up again, should a file have changed

# What a session and an adapter do on the way. Who replaces one of these, on the class or on an object, wants to see it.
_SESSION = ("request", "send", "prepare_request", "merge_environment_settings", "get_adapter", "rebuild_auth")
_ADAPTER = (
    "send",
    "build_response",
    "get_connection_with_tls_context",
    "build_connection_pool_key_attributes",
    "cert_verify",
    "add_headers",
    "request_url",
    "get_connection",
)


def _methods() -> list[Any]:
    return [vars(requests.Session).get(name) for name in _SESSION] + [vars(HTTPAdapter).get(name) for name in _ADAPTER]


_ORIGINAL = _methods()
_IS_AS_SHIPPED = all(
    getattr(method, "__module__", "").startswith("requests.") for method in _ORIGINAL if method is not None
) and hasattr(HTTPAdapter, "build_connection_pool_key_attributes")


Seconds = Tuple[Optional[float], Optional[float]]


class Asking:
    """A request to send. An `httpx.Auth` of ours can do with it what it does with httpx's.

    Args:
        method: Its method.
        url: Its URL, quoted.
        headers: What wins over the session's own.
        body: Its body.
        timeout: Seconds to connect, and to wait for an answer.
    """

    def __init__(
        self, method: str, url: str, headers: MutableMapping[str, str], body: bytes | None, timeout: Seconds
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.extensions: MutableMapping[str, Any] = {}


class Answer(NamedTuple):
    """What a server answered; it has of httpx's response what the generated client asks for."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    reason: str
    raw: Any = None  # urllib3's, for requests to make more of it

    def __repr__(self) -> str:
        return f"<Answer {self.status_code}>"

    @property
    def is_redirect(self) -> bool:
        """Whether it points elsewhere."""
        return 300 <= self.status_code < 400 and "location" in self.headers

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.content)


class _Settings(NamedTuple):
    """What requests would find out for each request to one origin, as long as nothing changes.

    Attributes:
        pool: The connections; None where the long way has to be gone.
        manager: The adapter's pool manager, which makes new ones after a fork.
        headers: The session's, by lower-cased name.
        made_of: What all this was found out from.
        ends: When to look again, monotonic.
    """

    pool: Any
    manager: Any
    headers: dict[str, tuple[str, str]]
    made_of: tuple[Any, ...]
    ends: float


class Shortcut:
    """Sends over a session the short way.

    Args:
        session: The session. It is looked at anew for each request, since its owner may change it at any time.
        is_retried: Whether its adapters may retry.
    """

    def __init__(self, session: requests.Session, *, is_retried: bool = True) -> None:
        self._session = session
        self._is_retried = is_retried
        self._known: dict[str, _Settings] = {}

    def send(self, asking: Asking, timeout: Seconds) -> Answer | None:
        """Send a request and read its whole answer.

        Args:
            asking: The request; nothing in its URL needs quoting.
            timeout: Seconds to connect, and to wait for an answer, in place of its own.

        Returns:
            None if this request has to go the long way: nothing was sent.

        Raises:
            requests.RequestException: As the session would.
        """
        adapter = self._adapter(asking.url)
        if adapter is None:
            return None
        scheme, _, rest = asking.url.partition("://")
        host, slash, path = rest.partition("/")
        settings = self._settings(adapter, f"{scheme}://{host}")
        if settings.pool is None:
            return None
        headers = _merged(settings.headers, asking.headers)
        if self._session.cookies:
            cookies = _cookie_header(self._session.cookies, _request(asking, headers))
            if cookies is not None:
                headers["Cookie"] = cookies
        retries = adapter.max_retries if self._is_retried else untried(adapter)
        answer = _sent(settings.pool, slash + path, asking, headers, retries=retries, timeout=timeout)
        if answer is not None and "set-cookie" in answer.headers:
            _keep_cookies(self._session.cookies, _request(asking, headers), answer.raw)
        return answer

    def _adapter(self, url: str) -> HTTPAdapter | None:
        """Give the adapter, if nothing on the way to it is anybody's own."""
        session = self._session
        if type(session) is not requests.Session or not _IS_AS_SHIPPED or _methods() != _ORIGINAL:
            return None
        if session.auth or session.params or session.stream or session.proxies or session.hooks.get("response"):
            return None
        adapter = session.get_adapter(url)
        if type(adapter) is not HTTPAdapter or not vars(adapter).keys().isdisjoint(_ADAPTER):
            return None
        return adapter if vars(session).keys().isdisjoint(_SESSION) else None

    def _settings(self, adapter: HTTPAdapter, origin: str) -> _Settings:
        session = self._session
        made_of = (session.verify, session.cert, session.trust_env, tuple(session.headers.items()), _environment())
        known = self._known.get(origin)
        if (
            known is None
            or known.manager is not adapter.poolmanager
            or known.made_of != made_of
            or known.ends < time.monotonic()
            or (known.pool is not None and known.pool.pool is None)
        ):
            known = self._known[origin] = _found_out(session, adapter, origin, made_of)
        return known


def _sent(
    pool: Any, path: str, asking: Asking, headers: Mapping[str, str], *, retries: Any, timeout: Seconds
) -> Answer | None:
    try:
        response = pool.urlopen(
            asking.method,
            path or "/",
            body=asking.body,
            headers=headers,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=retries,
            timeout=Timeout(connect=timeout[0], read=timeout[1]),
        )
    except (urllib3_failed.HTTPError, OSError) as error:
        raise _as_requests(error) from error
    except ValueError:  # a header that cannot be written: requests has words for it
        return None
    try:
        content = response.read(decode_content=True)
    except (urllib3_failed.HTTPError, OSError) as error:
        raise _as_requests_reading(error) from error
    return Answer(response.status, response.headers, content, response.reason or "", response)


def _request(asking: Asking, headers: Mapping[str, str]) -> Any:
    """Give what the cookie jar asks of a request of requests'."""
    return SimpleNamespace(url=asking.url, headers=headers)


def _environment() -> Any:
    """Give what the environment is, in a form that is quickly compared."""
    return dict(getattr(os.environ, "_data", os.environ))


def _found_out(session: requests.Session, adapter: HTTPAdapter, origin: str, made_of: tuple[Any, ...]) -> _Settings:
    url = f"{origin}/"
    merged: Any = session.merge_environment_settings(url, {}, None, None, None)
    is_short = select_proxy(url, merged["proxies"]) is None
    is_short = is_short and not (session.trust_env and get_netrc_auth(url))
    headers = {name.lower(): (name, value) for name, value in session.headers.items() if isinstance(value, str)}
    is_short = is_short and len(headers) == len(session.headers)
    pool = None
    if is_short and "@" not in origin:
        prepared = requests.Request("POST", url).prepare()
        host, kwargs = adapter.build_connection_pool_key_attributes(prepared, merged["verify"], merged["cert"])
        pool = adapter.poolmanager.connection_from_host(**host, pool_kwargs=kwargs)
        adapter.cert_verify(pool, url, merged["verify"], merged["cert"])  # type: ignore[no-untyped-call]
    return _Settings(pool, adapter.poolmanager, headers, made_of, time.monotonic() + MAX_AGE)


def _merged(session: Mapping[str, tuple[str, str]], own: Mapping[str, str]) -> dict[str, str]:
    lowered = {name.lower() for name in own}
    return {**{name: value for lower, (name, value) in session.items() if lower not in lowered}, **own}


def _as_requests(error: BaseException) -> failed.RequestException:
    """Give urllib3's error as the exception that requests makes of it when it sends."""
    reason = getattr(error, "reason", None) if isinstance(error, urllib3_failed.MaxRetryError) else error
    kind: type[failed.RequestException] = failed.ConnectionError
    if isinstance(reason, urllib3_failed.ConnectTimeoutError):
        kind = (
            failed.ConnectionError if isinstance(reason, urllib3_failed.NewConnectionError) else failed.ConnectTimeout
        )
    elif isinstance(reason, urllib3_failed.ResponseError):
        kind = failed.RetryError
    elif isinstance(reason, urllib3_failed.ProxyError):
        kind = failed.ProxyError
    elif isinstance(reason, urllib3_failed.SSLError):
        kind = failed.SSLError
    elif isinstance(error, urllib3_failed.ReadTimeoutError):
        kind = failed.ReadTimeout
    elif isinstance(error, urllib3_failed.InvalidHeader):
        kind = failed.InvalidHeader
    return kind(error)


def _as_requests_reading(error: BaseException) -> failed.RequestException:
    """Do the same for one that came while the answer was read."""
    if isinstance(error, urllib3_failed.ProtocolError):
        return failed.ChunkedEncodingError(error)
    if isinstance(error, urllib3_failed.DecodeError):
        return failed.ContentDecodingError(error)
    if isinstance(error, urllib3_failed.SSLError):
        return failed.SSLError(error)
    return failed.ConnectionError(error)
