"""The scenarios of real providers, with Keycloak, and what Keycloak alone has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from layer_sdk import LayerAuthError
from oidc_scenarios import *  # noqa: F403  (the tests, and the fixtures they need)

if TYPE_CHECKING:
    from oidc_scenarios import Open

pytestmark = pytest.mark.keycloak


def test_unknown_scope(sides: Open) -> None:
    """A scope that the client does not have is a LayerAuthError with the provider's words."""
    mine = sides(credentials={"scope": "unheard-of"})
    with pytest.raises(LayerAuthError, match="invalid_scope"):
        mine.layer.create_session()
    assert [] == mine.calls.statuses


def test_without_the_scope_the_token_is_for_somebody_else(sides: Open) -> None:
    """A token that was not asked for with Layer's scope has not Layer's audience: the API refuses it."""
    mine = sides(credentials={"scope": None})
    with pytest.raises(LayerAuthError, match=r"claim aud|another audience"):
        mine.layer.create_session()
    assert [401, 401] == mine.calls.statuses
