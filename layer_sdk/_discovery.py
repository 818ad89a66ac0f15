"""Where the token endpoint is: given as such, or read from the provider's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from ._answers import NOT_NOW
from ._origins import is_exposed, is_usable, named, origin_of, without_login
from ._secrets import Secret
from .exceptions import LayerAuthError, LayerRequestError, LayerSDKException

if TYPE_CHECKING:
    from ._exchange import Answer, Exchange

WELL_KNOWN = "/.well-known/openid-configuration"


class Place(NamedTuple):
    """A token endpoint.

    Attributes:
        url: Its URL.
        audience: Whom a signed assertion is for: the issuer where it is known, else the endpoint. Providers that follow
            RFC 7523 take both, and those that follow its revision the issuer alone.
    """

    url: Secret[str]
    audience: str


class Directory(Protocol):
    """Knows the token endpoint."""

    def find(self) -> Place:
        """Give it.

        Raises:
            LayerAuthError: If the provider's description cannot be used.
            LayerRequestError: If the provider does not answer.
        """

    def look_again(self) -> bool:
        """Tell, after the endpoint failed, whether it is elsewhere by now."""


class Given:
    """A token endpoint that the caller named.

    Args:
        url: Its URL.
        issuer: The provider's issuer identifier, if that is known too.
    """

    def __init__(self, url: Secret[str], issuer: str | None) -> None:
        self._place = Place(url, issuer or without_login(url.reveal()))

    def find(self) -> Place:
        """Give it."""
        return self._place

    def look_again(self) -> bool:
        """It is where it is."""
        return False


class Discovery:
    """A token endpoint that the issuer's description names (OpenID Connect Discovery 1.0, section 4).

    Args:
        issuer: The issuer identifier.
        exchange: Asks for the description.
        allow_insecure: Whether the token endpoint may be reached over plain http.
    """

    def __init__(self, issuer: str, exchange: Exchange, *, allow_insecure: bool) -> None:
        self._issuer = issuer
        self._exchange = exchange
        self._allow_insecure = allow_insecure
        self._place: Place | None = None

    @property
    def _url(self) -> str:
        return self._issuer.rstrip("/") + WELL_KNOWN

    def find(self) -> Place:
        """Give what the description says; it is asked for once."""
        place = self._place
        if place is None:
            place = self._place = self._discover()
        return place

    def look_again(self) -> bool:
        """Ask for the description anew; without an answer, the next request for a token asks again."""
        old, self._place = self._place, None
        try:
            return self.find() != old
        except LayerSDKException:
            return False

    def _discover(self) -> Place:
        answer = self._exchange.get(Secret(self._url), "the discovery document")
        if answer.status >= 500 or answer.status in NOT_NOW:
            raise LayerRequestError(f"{self._subject} was answered with {answer.status}")
        problem = self._problem_with(answer)
        if problem is not None:
            raise LayerAuthError(f"{self._subject} {problem}")
        return Place(Secret(answer.fields.reveal()["token_endpoint"]), answer.fields.reveal()["issuer"])

    @property
    def _subject(self) -> str:
        return f"The discovery document {self._url}"

    def _problem_with(self, answer: Answer) -> str | None:
        fields = answer.fields.reveal()
        issuer, endpoint = fields.get("issuer"), fields.get("token_endpoint")
        if not 200 <= answer.status < 300 or not fields:
            page = " and a page for people" if answer.is_html else ""
            return f"was answered with {answer.status}{page} instead of a JSON object; check issuer"
        if not isinstance(issuer, str) or issuer.rstrip("/") != self._issuer.rstrip("/"):
            return f"is of another issuer, {issuer!r:.200}, and not to be trusted; check issuer"
        if not isinstance(endpoint, str) or not is_usable(endpoint):
            return "names no token_endpoint that is a URL"
        if is_exposed(endpoint) and not self._allow_insecure:
            return (
                f"names a token_endpoint over plain http, at {named(origin_of(endpoint))}, where the secret could be "
                "read on the way; give allow_insecure=True if that is meant"
            )
        return None
