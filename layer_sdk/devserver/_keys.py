"""The keys that an OpenID Connect issuer signs its tokens with: found, fetched and kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Iterator

import httpx
import jwt
from starlette.concurrency import run_in_threadpool

from ._problems import Refusal

_DISCOVERY = "/.well-known/openid-configuration"
_PATIENCE = 5.0
# Whoever makes up key ids makes the server ask its issuer no more often than this.
_BETWEEN_FETCHES = 1.0
# What the issuer has withdrawn is not taken for longer than this.
_LIFETIME = 300.0
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# By type or curve. Symmetric ones are not here: a public key is no secret to sign with.
_ALGORITHMS = {
    "RSA": _RSA,
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
}
ASYMMETRIC = frozenset(name for names in _ALGORITHMS.values() for name in names)


@dataclass(frozen=True)
class Key:
    """A public key, and what it may be used for."""

    id: str | None
    algorithms: tuple[str, ...]
    value: Any


@dataclass(frozen=True)
class _Published:
    """What the issuer said last."""

    issuer: str
    keys: tuple[Key, ...]
    fetched_at: float

    def named(self, key_id: str | None) -> Key | None:
        found = [key for key in self.keys if key_id is None or key.id == key_id]
        return found[0] if len(found) == 1 else None


class Keys:
    """The keys of one issuer, fetched when first needed, and again for a key that is not known yet.

    Runs in one event loop: requests that need the same fetch wait for one, and it blocks nobody else.

    Args:
        issuer: The issuer's URL.
    """

    def __init__(self, issuer: str) -> None:
        self._url = issuer.rstrip("/")
        self._published: _Published | None = None
        self._fetching: asyncio.Future[None] | None = None
        self._next_fetch = 0.0

    async def find(self, key_id: str | None) -> tuple[str, Key | None]:
        """Find a key.

        Args:
            key_id: Which one; None for the only one there is.

        Returns:
            How the issuer calls itself, and the key, or None where it has none such.

        Raises:
            Refusal: If the issuer does not tell its keys (503).
        """
        published = self._published
        if published is None or self._is_old(published) or published.named(key_id) is None:
            published = await self._fresh()
        return published.issuer, published.named(key_id)

    def _is_old(self, published: _Published) -> bool:
        return time.monotonic() - published.fetched_at > _LIFETIME

    async def _fresh(self) -> _Published:
        if self._fetching is None:
            self._fetching = asyncio.ensure_future(self._fetch())
        # Who asked may go away; the others wait on.
        await asyncio.shield(self._fetching)
        if self._published is None:
            raise _silent(self._url, "nothing came of asking it")
        return self._published

    async def _fetch(self) -> None:
        try:
            await asyncio.sleep(max(0.0, self._next_fetch - time.monotonic()))
            self._published = await run_in_threadpool(_published_by, self._url)
        finally:
            self._next_fetch = time.monotonic() + _BETWEEN_FETCHES
            self._fetching = None


def _published_by(url: str) -> _Published:
    with httpx.Client(timeout=_PATIENCE) as client:
        metadata = _document(client, url + _DISCOVERY, url)
        issuer, keys_url = metadata.get("issuer"), metadata.get("jwks_uri")
        if not isinstance(issuer, str) or issuer.rstrip("/") != url:
            raise _silent(url, "its discovery document is of another issuer; give --oidc-issuer as the issuer is named")
        if not isinstance(keys_url, str):
            raise _silent(url, "its discovery document has no jwks_uri")
        entries = _document(client, keys_url, url).get("keys")
    usable = tuple(_usable(entries if isinstance(entries, list) else []))
    if not usable:
        raise _silent(url, "its jwks_uri has no key that can be used")
    return _Published(issuer, usable, time.monotonic())


def _document(client: httpx.Client, url: str, issuer: str) -> dict[str, Any]:
    try:
        document = client.get(url).raise_for_status().json()
    except httpx.HTTPStatusError as error:
        raise _silent(issuer, f"GET {url} answered {error.response.status_code}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _silent(issuer, f"GET {url} failed: {error}") from None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _silent(issuer, f"GET {url} answered no JSON object")
    return document


def _usable(entries: list[Any]) -> Iterator[Key]:
    for entry in entries:
        algorithms = _algorithms(entry) if isinstance(entry, dict) else ()
        if not algorithms:
            continue
        try:
            yield Key(entry.get("kid"), algorithms, jwt.PyJWK(entry, algorithms[0]).key)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            continue  # a key that is broken helps nobody, and harms no other


def _algorithms(entry: dict[str, Any]) -> tuple[str, ...]:
    if entry.get("use", "sig") != "sig":
        return ()
    known = _ALGORITHMS.get(str(entry.get("crv", entry.get("kty"))), ())
    return tuple(name for name in known if entry.get("alg", name) == name)


def _silent(issuer: str, reason: str) -> Refusal:
    return Refusal(503, f"The token can not be verified, since the issuer {issuer} does not tell its keys: {reason}.")
