"""How a client proves to a token endpoint who it is."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any, Protocol
from urllib.parse import quote_plus
from uuid import uuid4

from ._exchange import Proof
from ._secrets import Secret, SecretSource, without_frames
from .exceptions import LayerAuthError, LayerInvalidConfigurationError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = 60
# RFC 7518, section 3.4: each curve has an algorithm of its own.
CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *CURVES.values(), "EdDSA")


class ClientAuth(Protocol):
    """One way to prove it."""

    def prove(self, audience: str) -> Proof:
        """Make what a token request needs besides the grant.

        Raises:
            LayerAuthError: If the secret or key cannot be had or used.
        """


class SecretInForm:
    """`post`: id and secret as fields of the form (RFC 6749, section 2.3.1)."""

    def __init__(self, client_id: str, secret: SecretSource) -> None:
        self._client_id = client_id
        self._secret = secret

    def prove(self, audience: str) -> Proof:  # noqa: ARG002  (the other ways need it)
        """Give both fields."""
        secret = self._secret.read()
        form = Secret({"client_id": self._client_id, "client_secret": secret.reveal()})
        return Proof(form, Secret({}), secret, (secret,))


class SecretInHeader:
    """`basic`: id and secret, form-urlencoded each, as HTTP basic authentication (RFC 6749, section 2.3.1)."""

    def __init__(self, client_id: str, secret: SecretSource) -> None:
        self._client_id = client_id
        self._secret = secret

    def prove(self, audience: str) -> Proof:  # noqa: ARG002  (the other ways need it)
        """Give the header."""
        secret = self._secret.read()
        login = Secret(f"{quote_plus(self._client_id)}:{quote_plus(secret.reveal())}".encode())
        encoded = Secret(b64encode(login.reveal()).decode())
        headers = Secret({"Authorization": f"Basic {encoded.reveal()}"})
        return Proof(Secret({}), headers, secret, (secret, encoded))


class Certificate:
    """`tls`: the id alone; the certificate of the session proves it (RFC 8705, section 2)."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    def prove(self, audience: str) -> Proof:  # noqa: ARG002  (the other ways need it)
        """Give the id."""
        return Proof(Secret({"client_id": self._client_id}), Secret({}))


class SignedAssertion:
    """`private_key_jwt`: a short-lived JWT, signed with the client's key (RFC 7523, section 2.2).

    Args:
        client_id: The client's id.
        key: Where the private key is read from, in PEM.
        key_id: The key's id, for a provider that knows several of this client's.
        algorithm: The algorithm to sign with; by default the one that fits the key.

    Raises:
        LayerInvalidConfigurationError: If PyJWT or cryptography is not installed, or the key cannot be used.
    """

    def __init__(self, client_id: str, key: SecretSource, key_id: str | None, algorithm: str | None) -> None:
        try:
            import cryptography  # noqa: F401
            import jwt  # noqa: F401
        except ImportError as error:
            raise LayerInvalidConfigurationError(
                f'client_auth="private_key_jwt" needs the extra "jwt" ({error.name} is not installed): '
                'pip install "protectai-layer-sdk[jwt]"'
            ) from error
        self._client_id = client_id
        self._key = key
        self._key_id = key_id
        self._algorithm = algorithm
        if key.is_literal:
            self._try()

    def prove(self, audience: str) -> Proof:
        """Sign an assertion for this audience, and no other one twice: each has an id of its own."""
        key = self._key.read()
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": audience,
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        }
        assertion = self._sign(claims, key)
        form = {"client_id": self._client_id, "client_assertion_type": ASSERTION_TYPE}
        whole = Secret({**form, "client_assertion": assertion.reveal()})
        return Proof(whole, Secret({}), key, (key, assertion))

    def _try(self) -> None:
        try:
            self._sign({}, self._key.read())
        except LayerAuthError as error:
            raise LayerInvalidConfigurationError(str(error)) from error.__cause__

    def _sign(self, claims: dict[str, Any], pem: Secret[str]) -> Secret[str]:
        import jwt
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        headers = {} if self._key_id is None else {"kid": self._key_id}
        try:
            key = load_pem_private_key(pem.reveal().encode("utf-8"), None)
            algorithm = self._algorithm or _algorithm_for(key)
            return Secret(jwt.encode(claims, key, algorithm, headers))  # type: ignore[arg-type]
        except (KeyError, jwt.PyJWTError, NotImplementedError, TypeError, UnsupportedAlgorithm, ValueError) as error:
            raise LayerAuthError(
                "private_key cannot sign: it must be a private key in PEM, not encrypted, RSA, EC or Ed25519, and "
                f"signing_algorithm, if given, must fit it ({type(error).__name__})"
            ) from without_frames(error)


def _algorithm_for(key: Any) -> str:
    """Name what a key signs with (RFC 7518, section 3.1; RFC 8037)."""
    curve = getattr(key, "curve", None)
    if curve is not None:
        return CURVES[curve.name]
    return "RS256" if hasattr(key, "private_numbers") and hasattr(key, "key_size") else "EdDSA"
