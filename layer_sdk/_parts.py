"""Everything that one `init` makes, and how it fits together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, NamedTuple

from . import _http, _wire
from ._platform import session_attributes
from ._recording import Recorder
from ._retry import default_session
from .delivery import InlineDelivery

if TYPE_CHECKING:
    import requests

    from layer_api.client import Client

    from ._settings import Settings
    from .delivery import Sink


class Parts(NamedTuple):
    """The parts of one initialized `Layer`."""

    settings: Settings
    application_id: str
    attributes: dict[str, str]
    session: requests.Session
    raw: Client
    raw_firewall: Client | None
    wire: _wire.Wire
    sink: Sink
    recorder: Recorder

    def close(self, timeout: float | None = None) -> None:
        """Deliver what is left; close the session, unless it is the caller's."""
        self.sink.close(timeout)
        if self.settings.http_session is None:
            self.session.close()


def assemble(settings: Settings, environ: Mapping[str, str]) -> Parts:
    """Put the parts together; asks Layer for the application's id where only its name is known."""
    session = settings.http_session if settings.http_session is not None else default_session()
    auth = None if settings.auth_provider is None else _http.ProviderAuth(settings.auth_provider)
    raw = _wire.raw_client(settings.base_url, session, settings.http_timeout, auth)
    raw_firewall = None
    if settings.firewall_base_url is not None:
        raw_firewall = _wire.raw_client(settings.firewall_base_url, session, settings.http_timeout, auth)
    wire = _wire.Wire(raw, raw_firewall)
    application_id = settings.application_id or _application_id(wire, str(settings.application_name))
    attributes = session_attributes(environ, settings.platform, settings.environment)
    sink = InlineDelivery(wire)
    recorder = Recorder(sink, application_id, attributes)
    return Parts(settings, application_id, attributes, session, raw, raw_firewall, wire, sink, recorder)


def _application_id(wire: _wire.Wire, name: str) -> str:
    found: list[str] = [str(application.id) for application in wire.list_applications() if application.name == name]
    return found[0] if found else wire.create_application(name)
