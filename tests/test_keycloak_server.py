from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keycloak.keycloak_provider import keycloak_server

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and no programs but those that a test puts into this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def put(folder: Path, name: str, script: str) -> None:
    """Put a program there."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_without_java(programs: Path) -> None:
    """Where there is no Java, or an old one, it is told which one to install."""
    with pytest.raises(keycloak_server.UnavailableError, match="Java 17 or newer"):
        keycloak_server.fetch()
    put(programs, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(keycloak_server.UnavailableError, match="Java 17 or newer"):
        keycloak_server.fetch()


def test_without_maven(programs: Path) -> None:
    """Where Keycloak is not there yet and there is no Maven, it is told what to install or where to unpack it."""
    put(programs, "java", "echo 'openjdk version \"21.0.2\"' >&2")
    with pytest.raises(keycloak_server.UnavailableError, match="needs Maven") as raised:
        keycloak_server.fetch()
    assert str(keycloak_server.folder()) in str(raised.value)


def test_maven_that_can_not_get_it(programs: Path) -> None:
    """What Maven says is told, and nothing half fetched stays."""
    put(programs, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    put(programs, "mvn", "echo 'no such artifact'; exit 1")
    with pytest.raises(keycloak_server.UnavailableError, match="no such artifact"):
        keycloak_server.fetch()
    assert [] == list(keycloak_server.folder().parent.iterdir())


def test_another_archive_than_the_tested_one(programs: Path) -> None:
    """An archive that is not the one of the known checksum is not unpacked."""
    put(programs, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    put(programs, "mvn", 'for last; do :; done; echo > "${last#*=}/keycloak.zip"')
    with pytest.raises(keycloak_server.UnavailableError, match="SHA-256"):
        keycloak_server.fetch()


def test_realm_has_the_public_key_alone(programs: Path) -> None:
    """The realm is given the public half of a key pair that stays in the cache, readable by its owner alone."""
    (programs.parent / "cache" / "layer-sdk").mkdir(parents=True)
    clients = {client["clientId"]: client for client in keycloak_server.realm()["clients"]}
    (key,) = json.loads(clients["layer-jwt"]["attributes"]["jwks.string"])["keys"]
    assert {"kty", "n", "e", "kid", "use", "alg", "key_ops"} >= set(key)
    path = programs.parent / "cache" / "layer-sdk" / "layer-jwt.pem"
    assert 0o600 == path.stat().st_mode & 0o777
    assert keycloak_server.private_key() == path.read_text("ascii")
