"""Build the contract's requests from what a caller gives: always copies, never the caller's own objects."""

from __future__ import annotations

import datetime
import json
from typing import Any, Iterable, Mapping, Union

from dateutil.parser import isoparse

from ._ids import SessionId, parse_chosen_session_id
from ._json import JSON, to_json, to_json_or_repr
from .exceptions import LayerSchemaValidationError
from .schemas import (
    UNSET,
    SessionActionError,
    SessionActionKind,
    SessionActionRequest,
    SessionActionScanner,
    SessionRequest,
    Unset,
)

Moment = Union[datetime.datetime, str]
ERROR_FIELDS = {"message", "code", "details"}


class Drafts:
    """Builds requests, either strictly or leniently.

    Args:
        strict: True for what a caller hands over on purpose: what does not fit is an error that names the place.
            False for what is recorded in passing: what does not fit becomes text.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._json = to_json if strict else to_json_or_repr

    def session(
        self,
        application_id: str,
        *,
        session_id: SessionId,
        attributes: Mapping[str, str],
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        actions: Iterable[Any] | None = None,
    ) -> SessionRequest:
        """Build the request that creates a session."""
        return SessionRequest(
            application_id=application_id,
            session_id=parse_chosen_session_id(session_id),
            attributes=self._texts(attributes),
            start_time=UNSET if start_time is None else moment(start_time, "start_time"),
            end_time=UNSET if end_time is None else moment(end_time, "end_time"),
            actions=UNSET if actions is None else self._actions(actions),
        )

    def action(
        self,
        *,
        kind: SessionActionKind | str,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        attributes: Mapping[str, Any] | None = None,
        data: Any = None,
        error: Any = None,
        scanners: Iterable[Any] | None = None,
        where: str = "",
    ) -> SessionActionRequest:
        """Build the request that appends an action; `where` stands before each field's name in an error."""
        start = None if start_time is None else moment(start_time, f"{where}start_time")
        end = None if end_time is None else moment(end_time, f"{where}end_time")
        now = datetime.datetime.now(datetime.timezone.utc)
        return SessionActionRequest(
            kind=parse_kind(kind),
            start_time=start or end or now,
            end_time=end or now,
            attributes=UNSET if attributes is None else self._object(attributes, f"{where}attributes"),
            data=None if data is None else self._object(data, f"{where}data"),
            error=UNSET if error is None else self._error(error, f"{where}error"),
            scanners=UNSET if scanners is None else self._scanners(scanners, f"{where}scanners"),
        )

    def _object(self, value: Any, where: str) -> dict[str, Any]:
        copied = self._json(value, where)
        if isinstance(copied, dict):
            return copied
        if self._strict:
            raise LayerSchemaValidationError(f"{where} must be an object, such as a dict, but is {_named(value)}")
        return {"value": copied}

    def _texts(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        copied = self._object(attributes, "attributes")
        return {name: _text(value) for name, value in copied.items() if value is not None}

    def _actions(self, actions: Iterable[Any]) -> list[SessionActionRequest]:
        drafts = []
        for index, action in enumerate(actions):
            where = f"actions[{index}]"
            try:
                drafts.append(self.action(**_fields(action, where), where=f"{where}."))
            except TypeError as error:
                raise LayerSchemaValidationError(f"{where} has not the fields of an action: {error}") from error
        return drafts

    def _error(self, error: Any, where: str) -> SessionActionError:
        if isinstance(error, BaseException):
            return error_of(error)
        if isinstance(error, str):
            return SessionActionError(message=str(self._json(error, where)))
        fields = self._object(error, where)
        known = {name: value for name, value in fields.items() if name in ERROR_FIELDS and value is not None}
        details = {**known.pop("details", {}), **{k: v for k, v in fields.items() if k not in ERROR_FIELDS}}
        message, code = known.get("message"), known.get("code", UNSET)
        if self._strict and not isinstance(message, str):
            raise LayerSchemaValidationError(f"{where}.message must be text, but is {_named(message)}")
        if not isinstance(code, (int, Unset)):
            raise LayerSchemaValidationError(f"{where}.code must be an integer, but is {_named(code)}")
        return SessionActionError(message=_text(message), code=code, details=details or UNSET)

    def _scanners(self, scanners: Iterable[Any], where: str) -> list[SessionActionScanner]:
        return [self._scanner(scanner, f"{where}[{index}]") for index, scanner in enumerate(scanners)]

    def _scanner(self, scanner: Any, where: str) -> SessionActionScanner:
        fields = self._object(scanner, where)
        name, data = fields.get("name"), fields.get("data")
        if not isinstance(name, str) or not isinstance(data, dict):
            raise LayerSchemaValidationError(f"{where} must have a name (text) and data (an object)")
        return SessionActionScanner(name=name, data=data)


STRICT = Drafts(strict=True)
LENIENT = Drafts(strict=False)


def parse_kind(kind: SessionActionKind | str) -> SessionActionKind:
    """Read the kind of an action.

    Raises:
        LayerSchemaValidationError: If there is no such kind; the text lists those that there are.
    """
    try:
        return SessionActionKind(kind)
    except ValueError as error:
        kinds = ", ".join(member.value for member in SessionActionKind)
        raise LayerSchemaValidationError(f"kind must be one of {kinds}, but is {kind!r:.60}") from error


def moment(value: Moment, where: str) -> datetime.datetime:
    """Read a point in time: a datetime, or text after RFC 3339.

    Raises:
        LayerSchemaValidationError: If it is neither.
    """
    if isinstance(value, datetime.datetime):
        return value
    try:
        return isoparse(value)
    except (AttributeError, TypeError, ValueError) as error:
        raise LayerSchemaValidationError(
            f"{where} must be a datetime, or text such as 2026-03-02T09:30:00Z, but is {_named(value)}"
        ) from error


def error_of(error: BaseException) -> SessionActionError:
    """Describe an exception as the contract describes errors."""
    kind = type(error)
    status = getattr(error, "status_code", None)
    return SessionActionError(
        message=str(to_json_or_repr(_message(error))) or kind.__name__,
        code=int(status) if isinstance(status, int) else UNSET,
        details={"type": f"{kind.__module__}.{kind.__qualname__}"},
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (somebody else's __str__)
        return ""


def _fields(action: Any, where: str) -> dict[str, Any]:
    if isinstance(action, SessionActionRequest):
        names = ("kind", "start_time", "end_time", "attributes", "data", "error", "scanners")
        values = {name: getattr(action, name) for name in names}
        return {name: value for name, value in values.items() if not isinstance(value, Unset)}
    if isinstance(action, Mapping):
        return dict(action)
    raise LayerSchemaValidationError(f"{where} must be a SessionActionRequest or a dict, but is {_named(action)}")


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _named(value: Any) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
