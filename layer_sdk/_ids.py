"""Session ids: version 5 UUIDs, made by the client, so that a session exists before any request is sent."""

from __future__ import annotations

import hashlib
import os
import uuid
from functools import lru_cache
from typing import Any, List, Union

from .exceptions import LayerSchemaValidationError

SessionId = Union[str, uuid.UUID]

# Fixed for ever: another value would give every natural key another session.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://protectai.com/layer/sessions")
VERSION = 5
_FIXED = 0xF000_C000_0000_0000_0000  # the bits that tell version and variant, RFC 9562, section 4
_VERSION_BITS = 0x5000_8000_0000_0000_0000
_SAFETY = uuid.SafeUUID.unknown


def new_session_id() -> uuid.UUID:
    """Make a random session id."""
    # What the constructor does with what is known to be a UUID. At each call it looks for all that it might be given.
    made = object.__new__(uuid.UUID)
    object.__setattr__(made, "int", int.from_bytes(os.urandom(16), "big") & ~_FIXED | _VERSION_BITS)
    object.__setattr__(made, "is_safe", _SAFETY)
    return made


class Unnamed(List[uuid.UUID]):
    """A session that has no id yet: it is made when somebody asks for it, which a worker does most often."""

    __slots__ = ()

    def name(self) -> uuid.UUID:
        """Give its id. Where several threads ask for it first, one of them makes it."""
        if not self:
            self.append(new_session_id())
        return self[0]


Session = Union[uuid.UUID, Unnamed]


def id_of(session: Session) -> uuid.UUID:
    """Give the id of a session."""
    return session.name() if isinstance(session, Unnamed) else session


def session_id_for(application_id: str, key: str) -> uuid.UUID:
    """Make the session id of a natural key: the same key in the same application gives the same id everywhere.

    Args:
        application_id: The application's id; one that is a UUID counts the same however it is spelt.
        key: Text, or an integer or UUID, which counts as its text.

    Raises:
        LayerSchemaValidationError: If the key is anything else: None would be one session for all.
    """
    if not isinstance(key, (str, int, uuid.UUID)):
        raise LayerSchemaValidationError(
            f"key must be text that names the session, but is of type {type(key).__name__}"
        )
    # As uuid.uuid5 does, but a key may hold bytes that Python decoded with surrogateescape.
    name = f"{as_uuid(application_id) or application_id}\0{key}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha1(NAMESPACE.bytes + name).digest()  # noqa: S324  (what RFC 9562 asks for, and no secret)
    return uuid.UUID(bytes=digest[:16], version=VERSION)


@lru_cache(maxsize=256)
def _read(text: str) -> uuid.UUID:
    """Read a session's id, one of a few that are named again and again: it takes as long as to copy an action."""
    return uuid.UUID(text)


def parse_session_id(value: SessionId) -> uuid.UUID:
    """Read a session id.

    Raises:
        LayerSchemaValidationError: If it is not a UUID.
    """
    if isinstance(value, uuid.UUID):
        return value
    try:
        return _read(value) if type(value) is str else uuid.UUID(value)
    except (AttributeError, TypeError, ValueError) as error:
        shown = f"{value!a:.60}" if type(value) is str else f"of type {type(value).__name__}"
        raise LayerSchemaValidationError(
            f"session_id must be a UUID, given as uuid.UUID or as text, but is {shown}"
        ) from error


def parse_chosen_session_id(value: SessionId) -> uuid.UUID:
    """Read a session id that the caller made up.

    Raises:
        LayerSchemaValidationError: If it is not a version 5 UUID.
    """
    session_id = parse_session_id(value)
    if session_id.version != VERSION:
        raise LayerSchemaValidationError(
            f"session_id must be a version 5 UUID, but {session_id} has version {session_id.version}; "
            "layer.session_id_for(key) makes a fitting one from any key of yours"
        )
    return session_id


def as_uuid(value: Any) -> uuid.UUID | None:
    """Read a UUID where there is one."""
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value)
    except (AttributeError, TypeError, ValueError):
        return None
