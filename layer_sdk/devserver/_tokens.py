"""The bearer token of a request: whether the issuer signed it, for this server, and whether it still holds."""

from __future__ import annotations

from typing import Any

import jwt

from ._keys import ASYMMETRIC, Key, Keys
from ._problems import Fault, Refusal

# Clocks differ a little, and a request takes a moment.
LEEWAY = 2.0
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "has expired; fetch a new one"),
    (jwt.ImmatureSignatureError, "is not valid yet; compare the clocks of issuer and server"),
    (jwt.InvalidIssuerError, "is of another issuer than this server trusts"),
    (jwt.InvalidAudienceError, "is meant for another audience than this server"),
    (jwt.InvalidSignatureError, "has a signature that does not verify"),
)


class Gate:
    """Lets through who brings a token of the issuer.

    Args:
        issuer: The issuer's URL.
        audience: Whom the token must be meant for; None for anybody.
    """

    def __init__(self, issuer: str, audience: str | None) -> None:
        self._keys = Keys(issuer)
        self._audience = audience

    async def check(self, authorization: str | None) -> None:
        """Judge the `Authorization` header of a request.

        Raises:
            Refusal: If it holds no valid token (401), or the issuer can not be asked for its keys (503).
        """
        token = _token(authorization)
        issuer, key = await self._keys.find(_key_id(token))
        if key is None:
            raise _refused("is signed with a key that the issuer does not have")
        self._verify(token, key, issuer)

    def _verify(self, token: str, key: Key, issuer: str) -> None:
        options: Any = {"require": ["exp", "iss"], "verify_aud": self._audience is not None}
        try:
            jwt.decode(
                token,
                key.value,
                algorithms=list(key.algorithms),
                audience=self._audience,
                issuer=issuer,
                leeway=LEEWAY,
                options=options,
            )
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"lacks the claim {error.claim}") from None
        except jwt.PyJWTError as error:
            reasons = (reason for kind, reason in _REASONS if isinstance(error, kind))
            raise _refused(next(reasons, "can not be read")) from None


def _token(authorization: str | None) -> str:
    if not authorization:
        raise _refused("is missing; send the header Authorization: Bearer TOKEN")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused("is missing; the header Authorization must be of the scheme Bearer")
    return token.strip()


def _key_id(token: str) -> str | None:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise _refused("is no JSON web token") from None
    if header.get("alg") not in ASYMMETRIC:
        raise _refused(f"must be signed with one of {', '.join(sorted(ASYMMETRIC))}")
    return header.get("kid")


def _refused(reason: str) -> Refusal:
    detail = f"The bearer token {reason}."
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Refusal(401, detail, [Fault("Authorization", reason)], {"WWW-Authenticate": challenge})
