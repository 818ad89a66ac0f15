"""Explicit calls: strict about what they are given, behind what the session still has to send, answered or raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Mapping
from uuid import UUID

from ._drafts import STRICT
from ._ids import SessionId, new_session_id, parse_session_id
from ._recording import now
from .exceptions import LayerSchemaValidationError

if TYPE_CHECKING:
    from ._drafts import Moment
    from ._parts import Parts
    from .schemas import SessionRequest


def create_session(
    parts: Parts,
    *,
    wait: bool,
    attributes: Mapping[str, str] | None,
    start_time: Moment | None,
    end_time: Moment | None,
    session_id: SessionId | None,
    actions: Iterable[Any] | None,
) -> str:
    """Create a session; its id."""
    if attributes is not None and not isinstance(attributes, Mapping):
        raise LayerSchemaValidationError(
            f"attributes must be an object, such as a dict, but is of type {type(attributes).__name__}"
        )
    request = STRICT.session(
        parts.application_id,
        session_id=new_session_id() if session_id is None else session_id,
        attributes={**parts.attributes, **(attributes or {})},
        start_time=start_time or now(),
        end_time=end_time,
        actions=actions,
    )
    _scrub_actions(parts, request)
    chosen = request.session_id
    if not isinstance(chosen, UUID):
        raise TypeError(f"a session request without an id: {type(chosen).__name__}")
    if not wait:
        parts.sink.open_session(request)
        return str(chosen)
    if parts.sink.has_waiting(chosen):
        return str(parts.sink.call(chosen, request))
    return str(parts.wire.create_session(request))


def append_action(parts: Parts, session_id: SessionId, *, wait: bool, **fields: Any) -> None:
    """Append an action."""
    found = parse_session_id(session_id)
    given, weight = STRICT.weighed(**fields)
    action, size = (given, weight) if parts.scrub is None else (parts.scrub.explicit(given), None)
    if action is None:
        return
    if parts.settings.enable_firewall_instrumentation:
        parts.wire.refuse_blocked(parts.sink.name_of(found))
    if not wait:
        parts.sink.append(found, action, size)
    elif parts.sink.has_waiting(found):
        parts.sink.call(found, action)
    else:
        parts.wire.append_action(parts.sink.name_of(found), action)


def _scrub_actions(parts: Parts, request: SessionRequest) -> None:
    if parts.scrub is not None and isinstance(request.actions, list):
        scrubbed = [parts.scrub.explicit(action) for action in request.actions]
        request.actions = [action for action in scrubbed if action is not None]
