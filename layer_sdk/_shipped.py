"""Whether requests, and what is below it, are as they come out of the box.

Who replaced one of their methods, to trace, record or fake, wants each request to come by.
"""

from __future__ import annotations

import socket
import ssl
from http import client
from operator import attrgetter, itemgetter
from types import FunctionType
from typing import Any, Callable, Iterator, List, Tuple

from requests import models, sessions
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.sessions import Session
from requests.structures import CaseInsensitiveDict
from urllib3 import PoolManager
from urllib3 import connection as connections
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

Places = List[Tuple[Any, Tuple[str, ...]]]
Look = Tuple[Callable[[Any], Any], Any]

# What runs between `Session.request` and urllib3, and comes back.
SESSION = (
    "request",
    "send",
    "prepare_request",
    "merge_environment_settings",
    "get_adapter",
    "resolve_redirects",
    "get_redirect_target",
)
ADAPTER = (
    "send",
    "build_response",
    "get_connection_with_tls_context",
    "build_connection_pool_key_attributes",
    "cert_verify",
    "add_headers",
    "request_url",
)
PLACES: Places = [
    (Session, SESSION),
    (HTTPAdapter, ADAPTER),
    (
        models.PreparedRequest,
        (
            "prepare",
            "prepare_method",
            "prepare_url",
            "prepare_headers",
            "prepare_cookies",
            "prepare_body",
            "prepare_content_length",
            "prepare_auth",
            "prepare_hooks",
            "path_url",
        ),
    ),
    (models.Response, ("content", "iter_content")),
    (
        sessions,
        (
            "dispatch_hook",
            "extract_cookies_to_jar",
            "get_environ_proxies",
            "get_netrc_auth",
            "merge_cookies",
            "merge_hooks",
            "merge_setting",
        ),
    ),
]
# What runs between a pool's `urlopen` and the socket, and comes back.
POOL = ("urlopen", "_get_conn", "_put_conn", "_make_request", "_validate_conn", "_get_timeout", "_raise_timeout")
CONNECTION = (
    "request",
    "putrequest",
    "putheader",
    "endheaders",
    "send",
    "getresponse",
    "response_class",
    "debuglevel",
    "_http_vsn",
    "_http_vsn_str",
    "_output",
    "_send_output",
    "_send_request",
)
BELOW: Places = [
    (HTTPConnectionPool, POOL),
    (HTTPSConnectionPool, POOL),
    (connections.HTTPConnection, CONNECTION),
    (connections.HTTPSConnection, CONNECTION),
    (client.HTTPConnection, CONNECTION),
    (client.HTTPResponse, ("__init__", "begin", "_read_status", "read", "_close_conn")),
    (client, ("parse_headers",)),
    (HTTPResponse, ("__init__", "read", "release_conn", "_init_length")),
    (connections, ("HTTPConnection", "HTTPSConnection")),
    (socket.socket, ("makefile",)),
]
CONSTANTS = {"debuglevel": 0, "_http_vsn": 11, "_http_vsn_str": "HTTP/1.1"}
PACKAGES = ("requests.", "urllib3.", "http.", "socket")
SOCKETS: dict[Any, Any] = {connections.HTTPConnection: socket.socket, connections.HTTPSConnection: ssl.SSLSocket}
STATE = ("_HTTPConnection__state", "_HTTPConnection__response")
NO_HOOKS: dict[str, list[Any]] = {"response": []}


class Original:
    """Functions of others, as they were when the SDK was imported.

    Args:
        places: Where they are. One that is missing, since a version has it not, is as good as one that was replaced.
    """

    def __init__(self, places: Places) -> None:
        # A patch may have come before the SDK.
        self._was_as_shipped = all(_is_theirs(place, name) for place, names in places for name in names)
        self._looks = [look for place, names in places for look in _looks(place, names)]
        self._found = self._look()

    def is_untouched(self) -> bool:
        """Tell whether nobody has replaced any of them."""
        return self._was_as_shipped and self._look() == self._found

    def _look(self) -> list[Any]:
        try:
            return [look(place) for look, place in self._looks]
        except (AttributeError, KeyError):  # taken away
            return []


def _looks(place: Any, names: tuple[str, ...]) -> Iterator[Look]:
    """Make the quickest ways to look at names of a place: what it has itself stands in its dict."""
    own = [name for name in names if name in vars(place)]
    inherited = [name for name in names if name not in vars(place)]
    if own:
        yield itemgetter(*own), vars(place)
    if inherited:
        yield attrgetter(*inherited), place


def _is_theirs(place: Any, name: str) -> bool:
    """Tell whether a package itself wrote a function: a wrapper can have its name and its module, not its globals."""
    thing = getattr(place, name, None)
    if name in CONSTANTS:
        return bool(thing == CONSTANTS[name])
    if isinstance(thing, type):
        return thing.__module__.startswith(PACKAGES)
    function = thing.fget if isinstance(thing, property) else thing
    return type(function) is FunctionType and function.__globals__["__name__"].startswith(PACKAGES)


# Before 2.32.2 an adapter of requests had other ways to find a connection.
_requests, _below = Original(PLACES), Original(BELOW)


def is_untouched() -> bool:
    """Tell whether nobody has replaced anything in requests."""
    return _requests.is_untouched()


def is_plain_pool(pool: Any) -> bool:
    """Tell whether a pool is one of urllib3's own, straight to a server, and nobody has replaced anything below it."""
    return (
        type(pool) in {HTTPConnectionPool, HTTPSConnectionPool}
        and vars(pool).keys().isdisjoint(POOL)
        and pool.proxy is None
        and not pool.proxy_headers
        and getattr(pool, "ResponseCls", HTTPResponse) is HTTPResponse  # before urllib3 2
        and _below.is_untouched()
    )


def is_plain_connection(connection: Any) -> bool:
    """Tell whether a connection is one of urllib3's own that is open, trusted and has nothing else to do."""
    kind, state, answer = type(connection), *(getattr(connection, name, None) for name in STATE)
    return (
        kind in SOCKETS
        and type(connection.sock) is SOCKETS[kind]
        and vars(connection).keys().isdisjoint(CONNECTION)
        and state == "Idle"
        and (answer is None or answer.isclosed())
        and (kind is connections.HTTPConnection or connection.is_verified)
        and ":" not in connection.host
    )


def is_plain_session(session: Session) -> bool:
    """Tell whether a session has nothing of its owner's that runs, or that changes what is sent but for headers."""
    return (
        type(session) is Session
        and vars(session).keys().isdisjoint(SESSION)
        and session.hooks == NO_HOOKS
        and not (session.auth or session.params or session.proxies or session.stream)
        and type(session.cookies) is RequestsCookieJar
        and type(session.headers) in {CaseInsensitiveDict, dict}
    )


def is_plain_adapter(adapter: Any) -> bool:
    """Tell whether an adapter is one of requests' own, over connections as it makes them."""
    return (
        type(adapter) is HTTPAdapter
        and vars(adapter).keys().isdisjoint(ADAPTER)
        and type(adapter.poolmanager) is PoolManager
    )
