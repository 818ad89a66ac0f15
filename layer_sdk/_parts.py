"""Everything that one `init` makes, and how it fits together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Mapping, NamedTuple

from . import _http, _wire
from ._drafts import LENIENT
from ._platform import session_attributes
from ._recording import Recorder
from ._retry import default_session, single_try_session
from ._scrubbing import FULL, Scrubber
from .delivery import BackgroundDelivery, InlineDelivery, Journal, Limits, Spool
from .exceptions import LayerInvalidConfigurationError

if TYPE_CHECKING:
    from uuid import UUID

    import requests

    from layer_api.client import Client

    from ._settings import Settings
    from .delivery import Sink
    from .schemas import SessionRequest


class Parts(NamedTuple):
    """The parts of one initialized `Layer`."""

    settings: Settings
    application_id: str
    attributes: dict[str, str]
    sessions: tuple[requests.Session, ...]
    raw: Client
    raw_firewall: Client | None
    wire: _wire.Wire
    scrub: Scrubber | None
    sink: Sink
    recorder: Recorder

    def close(self, timeout: float | None = None) -> None:
        """Deliver what is left; close the sessions, unless they are the caller's."""
        self.sink.close(timeout)
        for session in self.sessions:
            if session is not self.settings.http_session:
                session.close()


def assemble(settings: Settings, environ: Mapping[str, str]) -> Parts:
    """Put the parts together; asks Layer for the application's id where only its name is known."""
    session = settings.http_session if settings.http_session is not None else default_session()
    auth = _auth(settings)
    raw = _wire.raw_client(settings.base_url, session, settings.http_timeout, auth)
    raw_firewall = None
    if settings.firewall_base_url is not None:
        raw_firewall = _wire.raw_client(settings.firewall_base_url, session, settings.http_timeout, auth)
    firewall_url = settings.firewall_base_url
    wire = _wire.Wire(
        _wire.direct_client(settings.base_url, session, settings.http_timeout, auth),
        None if firewall_url is None else _wire.direct_client(firewall_url, session, settings.http_timeout, auth),
    )
    application_id = settings.application_id or _application_id(wire, str(settings.application_name))
    attributes = session_attributes(environ, settings.platform, settings.environment)
    scrub = _scrubber(settings)
    sessions: tuple[requests.Session, ...] = (session,)
    sink: Sink = InlineDelivery(wire)
    if settings.delivery == "background":
        sender = session if settings.http_session is not None else single_try_session()
        sessions = (session, sender)
        api = _wire.direct_client(settings.base_url, sender, settings.http_timeout, auth, is_retried=False)
        sending = _wire.Wire(api)
        sink = _background(settings, environ, sending, application_id, attributes)
    recorder = Recorder(sink, application_id, attributes, scrub)
    return Parts(settings, application_id, attributes, sessions, raw, raw_firewall, wire, scrub, sink, recorder)


def _auth(settings: Settings) -> _http.ProviderAuth | None:
    if settings.auth_provider is None:
        return None
    urls = (settings.base_url, settings.firewall_base_url)
    return _http.ProviderAuth(settings.auth_provider, *(url for url in urls if url is not None))


def _application_id(wire: _wire.Wire, name: str) -> str:
    found: list[str] = [str(application.id) for application in wire.list_applications() if application.name == name]
    return found[0] if found else wire.create_application(name)


def _scrubber(settings: Settings) -> Scrubber | None:
    if settings.before_send is None and settings.capture_content == FULL:
        return None
    return Scrubber(settings.before_send, settings.capture_content, settings.content_key or os.urandom(32))


def _background(
    settings: Settings, environ: Mapping[str, str], wire: _wire.Wire, application_id: str, attributes: dict[str, str]
) -> BackgroundDelivery:
    def session_of(session_id: UUID) -> SessionRequest:
        return LENIENT.session(application_id, session_id=session_id, attributes=attributes)

    journal = _journal(settings, application_id)
    return BackgroundDelivery(wire, session_of, _limits(settings, environ), settings.on_drop, journal)


def _journal(settings: Settings, application_id: str) -> Journal | None:
    if settings.spool_dir is None:
        return None
    try:
        spool = Spool(settings.spool_dir, f"{settings.base_url}\0{application_id}")
    except OSError as error:
        raise LayerInvalidConfigurationError(f"spool_dir cannot be used: {error}") from error
    return Journal(spool, settings.spool)


def _limits(settings: Settings, environ: Mapping[str, str]) -> Limits:
    limits = Limits(
        max_bytes=settings.max_queue_bytes,
        overflow=settings.overflow,
        exit_timeout=settings.shutdown_timeout,
    )
    # A Lambda is frozen when its handler returns: what lingers would linger until the next call thaws it.
    return limits._replace(linger=0.0) if environ.get("AWS_LAMBDA_FUNCTION_NAME") else limits
