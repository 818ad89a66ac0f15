"""Who may come in: the right host, no other site's script, and with the token where there is one."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Callable
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse

from ._hosts import Hosts
from ._problems import Refusal, problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ._settings import Settings

_OPEN = ("/readyz", "/static/")
_PARAMETER = "token"
_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class Door:
    """Stands before the application and all that it has.

    Args:
        app: The application.
        settings: What was chosen.
        locked: Makes the page for people who come without the token.
    """

    def __init__(self, app: ASGIApp, settings: Settings, locked: Callable[[], Response]) -> None:
        self._app = app
        self._hosts = Hosts(settings.host, settings.hosts)
        self._token = settings.token
        self._has_gate = settings.oidc_issuer is not None
        self._locked = locked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._hosts.takes(headers.get("host", "")):
            return problem(Refusal(421, "This server is not the host that the header Host names."))
        if _is_foreign(headers):
            return problem(Refusal(403, "Another site's page may not read what is recorded here."))
        return None if self._token is None else self._unlocked(scope, headers, self._token)

    def _unlocked(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        path = scope["path"]
        is_api = path.startswith("/v1/")
        if path.startswith(_OPEN) or (is_api and self._has_gate) or _bears(headers, token):
            return None
        if not is_api:
            given = dict(_pairs(scope)).get(_PARAMETER)
            if given is not None and _is_same(given, token):
                return _with_cookie(scope, token)
            if _is_same(cookie_parser(headers.get("cookie", "")).get(_name(token), ""), _value(token)):
                return None
            if not path.startswith("/dev/"):
                return self._locked()
        challenge = {"WWW-Authenticate": 'Bearer realm="layer-dev"'}
        return problem(Refusal(401, "The token of this server is missing or wrong.", headers=challenge))


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another site asks, other than by a link that somebody followed."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _bears(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and _is_same(given.strip(), token)


def _with_cookie(scope: Scope, token: str) -> Response:
    """Keep the token as a cookie, and take it out of the address, which is seen and shared."""
    left = [pair for pair in _pairs(scope) if pair[0] != _PARAMETER]
    # A path that begins with two slashes would lead to another host.
    path = "/" + scope["path"].lstrip("/\\")
    answer = RedirectResponse(f"{path}?{urlencode(left)}" if left else path, 303, _NO_STORE)
    answer.set_cookie(_name(token), _value(token), path="/", httponly=True, samesite="strict")
    return answer


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    query: bytes = scope["query_string"]
    return parse_qsl(str(query, "latin-1"))


def _name(token: str) -> str:
    # Browsers do not tell the ports of a host apart, so servers beside each other need names of their own.
    return "layer_dev_" + hashlib.sha256(b"name " + token.encode("utf-8")).hexdigest()[:12]


def _value(token: str) -> str:
    return hmac.new(token.encode("utf-8"), b"cookie", "sha256").hexdigest()


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8"))
