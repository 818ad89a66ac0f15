"""The embedded Layer as an ASGI application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, AsyncContextManager, AsyncIterator, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from . import _problems
from ._api import Api
from ._contract import load_contract
from ._door import Door
from ._events import Hub
from ._firewall import Firewall, judge_anew
from ._pages import Pages
from ._policies import Policies, load_policies
from ._requests import Requests
from ._settings import Settings
from ._store import Store
from ._views import Views

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from ._tokens import Gate


_HANDLERS: Mapping[Any, Any] = {
    HTTPException: _problems.on_http_error,
    _problems.Refusal: _problems.on_refusal,
    Exception: _problems.on_failure,
}


def build_app(settings: Settings | None = None) -> Starlette:
    """Put an embedded Layer together as an ASGI application.

    The database opens when the application starts (ASGI lifespan) and closes when it stops. `app.state.store` is the
    database, for who wants to open it sooner and see what is wrong with it.

    Args:
        settings: What was chosen; without them, the defaults.

    Returns:
        The application.

    Raises:
        StartError: If the contract or the policies can not be read.

    Example:
        >>> from layer_sdk.devserver import Settings, build_app
        >>> app = build_app(Settings(status_on_create=202))
        >>> sorted(route.path for route in app.routes if route.path.startswith("/v1"))[0]
        '/v1/applications'
    """
    chosen = settings or Settings()
    contract = load_contract()
    policies = Policies(load_policies(chosen.policies, contract.kinds))
    store = Store(chosen.database, partial(judge_anew, policies=policies))
    firewall, hub, requests = Firewall(store, policies), Hub(), Requests()
    pages = Pages(store, policies, requests, contract.kinds)
    routes: list[BaseRoute] = [
        *Api(contract.operations, store, firewall, chosen, hub=hub, requests=requests, gate=_gate(chosen)).routes(),
        *Views(store).routes(),
        *hub.routes(),
        *pages.routes(),
    ]
    door = Middleware(Door, settings=chosen, locked=pages.locked)
    app = Starlette(routes=routes, lifespan=_lifespan_of(store), exception_handlers=_HANDLERS, middleware=[door])
    app.router.redirect_slashes = False
    app.state.store, app.state.hub = store, hub
    return app


def _gate(settings: Settings) -> Gate | None:
    if settings.oidc_issuer is None:
        return None
    # Only who verifies tokens waits for the cryptography to load.
    from ._tokens import Gate

    return Gate(settings.oidc_issuer, settings.oidc_audience)


def _lifespan_of(store: Store) -> Callable[[Starlette], AsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.open()
        try:
            yield
        finally:
            store.close()

    return lifespan
