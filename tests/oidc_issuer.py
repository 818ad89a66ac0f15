"""A small OpenID Connect issuer on a real socket: discovery, keys, and tokens with whatever wrong a test wants."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from scripted_server import Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from typing_extensions import Self

JSON = {"Content-Type": "application/json"}
REALM = "/realms/small"


class SigningKey:
    """A key pair, and how it is published.

    Args:
        key_id: Its `kid`.
        algorithm: The algorithm it signs with: of RSA, or ES256.
    """

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.id = key_id
        self.algorithm = algorithm
        is_rsa = algorithm[0] in "RP"
        self.private = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        self.published = self._entry(self.private.public_key())

    def _entry(self, key: Any) -> dict[str, Any]:
        form = RSAAlgorithm if self.algorithm[0] in "RP" else ECAlgorithm
        return {**form.to_jwk(key, as_dict=True), "kid": self.id, "use": "sig", "alg": self.algorithm}

    @property
    def private_entry(self) -> dict[str, Any]:
        """The whole pair, as a provider's own key set has it."""
        return self._entry(self.private)

    @property
    def private_pem(self) -> str:
        """The private key, as a client keeps it."""
        plain = serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(serialization.Encoding.PEM, form, plain).decode("ascii")

    @property
    def public_pem(self) -> bytes:
        """The public key, as it might be taken for a secret."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, form)


class Issuer:
    """Publishes its keys and gives a token to any client that says the secret.

    Attributes:
        keys: What it publishes; the first one signs.
        metadata: What is different in its discovery document.
        secret: The secret of every client.
        is_down: Whether it answers 500 to everything.
    """

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys) or [SigningKey("first")]
        self.metadata: dict[str, Any] = {}
        self.secret = "of-the-client"
        self.is_down = False
        self.server = ScriptedServer(self._answer)

    @property
    def url(self) -> str:
        """The issuer's name, which is its URL."""
        return self.server.url + REALM

    @property
    def token_url(self) -> str:
        """Where tokens are had."""
        return self.url + "/token"

    @property
    def fetches(self) -> int:
        """How often somebody asked for the keys."""
        return sum(asked.path == REALM + "/keys" for asked in self.server.asked)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, with changes; None takes one away."""
        now = int(time.time())
        good = {"iss": self.url, "sub": "app", "aud": "layer", "iat": now, "exp": now + 60}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, key: SigningKey | None = None, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Sign a token, with the first key unless told otherwise."""
        chosen = key or self.keys[0]
        named = {"kid": chosen.id, **(headers or {})}
        return jwt.encode(self.claims(**changes), chosen.private, chosen.algorithm, headers=named)

    def _answer(self, asked: Asked) -> Answer:
        if self.is_down:
            return Answer(500, b"down")
        if asked.path == REALM + "/token":
            return self._grant(asked)
        documents: dict[str, Any] = {
            REALM + "/.well-known/openid-configuration": self._discovery(),
            REALM + "/keys": {"keys": [key.published for key in self.keys]},
        }
        return _json(documents[asked.path]) if asked.path in documents else Answer(404)

    def _discovery(self) -> dict[str, Any]:
        usual = {"issuer": self.url, "token_endpoint": self.token_url, "jwks_uri": self.url + "/keys"}
        return {**usual, **self.metadata}

    def _grant(self, asked: Asked) -> Answer:
        if [self.secret] != parse_qs(asked.body.decode()).get("client_secret"):
            return _json({"error": "invalid_client"}, 401)
        return _json({"access_token": self.token(), "token_type": "Bearer", "expires_in": 60})


def _json(document: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(document).encode(), JSON)
