"""The scenarios of real providers, with Keycloak, and what Keycloak alone has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest
import requests

from layer_sdk import LayerAuthError
from oidc_scenarios import *  # noqa: F403  (the tests, and the fixtures they need)
from oidc_scenarios import Sides
from scripted_server import CREATED, Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from keycloak.keycloak_provider import KeycloakProvider
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


def test_revoked_token(real: KeycloakProvider, scripted: Callable[..., ScriptedServer]) -> None:
    """An API that asks Keycloak refuses a token that was revoked: the call is repeated with another, and succeeds."""
    said = real.credentials(is_patient=True)
    owner = {name: said[name] for name in ("client_id", "client_secret")}
    judge = {"client_id": "layer", "client_secret": "made-up-for-tests"}

    def ask(what: str, who: dict[str, str], asked: Asked) -> requests.Response:
        form = {**who, "token": asked.headers["Authorization"].partition(" ")[2]}
        answer = requests.post(f"{real.issuer}/protocol/openid-connect/{what}", data=form, timeout=30)
        answer.raise_for_status()
        return answer

    def introspected(asked: Asked) -> Answer:
        return CREATED if ask("token/introspect", judge, asked).json()["active"] else Answer(401)

    api = scripted(introspected)
    mine = Sides(api, {"token_url": real.token_url, **said})
    assert mine.layer.create_session()
    ask("revoke", owner, api.asked[-1])
    assert mine.layer.create_session()
    assert ([201, 401, 201], [200, 200]) == (mine.calls.statuses, mine.tokens.statuses)
    mine.close()
