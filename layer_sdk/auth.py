"""Where the credentials of a request come from."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Callable, Mapping

from . import _oidc_options as options
from ._discovery import Discovery, Given
from ._exchange import Exchange
from ._grant import ClientCredentialsGrant
from ._origins import without_login
from ._secrets import Secret, SecretSource, problem_with
from ._tokens import TokenCache
from .exceptions import LayerAuthError, LayerInvalidConfigurationError

if TYPE_CHECKING:
    import os

    import requests

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


class AuthProvider(ABC):
    """The extension point for authentication: anything that can say which headers a request needs.

    After a 401 the SDK calls `invalidate`, asks for headers anew and repeats the request once. A provider whose
    `invalidate` has a parameter `refused` is given the headers that were refused, so that it can keep newer ones.

    Attributes:
        allow_insecure: Whether the headers may cross a network over plain http. By default they go only over https, or
            stay within this machine.

    Example:
        >>> class Ticket(AuthProvider):
        ...     def get_headers(self):
        ...         return {"X-Ticket": "t-1"}
        >>> Ticket().get_headers()
        {'X-Ticket': 't-1'}
    """

    allow_insecure: bool = False

    @abstractmethod
    def get_headers(self) -> dict[str, str]:
        """Say which headers to send. Called for every request, from any thread.

        Raises:
            LayerAuthError: If no credentials can be had.
        """

    def invalidate(self) -> None:  # noqa: B027  (optional on purpose)
        """Forget what is cached: the server answered 401 to it. Optional."""


class BearerToken(AuthProvider):
    """A token that you have already, sent as `Authorization: Bearer` (RFC 6750, section 2.1).

    Args:
        token: The token, or a function that gives it: it is called for every request, from any thread.
        allow_insecure: Whether the token may cross a network over plain http.

    Raises:
        LayerInvalidConfigurationError: If the token is empty or cannot be sent.

    Example:
        >>> provider = BearerToken("not-shown")
        >>> provider.get_headers()["Authorization"].split()[0], "not-shown" in repr(provider)
        ('Bearer', False)
    """

    def __init__(self, token: str | Callable[[], str], *, allow_insecure: bool = False) -> None:
        given = Secret(token)
        del token
        self.allow_insecure = allow_insecure
        self._source = _source("token", given, _problem_with_token)

    def __repr__(self) -> str:
        return "BearerToken(***)"

    def get_headers(self) -> dict[str, str]:
        """Give the `Authorization` header.

        Raises:
            LayerAuthError: If the function gives no token that can be sent.
        """
        return {"Authorization": f"Bearer {_read('token', self._source, _problem_with_token).reveal()}"}


class APIKey(AuthProvider):
    """A key in a header of its own.

    Args:
        header: The header's name, such as `X-API-Key`.
        value: The key, or a function that gives it: it is called for every request, from any thread.
        allow_insecure: Whether the key may cross a network over plain http.

    Raises:
        LayerInvalidConfigurationError: If name or key cannot be a header's.

    Example:
        >>> APIKey("X-API-Key", "not-shown")
        APIKey('X-API-Key', ***)
    """

    def __init__(self, header: str, value: str | Callable[[], str], *, allow_insecure: bool = False) -> None:
        given = Secret(value)
        del value
        self._header = header  # first of all: a traceback may show a provider that is half made
        if not isinstance(header, str) or not HEADER_NAME.fullmatch(header):
            raise LayerInvalidConfigurationError("header must be the name of an HTTP header, such as X-API-Key")
        self.allow_insecure = allow_insecure
        self._source = _source("value", given, _problem_with_value)

    def __repr__(self) -> str:
        return f"APIKey({self._header!r}, ***)"

    def get_headers(self) -> dict[str, str]:
        """Give the header.

        Raises:
            LayerAuthError: If the function gives no key that can be sent.
        """
        return {self._header: _read("value", self._source, _problem_with_value).reveal()}


class OIDCClientCredentials(AuthProvider):
    """Tokens by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4), tested with Keycloak.

    A token is fetched when the first request needs it, shared by all threads, and renewed by one of them shortly before
    it expires, while the others go on using it.

    Args:
        token_url: The token endpoint. Else `LAYER_OIDC_TOKEN_URL`.
        client_id: The client's id. Else `LAYER_OIDC_CLIENT_ID`.
        client_secret: The client's secret, or a function that gives it. Else `LAYER_OIDC_CLIENT_SECRET`.
        scope: The scope to ask for, optional. Else `LAYER_OIDC_SCOPE`.
        http_session: A `requests.Session` for the token requests. By default one with the SDK's retry policy.
        http_timeout: Seconds to connect and to wait for an answer, each. Else `LAYER_OIDC_TIMEOUT`, else 10.
        issuer: In place of `token_url`: the provider's issuer identifier, whose description names the token endpoint
            (OpenID Connect Discovery 1.0). Else `LAYER_OIDC_ISSUER`.
        client_secret_file: A file that holds the secret, read for each token. Else `LAYER_OIDC_CLIENT_SECRET_FILE`.
        client_auth: How the secret is sent: `post`, in the form, or `basic`, in a header (RFC 6749, section 2.3.1). Or,
            without a secret: `private_key_jwt` (RFC 7523, section 2.2; needs the extra `jwt`), or `tls`, by the
            certificate of `http_session` (RFC 8705).
        private_key: The key for `private_key_jwt`, in PEM, or a function that gives it.
        private_key_file: A file that holds that key, read for each token.
        key_id: The key's id, for a provider that knows several keys of this client.
        signing_algorithm: What to sign with, such as `PS256`. By default what fits the key: RS256, ES256, EdDSA.
        audience: The `audience` to ask for, for providers that want one.
        extra_parameters: More fields for the token request.
        allow_insecure: Whether secret and token may cross a network over plain http.

    Raises:
        LayerMissingRequiredConfigurationError: If endpoint, client id or secret are given nowhere.
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

    _shown = "..."  # a traceback may show a provider that is half made

    def __init__(
        self,
        *,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | Callable[[], str] | None = None,
        scope: str | None = None,
        http_session: requests.Session | None = None,
        http_timeout: float | None = None,
        issuer: str | None = None,
        client_secret_file: str | os.PathLike[str] | None = None,
        client_auth: str = "post",
        private_key: str | Callable[[], str] | None = None,
        private_key_file: str | os.PathLike[str] | None = None,
        key_id: str | None = None,
        signing_algorithm: str | None = None,
        audience: str | None = None,
        extra_parameters: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
    ) -> None:
        given_url, given_secret = Secret(token_url), Secret(client_secret)
        given_key, given_extra = Secret(private_key), Secret(extra_parameters)
        del token_url, client_secret, private_key, extra_parameters  # a traceback from here on shows none of them
        self.allow_insecure = allow_insecure
        url, issuer = options.location(given_url, issuer)
        client_id = options.client_id(client_id)
        place = f"issuer={issuer!r}" if url is None else f"token_url={without_login(url.reveal())!r}"
        self._shown = f"{place}, client_id={client_id!r}"
        secret = options.source("client_secret", given_secret, client_secret_file, "LAYER_OIDC_CLIENT_SECRET")
        key = options.source("private_key", given_key, private_key_file)
        client = options.client_auth(client_auth, client_id, secret, key, key_id=key_id, algorithm=signing_algorithm)
        fields = Secret(options.parameters(scope, audience, given_extra))
        exchange = Exchange(http_session, options.timeout(http_timeout))
        if not allow_insecure:
            options.refuse_exposed("issuer" if url is None else "token_url", url or Secret(str(issuer)))
        known = (
            Given(url, issuer) if url is not None else Discovery(str(issuer), exchange, allow_insecure=allow_insecure)
        )
        grant = ClientCredentialsGrant(exchange, known, client, fields.reveal())
        self._tokens = TokenCache(grant.fetch)

    def __repr__(self) -> str:
        return f"OIDCClientCredentials({self._shown})"

    def get_headers(self) -> dict[str, str]:
        """Give the `Authorization` header, with a new token when the old one is about to expire.

        Raises:
            LayerAuthError: If the provider refuses the credentials or its answer holds no token.
            LayerRequestError: If the provider cannot be reached.
        """
        return {"Authorization": f"Bearer {self._tokens.get().reveal()}"}

    def invalidate(self, refused: Mapping[str, str] | None = None) -> None:
        """Forget the token, so that the next request fetches another.

        Args:
            refused: The headers that the server refused. If their token is not the one that is kept, a newer one has
                come since, and is kept.
        """
        header = Secret((refused or {}).get("Authorization", ""))
        self._tokens.forget(Secret(header.reveal().partition(" ")[2]) if header.reveal() else None)


def _source(name: str, given: Secret[Any], problem_of: Callable[[Secret[str]], str | None]) -> SecretSource:
    source = SecretSource(name, given)
    if source.is_literal:
        problem = problem_with(given) or problem_of(given)
        if problem is not None:
            raise LayerInvalidConfigurationError(f"{name} {problem}")
    return source


def _read(name: str, source: SecretSource, problem_of: Callable[[Secret[str]], str | None]) -> Secret[str]:
    found = source.read()
    problem = problem_of(found)
    if problem is not None:
        raise LayerAuthError(f"{name} {problem}")
    return found


def _problem_with_token(token: Secret[str]) -> str | None:
    is_sendable = all("!" <= letter <= "~" for letter in token.reveal())
    return None if is_sendable else "must consist of visible ASCII characters, without blanks"


def _problem_with_value(value: Secret[str]) -> str | None:
    is_sendable = all(" " <= letter <= "~" for letter in value.reveal()) and value.reveal() == value.reveal().strip()
    return None if is_sendable else "must consist of ASCII characters on one line, without blanks at its ends"
