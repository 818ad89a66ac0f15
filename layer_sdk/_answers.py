"""What the answer of a token endpoint means (RFC 6749, sections 5.1 and 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, NamedTuple

from ._secrets import Secret, hide
from ._tokens import Granted
from .exceptions import LayerAuthError, LayerRequestError

if TYPE_CHECKING:
    from ._exchange import Answer

# `expires_in` is recommended and optional; a token without one is asked for anew after a minute.
ASSUMED_LIFETIME = 60.0
MAX_LIFETIME = 86_400.0
MAX_WORDS = 300
# Besides 5xx, the statuses that say: not now.
NOT_NOW = {408, 425, 429}
NOT_NOW_CODES = {"server_error", "slow_down", "temporarily_unavailable"}
REFUSED = {400, 401, 403}

# The codes that say that id or secret are wrong; Keycloak says so with the second one.
WRONG_CLIENT = {"invalid_client", "unauthorized_client"}
HINTS = {
    "invalid_client": "check client_id, its secret or key, and client_auth",
    "invalid_request": "check client_auth, audience and extra_parameters",
    "invalid_scope": "check scope",
    "invalid_target": "check audience and extra_parameters",
    "unauthorized_client": "check the secret, and that the client may use the client credentials grant",
    "unsupported_grant_type": "the provider has no client credentials grant there; check token_url or issuer",
}


class Failure(NamedTuple):
    """An attempt that brought no token.

    Attributes:
        error: What to raise.
        is_client: Whether id or secret are in doubt.
        is_place: Whether the endpoint is: it is gone, or something else answers in its place.
    """

    error: LayerAuthError | LayerRequestError
    is_client: bool = False
    is_place: bool = False


def judge(answer: Answer, url: str, secrets: tuple[Secret[str], ...]) -> Granted | Failure:
    """Read a token out of an answer, or say why there is none.

    What is wrong comes back as a value: in a traceback, the answer would stand among this function's variables.
    """
    status, fields = answer.status, answer.fields.reveal()
    code = _text(fields.get("error"))
    is_success = 200 <= status < 300 and not code
    if is_success and _is_usable(fields.get("access_token")) and _is_bearer(fields.get("token_type")):
        return Granted(Secret(fields["access_token"]), _lifetime(fields))
    subject, words = f"The token endpoint {url}", _words(answer, secrets)
    if status >= 500 or status in NOT_NOW or code in NOT_NOW_CODES:
        return Failure(LayerRequestError(f"{subject} answered {status}{words}"), is_place=True)
    if is_success:
        return Failure(LayerAuthError(f"{subject} answered {status} {_lack(answer)}"), is_place=answer.is_html)
    if status in REFUSED or 200 <= status < 300:
        hint = f"; {HINTS[code]}" if code in HINTS else ""
        error = LayerAuthError(f"{subject} refused the client credentials with status {status}{words}{hint}")
        return Failure(error, is_client=status == 401 or code in WRONG_CLIENT)
    instead = "with a page instead of a token" if answer.is_html else "instead of a token"
    return Failure(
        LayerAuthError(f"{subject} answered {status} {instead}{words}; check token_url or issuer"), is_place=True
    )


def _is_usable(token: Any) -> bool:
    return isinstance(token, str) and bool(token) and all("!" <= letter <= "~" for letter in token)


def _is_bearer(token_type: Any) -> bool:
    return token_type is None or _text(token_type).lower() == "bearer"  # some providers leave it out


def _lack(answer: Answer) -> str:
    fields = answer.fields.reveal()
    if answer.is_html:
        return "without a usable access_token, but with a page for people; check token_url or issuer"
    if _is_usable(fields.get("access_token")):
        return "with an access_token of another type than Bearer; check token_url or issuer"
    return "without a usable access_token; check token_url or issuer"


def _words(answer: Answer, secrets: tuple[Secret[str], ...]) -> str:
    """Repeat what the provider says, without what it should not have said."""
    fields = answer.fields.reveal()
    tokens = [Secret(value) for name, value in fields.items() if name.endswith("token") and isinstance(value, str)]
    said = [_text(fields.get(name)) for name in ("error", "error_description")]
    text = hide(" - ".join(words for words in said if words), (*secrets, *tokens))
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return f": {' '.join(text.split()):.{MAX_WORDS}}" if text.strip() else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _lifetime(fields: Mapping[str, Any]) -> float:
    given = fields.get("expires_in")
    try:
        seconds = ASSUMED_LIFETIME if given is None or isinstance(given, bool) else float(given)
    except (OverflowError, TypeError, ValueError):
        return ASSUMED_LIFETIME
    return min(seconds, MAX_LIFETIME) if seconds >= 0 else ASSUMED_LIFETIME
