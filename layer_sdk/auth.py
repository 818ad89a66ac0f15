"""Where the credentials of a request come from."""

from __future__ import annotations

import math
import os
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Mapping

from .exceptions import LayerAuthError, LayerMissingRequiredConfigurationError, LayerRequestError

if TYPE_CHECKING:
    import requests

DEFAULT_TIMEOUT = 10.0
# A token is renewed when a tenth of its life is left, so that none expires on its way to the server.
RENEW_AT = 0.9
# RFC 6749 recommends `expires_in` and leaves it optional; a token without one is asked for anew after a minute.
ASSUMED_LIFETIME = 60.0


class AuthProvider(ABC):
    """The extension point for authentication: anything that can say which headers a request needs.

    Example:
        >>> class Ticket(AuthProvider):
        ...     def get_headers(self):
        ...         return {"X-Ticket": "t-1"}
        >>> Ticket().get_headers()
        {'X-Ticket': 't-1'}
    """

    @abstractmethod
    def get_headers(self) -> dict[str, str]:
        """Say which headers to send. Called for every request, from any thread.

        Raises:
            LayerAuthError: If no credentials can be had.
        """

    def invalidate(self) -> None:  # noqa: B027  (optional on purpose)
        """Forget what is cached: the server answered 401 to it. Optional."""


class OIDCClientCredentials(AuthProvider):
    """Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4), tested with Keycloak.

    A token is fetched when the first request needs it, shared by all threads, and renewed shortly before it expires.

    Args:
        token_url: The token endpoint. Else `LAYER_OIDC_TOKEN_URL`.
        client_id: The client's id. Else `LAYER_OIDC_CLIENT_ID`.
        client_secret: The client's secret. Else `LAYER_OIDC_CLIENT_SECRET`.
        scope: The scope to ask for, optional. Else `LAYER_OIDC_SCOPE`.
        http_session: A `requests.Session` for the token requests. By default one with the SDK's retry policy.
        http_timeout: Seconds to connect and to wait for an answer, each. Else `LAYER_OIDC_TIMEOUT`, else 10.

    Raises:
        LayerMissingRequiredConfigurationError: If one of the first three is given neither way.

    Example:
        >>> provider = OIDCClientCredentials(
        ...     token_url="https://sso.example.com/realms/layer/protocol/openid-connect/token",
        ...     client_id="my-app",
        ...     client_secret="not-shown",
        ... )
        >>> "not-shown" in repr(provider)
        False
    """

    def __init__(
        self,
        *,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
        http_session: requests.Session | None = None,
        http_timeout: float | None = None,
    ) -> None:
        self._token_url = _required("token_url", token_url, "LAYER_OIDC_TOKEN_URL")
        self._client_id = _required("client_id", client_id, "LAYER_OIDC_CLIENT_ID")
        self._client_secret = _required("client_secret", client_secret, "LAYER_OIDC_CLIENT_SECRET")
        self._scope = scope or os.environ.get("LAYER_OIDC_SCOPE")
        self._timeout = _timeout(http_timeout)
        self._session = http_session
        self._lock = threading.Lock()
        self._token: tuple[str, float] | None = None  # the token and the monotonic time at which to renew it

    def __repr__(self) -> str:
        return f"OIDCClientCredentials(token_url={self._token_url!r}, client_id={self._client_id!r})"

    def get_headers(self) -> dict[str, str]:
        """Give the `Authorization` header, with a new token when the old one is about to expire.

        Raises:
            LayerAuthError: If the provider refuses the credentials or its answer holds no token.
            LayerRequestError: If the provider cannot be reached.
        """
        return {"Authorization": f"Bearer {self._current()}"}

    def invalidate(self) -> None:
        """Forget the token, so that the next request fetches another."""
        with self._lock:
            self._token = None

    def _current(self) -> str:
        with self._lock:  # whoever comes while another thread fetches waits for that one token
            if self._token is None or time.monotonic() >= self._token[1]:
                self._token = self._fetch()
            return self._token[0]

    def _fetch(self) -> tuple[str, float]:
        import requests

        if self._session is None:
            from ._retry import default_session

            self._session = default_session()
        asked_at = time.monotonic()
        try:
            response = self._session.post(
                self._token_url,
                data=self._form(),
                headers={"Accept": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            raise LayerRequestError(f"No answer from the token endpoint {self._token_url}: {error}") from error
        token, lifetime = _read(response, self._token_url)
        return token, asked_at + lifetime * RENEW_AT

    def _form(self) -> dict[str, str]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        if self._scope:
            form["scope"] = self._scope
        return form


def _required(name: str, value: str | None, variable: str) -> str:
    value = value or os.environ.get(variable)
    if not value:
        raise LayerMissingRequiredConfigurationError(
            f"{name} is missing: give OIDCClientCredentials the argument {name}, or set {variable}"
        )
    return value


def _timeout(value: float | None) -> float:
    given = value if value is not None else os.environ.get("LAYER_OIDC_TIMEOUT") or DEFAULT_TIMEOUT
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        from .exceptions import LayerInvalidConfigurationError

        source = "the argument http_timeout" if value is not None else "LAYER_OIDC_TIMEOUT"
        raise LayerInvalidConfigurationError(f"{source} must be a number of seconds above 0, but is {given!r}")
    return seconds


def _read(response: requests.Response, url: str) -> tuple[str, float]:
    """Read the token and its lifetime in seconds out of the endpoint's answer (RFC 6749, section 5)."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    status = response.status_code
    if status != 200:
        words = _error_words(answer)
        if status >= 500:
            raise LayerRequestError(f"The token endpoint {url} answered {status}{words}")
        raise LayerAuthError(f"The token endpoint {url} refused the client credentials with status {status}{words}")
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise LayerAuthError(f"The token endpoint {url} answered 200 without a usable access_token")
    return token, _lifetime(answer)


def _error_words(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    words = [answer[name] for name in ("error", "error_description") if isinstance(answer.get(name), str)]
    return f": {' - '.join(words):.300}" if words else ""


def _lifetime(answer: Mapping[str, Any]) -> float:
    try:
        seconds = float(answer.get("expires_in", ASSUMED_LIFETIME))
    except (TypeError, ValueError):
        return ASSUMED_LIFETIME
    return seconds if 0 <= seconds < math.inf else ASSUMED_LIFETIME
