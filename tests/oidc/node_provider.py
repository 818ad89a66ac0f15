"""The npm package oidc-provider as a provider that the scenarios can steer, in a Node process of its own."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from oidc_issuer import SigningKey

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ROOT / ".envs" / "node"
NODE = ROOT / ".venv" / "bin" / "node"
PROGRAM = Path(__file__).with_name("provider.mjs")
SHORT, LONG = 3, 300
METHODS = {"post": "client_secret_post", "basic": "client_secret_basic", "private_key_jwt": "private_key_jwt"}


def lacking() -> str | None:
    """Say what is missing to run it, and how to get it."""
    if node() is None:
        return "Node is not there: `make .venv/dev` installs it"
    if not (PACKAGES / "node_modules" / "oidc-provider").is_dir():
        return "The npm package oidc-provider is not there: `make .venv/dev` installs it"
    return None


def node() -> str | None:
    """Find Node: the one of the development tools, else any."""
    return str(NODE) if NODE.exists() else shutil.which("node")


class NodeProvider:
    """Runs oidc-provider with one client for each way to authenticate, and one whose tokens live long.

    Attributes:
        lifetime: Seconds that a token lives, of all clients but the patient one.
        run_seconds: How long the load lasts.
    """

    lifetime = SHORT
    run_seconds = 7.0

    def __init__(self) -> None:
        self._keys = [SigningKey("first")]
        self._client_key = SigningKey("of-the-client")
        self._numbers = itertools.count(1)
        self._secret = self._new_secret()
        self._is_enabled = True
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def issuer(self) -> str:
        """The issuer's name, which is its URL."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_url(self) -> str:
        """Where tokens are had."""
        return f"{self.issuer}/token"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def credentials(self, client_auth: str = "post", *, is_patient: bool = False) -> dict[str, Any]:
        """What a client says of itself, as arguments of `OIDCClientCredentials`."""
        if client_auth == "private_key_jwt":
            key = {"private_key": self._client_key.private_pem, "key_id": self._client_key.id}
            return {"client_id": client_auth, "client_auth": client_auth, **key}
        said = {"client_id": "patient" if is_patient else client_auth, "client_secret": self._secret}
        return said if client_auth == "post" else {**said, "client_auth": client_auth}

    def start(self) -> None:
        """Start it, at the port that it had before."""
        command = [str(node()), str(PROGRAM), str(PACKAGES), str(self._port)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline().rpartition(":")[2])
        self._configure()

    def stop(self) -> None:
        """Stop it; whoever asks gets no connection."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def rotate_secret(self) -> None:
        """Give the clients another secret; the old one is refused from now on."""
        self._secret = self._new_secret()
        self._configure()

    def rotate_signing_key(self, *, is_old_withdrawn: bool = False) -> None:
        """Sign with another key; the old one is published along, unless it is withdrawn."""
        kept = [] if is_old_withdrawn else self._keys
        self._keys = [SigningKey(f"key-{next(self._numbers)}"), *kept]
        self._configure()

    def let_clients(self, *, in_: bool) -> None:
        """Know the clients, or know them no more."""
        self._is_enabled = in_
        self._configure()

    def _new_secret(self) -> str:
        return f"made up for tests, number {next(self._numbers)}: 0123456789abcdef"

    def _configure(self) -> None:
        ids = {**METHODS, "patient": METHODS["post"]}
        document = {
            "keys": [key.private_entry for key in self._keys],
            "clients": [self._client(name, method) for name, method in ids.items()] if self._is_enabled else [],
            "lifetimes": {name: LONG if name == "patient" else SHORT for name in ids},
        }
        answer = requests.put(f"{self.issuer}/configuration", json=document, timeout=10)
        assert 204 == answer.status_code, answer.text

    def _client(self, name: str, method: str) -> dict[str, Any]:
        has_key = method == "private_key_jwt"
        proof = {"jwks": {"keys": [self._client_key.published]}} if has_key else {"client_secret": self._secret}
        return {
            "client_id": name,
            "token_endpoint_auth_method": method,
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
            "scope": "layer-sdk",
            **proof,
        }
