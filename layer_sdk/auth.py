"""Where the credentials of a request come from."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Mapping, TypeVar
from urllib.parse import urlsplit

from . import _fork
from .exceptions import (
    LayerAuthError,
    LayerInvalidConfigurationError,
    LayerMissingRequiredConfigurationError,
    LayerRequestError,
)

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

DEFAULT_TIMEOUT = 10.0
MAX_TIMEOUT = 2_000_000.0  # a socket cannot wait longer: milliseconds in 31 bits
# A token is renewed when a tenth of its life is left, so that none expires on its way to the server.
RENEW_AT = 0.9
# RFC 6749 recommends `expires_in` and leaves it optional; a token without one is asked for anew after a minute.
ASSUMED_LIFETIME = 60.0
MAX_LIFETIME = 86_400.0
# Besides 5xx, the statuses that say: not now.
NOT_NOW = {408, 425, 429}
REFUSED = {400, 401, 403}


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
        LayerInvalidConfigurationError: If a value cannot be used.

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
        self._token_url = _url(_required("token_url", token_url, "LAYER_OIDC_TOKEN_URL"))
        self._shown_url = _without_login(self._token_url)
        self._client_id = _required("client_id", client_id, "LAYER_OIDC_CLIENT_ID").strip()
        self._client_secret = _required("client_secret", client_secret, "LAYER_OIDC_CLIENT_SECRET")
        self._scope = (scope or os.environ.get("LAYER_OIDC_SCOPE", "")).strip()
        self._timeout = _timeout(http_timeout)
        self._session = http_session
        self._lock = _fork.Lock()
        _fork.watch(self)
        self._token: tuple[str, float] | None = None  # the token and the monotonic time at which to renew it

    def after_fork(self) -> None:
        """Leave the parent's connections alone; the token serves both."""
        if self._session is not None:
            from . import _pools

            _pools.renew(self._session)

    def __repr__(self) -> str:
        return f"OIDCClientCredentials(token_url={self._shown_url!r}, client_id={self._client_id!r})"

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
        asked_at = time.monotonic()
        response = self._ask()
        answer = _json(response)
        if not 200 <= response.status_code < 300:
            raise self._refusal(response.status_code, answer)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            status = response.status_code
            raise LayerAuthError(
                f"The token endpoint {self._shown_url} answered {status} without a usable access_token"
            )
        return token, asked_at + _lifetime(answer) * RENEW_AT

    def _ask(self) -> requests.Response:
        import requests
        import urllib3

        session = self._session = self._session if self._session is not None else _default_session()
        has_login = getattr(session, "auth", None) is not None or "@" in urlsplit(self._token_url).netloc
        try:
            return session.post(
                self._token_url,
                data=self._form(),
                headers={"Accept": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
                # RFC 6749 forbids a second way to authenticate: the login that a netrc file may have stays out.
                auth=None if has_login else _itself,
            )
        except requests.exceptions.HTTPError as error:
            if error.response is not None:  # a hook that calls raise_for_status()
                return error.response
            raise self._unreachable(error) from error
        except UnicodeError:  # it quotes what it could not write, which is the login in the URL
            raise self._unreachable("HTTP cannot carry the letters of the login in it") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception | str) -> LayerRequestError:
        return LayerRequestError(f"No answer from the token endpoint {self._shown_url}: {error}")

    def _refusal(self, status: int, answer: Any) -> LayerRequestError | LayerAuthError:
        """Say what an answer without a token means (RFC 6749, section 5.2)."""
        words = f"{_error_words(answer).replace(self._client_secret, '***'):.300}"
        if status >= 500 or status in NOT_NOW:
            return LayerRequestError(f"The token endpoint {self._shown_url} answered {status}{words}")
        if status in REFUSED:
            return LayerAuthError(
                f"The token endpoint {self._shown_url} refused the client credentials with status {status}{words}"
            )
        return LayerAuthError(
            f"The token endpoint {self._shown_url} answered {status} instead of a token{words}; check token_url"
        )

    def _form(self) -> dict[str, str]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        if self._scope:
            form["scope"] = self._scope
        return form


def _itself(value: T) -> T:
    return value


def _default_session() -> requests.Session:
    from ._retry import default_session

    return default_session()


def _required(name: str, value: str | None, variable: str) -> str:
    found = value or os.environ.get(variable)
    if not found or not str(found).strip():
        raise LayerMissingRequiredConfigurationError(
            f"{name} is missing: give OIDCClientCredentials the argument {name}, or set {variable}"
        )
    if not isinstance(found, str):
        raise LayerInvalidConfigurationError(f"{name} must be text, but is of type {type(found).__name__}")
    if found != found.encode("utf-8", "replace").decode("utf-8"):  # not shown: it may be the secret
        raise LayerInvalidConfigurationError(f"{name} must be text that UTF-8 can write")
    return found


def _url(value: str) -> str:
    text = value.strip().strip("\"'").strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:  # shown it is not: a URL may hold a password
        raise LayerInvalidConfigurationError(
            "token_url must be a URL with scheme and host, such as https://sso.example.com/realms/REALM/protocol/"
            "openid-connect/token: look at the argument token_url, or LAYER_OIDC_TOKEN_URL"
        )
    return text


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def seconds_of(value: Any) -> float | None:
    """Read a timeout; None where it is not a number of seconds that a socket can wait."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return seconds if 0 < seconds <= MAX_TIMEOUT else None


def shown(value: Any) -> str:
    """Show a number or a text in an error; of anything else its type."""
    if isinstance(value, (str, float)) or (isinstance(value, int) and value.bit_length() <= 64):
        return f"{value!r:.200}"
    return f"of type {type(value).__name__}"


def _timeout(value: float | None) -> float:
    given = value if value is not None else os.environ.get("LAYER_OIDC_TIMEOUT", "").strip() or DEFAULT_TIMEOUT
    seconds = seconds_of(given)
    if seconds is None:
        source = "the argument http_timeout" if value is not None else "the environment variable LAYER_OIDC_TIMEOUT"
        raise LayerInvalidConfigurationError(
            f"http_timeout must be a number of seconds above 0 and up to {MAX_TIMEOUT:.0f}, "
            f"but {source} is {shown(given)}"
        )
    return seconds


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except (RecursionError, ValueError):
        return None


def _error_words(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    words = [answer[name] for name in ("error", "error_description") if isinstance(answer.get(name), str)]
    return f": {' - '.join(words)}" if words else ""


def _lifetime(answer: Mapping[str, Any]) -> float:
    try:
        seconds = float(answer.get("expires_in", ASSUMED_LIFETIME))
    except (OverflowError, TypeError, ValueError):
        return ASSUMED_LIFETIME
    return min(seconds, MAX_LIFETIME) if seconds >= 0 else ASSUMED_LIFETIME
