"""What may leave the process: the host's `before_send`, and recording without content."""

from __future__ import annotations

import hashlib
import hmac
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Optional

from . import schemas
from ._drafts import LENIENT
from .exceptions import LayerRequestPreparationError, LayerSchemaValidationError

if TYPE_CHECKING:
    from .schemas import SessionActionRequest, SessionActionScanner

BeforeSend = Callable[["SessionActionRequest"], Optional["SessionActionRequest"]]

FULL = "full"
METADATA = "metadata"
PLAIN_LENGTH = 128
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]{0,63}", re.ASCII)  # other keys are content: a table by people, say


class Place(NamedTuple):
    """What is no content in the objects of one place: elsewhere a host's own `name` may be a patient's.

    Attributes:
        plain: Names whose short texts say what a thing is, or which.
        items: The places of what is listed under a name.
    """

    plain: frozenset[str] = frozenset()
    items: Mapping[str, Place] = MappingProxyType({})


ELSEWHERE = Place()
PART = Place(frozenset({"type"}))
TOOL_CALL = Place(frozenset({"id", "name", "type"}))
MESSAGE = Place(
    frozenset({"role", "type", "id", "name", "tool_call_id", "finish_reason", "model"}),
    {"content": PART, "tool_calls": TOOL_CALL},
)
# A recorded function's own result is data as well, so at the top there is less that we know the meaning of.
DATA = Place(frozenset({"role", "finish_reason", "model"}), {"messages": MESSAGE, "tools": TOOL_CALL, "content": PART})
DETAILS = Place(frozenset({"type"}))


class DiscardedError(Exception):
    """An action is not to be sent; the reason is the argument."""


class Scrubber:
    """Takes out of an action what is not to leave the process.

    Args:
        before_send: The host's own scrubbing: gives the action to send, changed or not, or None.
        capture: `full`, or `metadata` for roles, sizes and a keyed hash in place of each text.
        key: The key of the hash.
    """

    def __init__(self, before_send: BeforeSend | None, capture: str, key: bytes) -> None:
        self._before_send = before_send
        self._capture = capture
        self._key = key

    def __call__(self, action: SessionActionRequest) -> SessionActionRequest:
        """Give the action to send.

        Raises:
            DiscardedError: If it is not to be sent, or scrubbing failed: then nothing is sent.
        """
        if self._before_send is not None:
            action = self._asked(self._before_send, action)
        return self._bare(action) if self._capture == METADATA else action

    def explicit(self, action: SessionActionRequest) -> SessionActionRequest | None:
        """Do the same for an explicit call: None for what is not to be sent, an error for scrubbing that failed.

        Raises:
            LayerRequestPreparationError: If `before_send` raised.
        """
        try:
            return self(action)
        except DiscardedError as error:
            if error.__cause__ is None:
                return None
            raise LayerRequestPreparationError(
                f"before_send raised {type(error.__cause__).__name__}, so the action was not sent"
            ) from error.__cause__

    def _asked(self, before_send: BeforeSend, action: SessionActionRequest) -> SessionActionRequest:
        try:
            kept = before_send(action)
        except Exception as error:
            raise DiscardedError("before_send_failed") from error
        if kept is None:
            raise DiscardedError("before_send")
        try:
            return LENIENT.like(kept)  # a copy: what the host goes on to do to its own is not to be sent
        except LayerSchemaValidationError as error:
            raise DiscardedError("before_send_failed") from error

    def _bare(self, action: SessionActionRequest) -> SessionActionRequest:
        return schemas.SessionActionRequest(
            kind=action.kind,
            start_time=action.start_time,
            end_time=action.end_time,
            attributes=self._bare_attributes(action.attributes),
            data=self._hashed(action.data, DATA),
            error=self._bare_error(action.error),
            scanners=[self._bare_scanner(each) for each in action.scanners]
            if isinstance(action.scanners, list)
            else action.scanners,
        )

    def _bare_attributes(self, attributes: Any) -> Any:
        if not isinstance(attributes, dict):
            return attributes
        return {name: item if _is_short(item) else self._hashed(item) for name, item in attributes.items()}

    def _bare_error(self, error: Any) -> Any:
        if not isinstance(error, schemas.SessionActionError):
            return error
        digest = self._digest(error.message)
        message = f"{digest['length']} characters, hmac {digest['hmac']}"
        return schemas.SessionActionError(
            message=message, code=error.code, details=self._hashed(error.details, DETAILS)
        )

    def _bare_scanner(self, scanner: SessionActionScanner) -> SessionActionScanner:
        return type(scanner)(name=scanner.name, data=self._hashed(scanner.data))

    def _hashed(self, value: Any, place: Place = ELSEWHERE) -> Any:
        if isinstance(value, str):
            return self._digest(value)
        if isinstance(value, dict):
            return {self._key_of(name): self._field(name, item, place) for name, item in value.items()}
        if isinstance(value, list):
            return [self._hashed(item) for item in value]
        return value

    def _field(self, name: str, value: Any, place: Place) -> Any:
        if name in place.plain and _is_short(value):
            return value
        if name in place.items and isinstance(value, list):
            return [self._hashed(item, place.items[name]) for item in value]
        return self._hashed(value)

    def _key_of(self, name: str) -> str:
        return name if FIELD_NAME.fullmatch(name) else str(self._digest(name)["hmac"])

    def _digest(self, text: str) -> dict[str, Any]:
        digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
        return {"length": len(text), "hmac": digest}


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= PLAIN_LENGTH
