"""Everything that one `init` makes, and how it fits together."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Mapping, NamedTuple

from ._connections import Connections, Sending
from ._drafts import LENIENT
from ._platform import session_attributes
from ._recording import Recorder
from ._scrubbing import FULL, Scrubber
from .delivery import BackgroundDelivery, Limits
from .exceptions import LayerInvalidConfigurationError

if TYPE_CHECKING:
    from uuid import UUID

    from ._settings import Settings
    from ._wire import Wire
    from .delivery._sink import Sink
    from .delivery.spooling import Journal
    from .schemas import SessionRequest


class Parts(NamedTuple):
    """The parts of one initialized `Layer`."""

    settings: Settings
    application_id: str
    attributes: dict[str, str]
    connections: Connections
    scrub: Scrubber | None
    sink: Sink
    recorder: Recorder

    @property
    def wire(self) -> Wire:
        """What says explicit calls to Layer."""
        return self.connections.wire

    def close(self, timeout: float | None = None) -> None:
        """Deliver what is left; close what is not the caller's."""
        self.sink.close(timeout)
        self.connections.close()


def assemble(settings: Settings, environ: Mapping[str, str]) -> Parts:
    """Put the parts together; asks Layer for the application's id where only its name is known."""
    connections = Connections(settings)
    application_id = settings.application_id or _application_id(connections.wire, str(settings.application_name))
    attributes = session_attributes(environ, settings.platform, settings.environment)
    scrub = _scrubber(settings)
    sink: Sink
    if settings.delivery == "background":
        sending = Sending(connections)
        if "uwsgi" in sys.modules:  # it forks behind Python's back, and cannot be made to wait
            sending.load()
        sink = _background(settings, environ, sending, application_id, attributes)
    else:
        from .delivery._inline import InlineDelivery

        sink = InlineDelivery(connections.wire)
    recorder = Recorder(sink, application_id, attributes, scrub)
    return Parts(settings, application_id, attributes, connections, scrub, sink, recorder)


def _application_id(wire: Wire, name: str) -> str:
    found: list[str] = [str(application.id) for application in wire.list_applications() if application.name == name]
    return found[0] if found else wire.create_application(name)


def _scrubber(settings: Settings) -> Scrubber | None:
    if settings.before_send is None and settings.capture_content == FULL:
        return None
    return Scrubber(settings.before_send, settings.capture_content, settings.content_key or os.urandom(32))


def _background(
    settings: Settings, environ: Mapping[str, str], wire: Sending, application_id: str, attributes: dict[str, str]
) -> BackgroundDelivery:
    def session_of(session_id: UUID) -> SessionRequest:
        return LENIENT.session(application_id, session_id=session_id, attributes=attributes)

    journal = _journal(settings, application_id)
    return BackgroundDelivery(wire, session_of, _limits(settings, environ), settings.on_drop, journal)


def _journal(settings: Settings, application_id: str) -> Journal | None:
    if settings.spool_dir is None:
        return None
    from .delivery.spooling import Journal, Spool

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
