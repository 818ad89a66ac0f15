"""Whether requests is as it comes out of the box: who replaced one of its methods wants each request to come by."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from requests import models, sessions
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.sessions import Session
from requests.structures import CaseInsensitiveDict
from urllib3 import PoolManager

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
PLACES: list[tuple[Any, tuple[str, ...]]] = [
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
NO_HOOKS: dict[str, list[Any]] = {"response": []}


def _found() -> list[Any]:
    return [getattr(place, name, None) for place, names in PLACES for name in names]


def _is_theirs(thing: Any) -> bool:
    """Tell whether requests itself wrote a function: a wrapper can have its name and its module, not its globals."""
    function = thing.fget if isinstance(thing, property) else thing
    return type(function) is FunctionType and function.__globals__["__name__"].startswith("requests.")


_ORIGINAL = _found()
# Before 2.32.2 an adapter had other ways to find a connection. A patch may also have come before this was imported.
_WAS_AS_SHIPPED = all(_is_theirs(each) for each in _ORIGINAL)


def is_untouched() -> bool:
    """Tell whether nobody has replaced anything in requests."""
    return _WAS_AS_SHIPPED and _found() == _ORIGINAL


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
