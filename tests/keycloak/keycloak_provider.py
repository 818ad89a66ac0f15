"""Keycloak as a provider that the scenarios can steer, through its admin REST API."""

from __future__ import annotations

import itertools
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "scripts"))

import keycloak_server

if TYPE_CHECKING:
    import subprocess

    from typing_extensions import Self

__all__ = ("KeycloakProvider", "keycloak_server")

LIFETIME = 5  # as tests/keycloak/realm.json says
SECRET_CLIENTS = ("layer-app", "layer-patient")
CLIENTS = (*SECRET_CLIENTS, "layer-jwt")


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class KeycloakProvider:
    """Runs Keycloak with the realm of realm.json.

    Attributes:
        lifetime: Seconds that a token lives, of all clients but the patient one.
        run_seconds: How long the load lasts.
    """

    lifetime = LIFETIME
    run_seconds = 60.0

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._secrets = dict.fromkeys(SECRET_CLIENTS, "made-up-for-tests")
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        """The issuer's name, which is the URL of the realm."""
        return keycloak_server.issuer(self.port)

    @property
    def token_url(self) -> str:
        """Where tokens are had."""
        return f"{self.issuer}/protocol/openid-connect/token"

    def __enter__(self) -> Self:
        self._process = keycloak_server.start(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def credentials(self, client_auth: str = "post", *, is_patient: bool = False) -> dict[str, Any]:
        """What a client says of itself, as arguments of `OIDCClientCredentials`."""
        if client_auth == "private_key_jwt":
            key = {"private_key": keycloak_server.private_key(), "key_id": keycloak_server.KEY_ID}
            return {"client_id": "layer-jwt", "client_auth": client_auth, **key}
        name = "layer-patient" if is_patient else "layer-app"
        said = {"client_id": name, "client_secret": self._secrets[name]}
        return said if client_auth == "post" else {**said, "client_auth": client_auth}

    def start(self) -> None:
        """Start it again, at the same port and with all that it knew."""
        self._process = keycloak_server.start(self.port, is_fresh=False)

    def stop(self) -> None:
        """Stop it; whoever asks gets no connection."""
        if self._process is not None:
            keycloak_server.stop(self._process)

    def rotate_secret(self) -> None:
        """Have other secrets made; the old ones are refused from now on."""
        for name in SECRET_CLIENTS:
            answer = self._admin("POST", f"/clients/{self._id_of(name)}/client-secret")
            self._secrets[name] = answer.json()["value"]

    def rotate_signing_key(self, *, is_old_withdrawn: bool = False) -> None:
        """Sign with another key; the old one is published along, unless it is withdrawn."""
        query = {"type": "org.keycloak.keys.KeyProvider"}
        old = [each for each in self._admin("GET", "/components", params=query).json() if "rsa-" in each["providerId"]]
        number = next(self._numbers)
        config = {"priority": [str(1000 + number)], "algorithm": ["RS256"], "keySize": ["2048"]}
        component = {"name": f"rotated-{number}", "providerId": "rsa-generated", "providerType": query["type"]}
        self._admin("POST", "/components", json={**component, "config": config})
        for each in old if is_old_withdrawn else []:
            self._admin("DELETE", f"/components/{each['id']}")

    def let_clients(self, *, in_: bool) -> None:
        """Enable the clients, or disable them."""
        for name in CLIENTS:
            self._admin("PUT", f"/clients/{self._id_of(name)}", json={"clientId": name, "enabled": in_})

    def _id_of(self, client_id: str) -> str:
        return str(self._admin("GET", "/clients", params={"clientId": client_id}).json()[0]["id"])

    def _admin(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._admin_token()}"}
        url = f"{self.url}/admin/realms/layer{path}"
        answer = requests.request(method, url, headers=headers, timeout=30, **more)
        answer.raise_for_status()
        return answer

    def _admin_token(self) -> str:
        name, password = keycloak_server.ADMINISTRATOR
        form = {"grant_type": "password", "client_id": "admin-cli", "username": name, "password": password}
        url = f"{self.url}/realms/master/protocol/openid-connect/token"
        return str(requests.post(url, data=form, timeout=30).json()["access_token"])
