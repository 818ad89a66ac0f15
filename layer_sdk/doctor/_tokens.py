"""Whether credentials can be had, and how long they last."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Mapping

from layer_sdk._credentials import headers_of
from layer_sdk._secrets import Secret
from layer_sdk.auth import OIDCClientCredentials
from layer_sdk.exceptions import LayerAuthError, LayerRequestError, LayerSDKException

from ._report import Verdict, failure, ok, skipped, warning

if TYPE_CHECKING:
    from ._subject import Subject

KEYCLOAK_PATH = "/protocol/openid-connect/token"
# What the texts of `OIDCClientCredentials` say, and what to do about it; the first that fits counts.
ADVICE = (
    (
        ("invalid_client", "unauthorized_client", "status 401"),
        "client id or secret is wrong: compare LAYER_OIDC_CLIENT_ID and LAYER_OIDC_CLIENT_SECRET with the provider's",
    ),
    (
        ("invalid_scope", "check scope"),
        "the provider knows no such scope for this client: correct LAYER_OIDC_SCOPE, or assign the scope to the client",
    ),
    (
        ("answered 404", "answered 405"),
        "realm or path is wrong: check {setting}; Keycloak's is https://HOST/realms/REALM{path}",
    ),
    (
        ("a page for people", "with a page", "answered 30"),
        "{setting} leads to a website: name the token endpoint, or the issuer, itself",
    ),
    (("is the issuer", "of another issuer", "issuer"), "make LAYER_OIDC_ISSUER the `iss` of the provider's tokens"),
)


def judge(subject: Subject) -> Verdict:
    """Ask for credentials, as each request does."""
    if subject.lacks_provider:
        return skipped("the settings of the credentials cannot be used: see settings")
    if subject.provider is None:
        return ok("no credentials are configured: requests carry none")
    try:
        found = headers_of(subject.provider)
    except LayerAuthError as error:
        return failure(str(error), _advice(str(error), subject))
    except LayerRequestError as error:
        return failure(str(error), f"check that {_setting(subject)} is right, and that the provider runs")
    except LayerSDKException as error:
        return failure(str(error), "check the auth_provider")
    subject.learned.credentials = found
    subject.secrets.extend(Secret(value) for value in found.reveal().values())
    token = Secret(found.reveal().get("Authorization", "").partition(" ")[2])
    subject.secrets.extend([token] if token.reveal() else [])
    return _judged(subject, claims_of(token))


def claims_of(token: Secret[str]) -> Mapping[str, Any] | None:
    """Read what a token says of itself, where it is a JSON web token; nobody vouches for it here."""
    parts = token.reveal().split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _judged(subject: Subject, claims: Mapping[str, Any] | None) -> Verdict:
    if claims is None:
        kind = "a token" if isinstance(subject.provider, OIDCClientCredentials) else "credentials"
        return ok(f"{type(subject.provider).__name__} gives {kind} that cannot be looked into")
    ends, begins = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
    left = None if ends is None else ends - time.time()
    if ends is not None and begins is not None:
        subject.learned.lifetime = ends - begins
    given = f"{type(subject.provider).__name__} gives a token"
    text = f"{given}{_told(left, claims)}"
    if left is not None and left <= 0:
        return failure(
            f"{given} that has expired {-left:.0f} s ago by this machine's clock",
            "set the clock, or have the provider give tokens that live longer",
        )
    missing = sorted(_wanted(subject) - set(_words(claims.get("scope", claims.get("scp")))))
    if missing:
        return warning(
            f"{text}; LAYER_OIDC_SCOPE asks for {', '.join(missing)}, which it does not have",
            "assign the scope to the client at the provider",
        )
    return ok(text)


def _told(left: float | None, claims: Mapping[str, Any]) -> str:
    parts = [] if left is None else [f"expires in {left:.0f} s"]
    parts += [
        f"{name} {' '.join(_words(claims[key]))}"
        for name, key in (("for", "aud"), ("scope", "scope"))
        if claims.get(key)
    ]
    return f" that {', '.join(parts)}" if left is not None else f": {', '.join(parts)}" if parts else ""


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else [str(each) for each in value] if isinstance(value, list) else []


def _wanted(subject: Subject) -> set[str]:
    is_ours = isinstance(subject.provider, OIDCClientCredentials)
    return set(subject.environ.get("LAYER_OIDC_SCOPE", "").split()) if is_ours else set()


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _advice(text: str, subject: Subject) -> str:
    setting = _setting(subject)
    for words, advice in ADVICE:
        if any(word in text for word in words):
            return advice.format(setting=setting, path=KEYCLOAK_PATH if setting.endswith("TOKEN_URL") else "")
    return f"check {setting} and the client at the provider; docs/authentication.md says what is wanted"


def _setting(subject: Subject) -> str:
    return subject.labels.get("oidc_token_url", "") if subject.values.get("oidc_token_url") else "the auth_provider"
