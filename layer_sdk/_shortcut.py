"""The short way through a `requests.Session`, for a session on which nothing hangs that could tell the difference.

requests looks proxies, certificates and netrc up in the environment for every request, prepares the request twice and
wraps the answer: most of what a request costs. Where a session, its adapter and requests itself are as they come out
of the box, but for settings that are read here, the same bytes go out over the same pool of connections. Anything else
goes the long way: hooks, auth, params, proxies, netrc, adapters of the owner's own, patched methods.
"""

from __future__ import annotations

import json
import os
import re
import time
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Iterable, Mapping, MutableMapping, NamedTuple, Optional, Tuple

import requests
from requests import exceptions as failed
from requests.models import CONTENT_CHUNK_SIZE, REDIRECT_STATI
from requests.structures import CaseInsensitiveDict
from requests.utils import get_netrc_auth, select_proxy
from urllib3 import exceptions as urllib3_failed
from urllib3.connectionpool import port_by_scheme
from urllib3.util import Timeout

from ._kept import Headers, Received, ask
from ._retry import untried
from ._secrets import Secret
from ._shipped import is_plain_adapter, is_plain_session, is_untouched

_adapters: Any = requests.adapters
_cookies: Any = requests.cookies

MAX_AGE = 10.0  # seconds after which the environment's settings are looked up again, should a file have changed

# A URL that requests sends as it is: lower case where case means nothing, no escapes, no dot segments, none to quote.
_HOST = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]"
_PATH = r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9_~!$&'()*+,;=:@.-]*)*/?"
_QUERY = r"\?[A-Za-z0-9_~!$&'()*+,;=:@./?-]+"
_plain_url = re.compile(rf"(https?://(?:{_HOST})(?::[1-9][0-9]{{0,4}})?)({_PATH})({_QUERY})?").fullmatch

PECULIAR_HEADERS = {"content-length", "cookie", "host", "transfer-encoding"}  # requests has ways of its own with them
BODILESS_METHODS = {"GET", "HEAD"}

# urllib3's exceptions as requests tells them: the first that fits is taken, and one that is not here stays as it is.
Kinds = Tuple[Tuple[type, Any], ...]
SENDING: Kinds = (
    (urllib3_failed.ProtocolError, failed.ConnectionError),
    (OSError, failed.ConnectionError),
    (urllib3_failed.ClosedPoolError, failed.ConnectionError),
    (urllib3_failed.SSLError, failed.SSLError),
    (urllib3_failed.ReadTimeoutError, failed.ReadTimeout),
    (urllib3_failed.InvalidHeader, failed.InvalidHeader),
)
# By the reason for which urllib3 tries no more.
EXHAUSTED: Kinds = (
    (urllib3_failed.NewConnectionError, failed.ConnectionError),  # a ConnectTimeoutError by inheritance only
    (urllib3_failed.ConnectTimeoutError, failed.ConnectTimeout),
    (urllib3_failed.ResponseError, failed.RetryError),
    (urllib3_failed.ProxyError, failed.ProxyError),
    (urllib3_failed.SSLError, failed.SSLError),
    (object, failed.ConnectionError),
)
READING: Kinds = (
    (urllib3_failed.ProtocolError, failed.ChunkedEncodingError),
    (urllib3_failed.DecodeError, failed.ContentDecodingError),
    (urllib3_failed.ReadTimeoutError, failed.ConnectionError),
    (urllib3_failed.SSLError, failed.SSLError),
)

Seconds = Tuple[Optional[float], Optional[float]]


class Asking:
    """A request to send. Whatever puts credentials on requests does the same with it as with one of httpx's.

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


class Answer:
    """What a server answered; it has of httpx's response what the generated client asks for.

    Args:
        status_code: The HTTP status.
        headers: The headers.
        content: The body; empty where it points elsewhere, since requests reads that on its way there.
        reason: What the server calls the status.
        raw: urllib3's answer, for requests to make more of it.
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str], content: bytes, reason: str, raw: Any = None
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.content = content
        self.reason = reason
        self.raw = raw

    @property
    def is_redirect(self) -> bool:
        """Whether requests would look where it points."""
        return self.status_code in REDIRECT_STATI and "location" in self.headers

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON."""
        content = self.content
        if content[:1] == b"{" and b"\0" not in content:  # UTF-8, which takes `loads` a while to find out
            return json.loads(content.decode("utf-8", "surrogatepass"))
        return json.loads(content)


class _Given(NamedTuple):
    """What the owner of a session, and of the process, may change at any time; read at one time."""

    manager: Any
    options: dict[str, Any]
    keys: dict[str, Any]
    verify: Any
    cert: Any
    trust_env: bool
    headers: dict[str, Any]
    environment: dict[Any, Any]


class _Settings(NamedTuple):
    """What requests would find out for each request to one origin, as long as nothing changes.

    Attributes:
        pool: By which the adapter's pools tell connections apart; None where only the long way is right.
        key: What the adapter's pools make of that, which takes as long as to write the request.
        tls: What certificates to trust, and the client's own.
        headers: The session's, by lower-cased name.
        given: What all this was found out from.
        ends: When to look again, monotonic.
    """

    pool: dict[str, Any] | None
    key: Any
    tls: tuple[Any, Any]
    headers: Secret[dict[str, tuple[str, str]]]
    given: Secret[_Given]
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
        """Send a request and read its whole answer, unless that points elsewhere.

        Args:
            asking: The request.
            timeout: Seconds to connect, and to wait for an answer, in place of its own.

        Returns:
            None if this request has to go the long way: nothing was sent.

        Raises:
            requests.RequestException: As the session would.
        """
        parts, adapter, limits = _plain_url(asking.url), self._adapter(asking.url), _limits(timeout)
        if parts is None or adapter is None or limits is None or not _is_plain(asking.headers):
            return None
        settings = self._settings(adapter, parts[1])
        if settings.pool is None:
            return None
        headers = self._headers(settings, asking)
        pool = adapter.poolmanager.pools.get(settings.key)
        if pool is None:
            pool = adapter.poolmanager.connection_from_host(**settings.pool)
        adapter.cert_verify(pool, asking.url, *settings.tls)
        retries = adapter.max_retries if self._is_retried else untried(adapter)
        response = _sent(pool, (parts[2] or "/") + (parts[3] or ""), asking, headers, (retries, limits))
        if isinstance(response, Received):
            return Answer(response.status, response.headers, response.content, response.reason)
        answer = Answer(response.status, CaseInsensitiveDict(response.headers), b"", response.reason or "", response)
        if not answer.is_redirect:
            self._keep_cookies(answer, asking)
            answer.content = _content(response)
        return answer

    def _adapter(self, url: str) -> Any:
        """Give the adapter, if nothing on the way to it and in it is anybody's own."""
        if not is_untouched() or not is_plain_session(self._session):
            return None
        adapter = self._session.get_adapter(url)
        return adapter if is_plain_adapter(adapter) else None

    def _settings(self, adapter: Any, origin: str) -> _Settings:
        given = _given(self._session, adapter)
        known = self._known.get(origin)
        if known is None or known.given != given or known.ends < time.monotonic():
            known = self._known[origin] = _found_out(self._session, adapter, origin, given)
        return known

    def _headers(self, settings: _Settings, asking: Asking) -> Headers:
        """Give what requests would send, in its order."""
        headers = Secret({**settings.headers.reveal(), **_by_lower_name(asking.headers).reveal()})
        if self._session.cookies:  # in a jar of its own, which forgets what is too old without the session's noticing
            jar = _cookies.merge_cookies(_cookies.RequestsCookieJar(), self._session.cookies)
            cookies = Secret(_cookies.get_cookie_header(jar, _request(asking)))
            if cookies.reveal() is not None:
                headers.reveal()["cookie"] = ("Cookie", cookies.reveal())
        if asking.body or asking.method not in BODILESS_METHODS:
            headers.reveal()["content-length"] = ("Content-Length", str(len(asking.body or b"")))
        return headers

    def _keep_cookies(self, answer: Answer, asking: Asking) -> None:
        if "set-cookie" in answer.headers or "set-cookie2" in answer.headers:
            _cookies.extract_cookies_to_jar(self._session.cookies, _request(asking), answer.raw)


def _limits(timeout: Seconds) -> Any:
    kind = _adapters.TimeoutSauce
    try:
        return _usual_limits(*timeout) if kind is Timeout else kind(connect=timeout[0], read=timeout[1])
    except ValueError:  # requests has words for it
        return None


@lru_cache(maxsize=4, typed=True)  # most requests have the same; urllib3 copies it before it notes anything in it
def _usual_limits(connect: float | None, read: float | None) -> Timeout:
    return Timeout(connect=connect, read=read)


def _is_plain(headers: Mapping[str, Any]) -> bool:
    """Tell whether headers are such that requests and HTTP take them as they are."""
    try:
        return _are_texts(headers.values()) and _are_names(tuple(headers))
    except TypeError:
        return False


def _are_texts(values: Iterable[str]) -> bool:
    """Tell whether all are printable ASCII, and none begins with a blank."""
    text = "".join(values)
    return text.isascii() and text.isprintable() and "\n " not in "\n".join(["", *values])


@lru_cache(maxsize=32)  # most requests have the same
def _are_names(names: tuple[str, ...]) -> bool:
    return _are_texts(names) and ":" not in "".join(names) and PECULIAR_HEADERS.isdisjoint(map(str.lower, names))


def _by_lower_name(headers: Mapping[str, Any]) -> Secret[dict[str, tuple[str, str]]]:
    return Secret({name.lower(): (name, value) for name, value in headers.items()})


def _request(asking: Asking) -> Any:
    """Give what a cookie jar asks of a request of requests'."""
    return SimpleNamespace(url=asking.url, headers={})


def _given(session: requests.Session, adapter: Any) -> Secret[_Given]:
    manager = adapter.poolmanager
    environment = dict(getattr(os.environ, "_data", os.environ))  # as it is, which is quickly compared
    return Secret(
        _Given(
            manager,
            dict(manager.connection_pool_kw),
            dict(manager.key_fn_by_scheme),
            session.verify,
            session.cert,
            session.trust_env,
            dict(getattr(session.headers, "_store", session.headers)),  # likewise
            environment,
        )
    )


def _found_out(owned: requests.Session, adapter: Any, origin: str, given: Secret[_Given]) -> _Settings:
    url = f"{origin}/"
    own = Secret(dict(owned.headers.items()))
    session = requests.Session()  # one that nobody changes meanwhile
    session.verify, session.cert, session.trust_env = given.reveal()[3:6]
    pool, key, tls = None, None, (None, None)
    try:
        merged: Any = session.merge_environment_settings(url, {}, None, None, None)
        has_login = session.trust_env and get_netrc_auth(url) is not None
        if select_proxy(url, merged["proxies"]) is None and not has_login and _is_plain(own.reveal()):
            tls = (merged["verify"], merged["cert"])
            host, options = adapter.build_connection_pool_key_attributes(requests.Request("POST", url).prepare(), *tls)
            pool = {**host, "pool_kwargs": options}
            key = _key(adapter.poolmanager, host, options)
    except (OSError, ValueError):  # on the long way it is said in requests' own words
        pool = None
    headers = _by_lower_name({} if pool is None else own.reveal())
    return _Settings(pool, key, tls, headers, given, time.monotonic() + MAX_AGE)


def _key(manager: Any, host: dict[str, Any], options: Any) -> Any:
    """Make the key of a pool as `connection_from_host` does; None where it would warn of an option."""
    scheme, port = host["scheme"], host["port"]
    context = manager._merge_pool_kwargs(options)  # noqa: SLF001  (there is no public way)
    context.update(host, port=port_by_scheme[scheme] if port is None else port)
    return None if "strict" in context else manager.key_fn_by_scheme[scheme](context)


def _sent(pool: Any, path: str, asking: Asking, headers: Headers, how: tuple[Any, Any]) -> Any:
    try:
        found = ask(pool, path, asking, headers, how)
        if isinstance(found, Received):
            return found
        return found.urlopen(
            asking.method,
            path,
            body=asking.body or None,
            headers=dict(headers.reveal().values()),
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=how[0],
            timeout=how[1],
        )
    except (urllib3_failed.HTTPError, OSError) as error:
        is_exhausted = isinstance(error, urllib3_failed.MaxRetryError)
        kind = _kind(getattr(error, "reason", None), EXHAUSTED) if is_exhausted else _kind(error, SENDING)
        if kind is None:
            raise
        raise kind(error, request=_prepared(asking, headers)) from error


def _content(response: Any) -> bytes:
    try:
        if _is_of_one_piece(response):
            return bytes(response.read(decode_content=True))
        return b"".join(response.stream(CONTENT_CHUNK_SIZE, decode_content=True))
    except (urllib3_failed.HTTPError, OSError) as error:
        kind = _kind(error, READING)
        if kind is None:
            raise
        raise kind(error) from error


def _is_of_one_piece(response: Any) -> bool:
    """Tell whether reading a body at once, which is quicker, gives and raises what reading it by and by does."""
    is_counted = response.enforce_content_length and response.length_remaining is not None and not response.chunked
    return is_counted and "content-encoding" not in response.headers


def _kind(error: BaseException | None, kinds: Kinds) -> Any:
    return next((kind for theirs, kind in kinds if isinstance(error, theirs)), None)


def _prepared(asking: Asking, headers: Headers) -> requests.PreparedRequest:
    """Give what an exception of requests' has with it."""
    return requests.Request(asking.method, asking.url, dict(headers.reveal().values()), data=asking.body).prepare()
