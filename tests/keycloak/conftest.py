"""The one Keycloak that all tests in this folder share: it takes a quarter of a minute to start."""

from __future__ import annotations

from typing import Iterator

import pytest

from keycloak.keycloak_provider import KeycloakProvider, keycloak_server


@pytest.fixture(scope="session")
def real() -> Iterator[KeycloakProvider]:
    """Keycloak with the realm of realm.json; where it can not be had, the tests are skipped and say why."""
    try:
        keycloak_server.fetch()
    except keycloak_server.UnavailableError as error:
        pytest.skip(str(error))
    with KeycloakProvider() as provider:
        yield provider
