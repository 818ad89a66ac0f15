"""Build the contract's requests from what a caller gives: always copies, never the caller's own objects."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable as AbstractIterable
from functools import lru_cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, NamedTuple, Tuple, TypeVar, Union

from . import _fork, schemas
from ._ids import SessionId, parse_chosen_session_id
from ._json import (
    JSON,
    short_repr,
    to_json_or_repr,
    type_name,
    utc,
    weighed_json,
    weighed_json_or_repr,
)
from ._log import swallow
from ._plain import weigh
from .exceptions import LayerRequestPreparationError, LayerSchemaValidationError

if TYPE_CHECKING:
    from .schemas import (
        SessionActionError,
        SessionActionKind,
        SessionActionRequest,
        SessionActionScanner,
        SessionRequest,
        Unset,
    )

Moment = Union[datetime.datetime, str]
ACTION_FIELDS = ("kind", "start_time", "end_time", "attributes", "data", "error", "scanners")
NAMES = {str: "text", int: "an integer", dict: "an object"}

T = TypeVar("T")
Read = Callable[[Any, str], Tuple[Any, int]]


NOT_BUILT = "not_built"  # the reason why an action was lost whose words could not be made


class Built(NamedTuple):
    """What became of something that was noted when it happened, and put into words later.

    Attributes:
        requests: What to send, in order: a session that began, actions.
        discarded: For each action that is not to be sent, the reason.
        sizes: Of each of them the bytes of memory that its contents take; empty where that is not known.
    """

    requests: list[SessionRequest | SessionActionRequest]
    discarded: list[str]
    sizes: list[int] = []  # noqa: RUF012  (never changed)

    @property
    def weighed(self) -> Iterable[tuple[SessionRequest | SessionActionRequest, int | None]]:
        """What to send, each with its size."""
        return zip(self.requests, chain(self.sizes, repeat(None)))


class Plain(NamedTuple):
    """Fields of an action as `Drafts.action` takes them, of the types that it has in the contract; all but the times.

    They hold what JSON can hold, in JSON's own types, and nobody changes any of it any more. It may stand in several
    actions at a time, of several Layers.
    """

    fields: Mapping[str, Any]


def built_of(build: Callable[[], Built], count: int = 1, caught: type[BaseException] = Exception) -> Built:
    """Build; what goes wrong is a loss with a name, of so many."""
    try:
        return build()
    except caught as error:
        swallow("putting a recorded call into words", error)
        return Built([], [NOT_BUILT] * count)


class Drafts:
    """Builds requests, either strictly or leniently.

    Args:
        strict: True for what a caller hands over on purpose: what does not fit is an error that names the place.
            False for what is recorded in passing: what does not fit becomes text, or is left to its default.
        read: Gives of a value what goes into a request, and its weight.
    """

    def __init__(self, *, strict: bool, read: Read) -> None:
        self._strict = strict
        self._json = read

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
        return schemas.SessionRequest(
            application_id=application_id,
            session_id=parse_chosen_session_id(session_id),
            attributes=self._texts(attributes),
            start_time=self._moment(start_time, "start_time") or schemas.UNSET,
            end_time=self._moment(end_time, "end_time") or schemas.UNSET,
            actions=schemas.UNSET if actions is None else self._actions(actions),
        )

    def action(self, **fields: Any) -> SessionActionRequest:
        """Build the request that appends an action, of the fields that `weighed` takes."""
        return self.weighed(**fields)[0]

    def weighed(
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
    ) -> tuple[SessionActionRequest, int]:
        """Build the request that appends an action; `where` stands before each field's name in an error.

        Returns:
            The request, and the bytes of memory that its contents take.
        """
        start = self._moment(start_time, f"{where}start_time")
        end = self._moment(end_time, f"{where}end_time") or datetime.datetime.now(datetime.timezone.utc)
        request = schemas.SessionActionRequest(
            kind=parse_kind(kind, f"{where}kind"), start_time=start or end, end_time=end, data=None
        )
        size = 0
        if attributes is not None:
            request.attributes, size = self._object(attributes, f"{where}attributes")
        if data is not None:
            request.data, weight = self._object(data, f"{where}data")
            size += weight
        if error is not None:
            request.error, weight = self.error(error, f"{where}error")
            size += weight
        if scanners is not None:
            request.scanners, weight = self._scanners(scanners, f"{where}scanners")
            size += weight
        return request, size

    def like(self, action: Any, where: str = "action") -> SessionActionRequest:
        """Build the same action again: from a `SessionActionRequest`, or from a dict of its fields."""
        return self.action(**_fields(action, where), where=f"{where}.")

    def _moment(self, value: Moment | None, where: str) -> datetime.datetime | None:
        if value is None or (type(value) is datetime.datetime and value.tzinfo is datetime.timezone.utc):
            return value
        try:
            return moment(value, where)
        except LayerSchemaValidationError:
            if self._strict:
                raise
            return None

    def _object(self, value: Any, where: str, lonely: str = "value") -> tuple[dict[str, Any], int]:
        """Copy and weigh an object; leniently, anything else becomes one whose only field is `lonely`."""
        copied, size = self._json(value, where)
        if isinstance(copied, dict):
            return copied, size
        if self._strict:
            raise LayerSchemaValidationError(f"{where} must be an object, such as a dict, but is {_named(value)}")
        return {lonely: copied}, size

    def _list(self, values: Any, where: str) -> list[Any]:
        """List what there are several of; leniently, anything else becomes a list of one."""
        if type(values) is list:
            return values.copy()
        # Texts and objects can be iterated over, too, but not to the end that their owner had in mind.
        single = isinstance(values, (str, bytes)) or hasattr(values, "keys") or not isinstance(values, AbstractIterable)
        try:
            if not single:
                return list(values)
        except Exception as error:
            if self._strict:
                raise LayerRequestPreparationError(f"{where} could not be read: {type_name(error)}") from error
        if self._strict:
            raise LayerSchemaValidationError(f"{where} must be a list, but is {_named(values)}")
        return [values]

    def _texts(self, attributes: Mapping[str, Any]) -> dict[str, str]:
        copied, _ = self._object(attributes, "attributes")
        return {name: _text(value) for name, value in copied.items() if value is not None}

    def _actions(self, actions: Iterable[Any]) -> list[SessionActionRequest]:
        return [self.like(action, f"actions[{index}]") for index, action in enumerate(self._list(actions, "actions"))]

    def error(self, error: Any, where: str) -> tuple[SessionActionError, int]:
        """Build the error of an action, and weigh it."""
        if isinstance(error, BaseException):
            told = error_of(error)
            return told, weigh(told.message)
        given, size = self._object({"message": error} if isinstance(error, str) else error, where, "message")
        fields = {name: value for name, value in given.items() if value is not None}
        message = self._field(fields, "message", str, where, required=True)
        code = self._field(fields, "code", int, where)
        details = self._field(fields, "details", dict, where) or {}
        if message is None:
            message = _text(fields.pop("message", "no message given"))
        told = schemas.SessionActionError(
            message=message,
            code=schemas.UNSET if code is None else code,
            details={**details, **fields} or schemas.UNSET,
        )
        return told, size

    def _field(
        self, fields: dict[str, Any], name: str, wanted: type[T], where: str, *, required: bool = False
    ) -> T | None:
        """Take a field of an error; leniently, one of another type stays where it is, for the details."""
        value = fields.get(name)
        if type(value) is wanted:
            return fields.pop(name)  # type: ignore[no-any-return]
        if self._strict and (required or value is not None):
            raise LayerSchemaValidationError(f"{where}.{name} must be {NAMES[wanted]}, but is {_named(value)}")
        return None

    def _scanners(self, scanners: Iterable[Any], where: str) -> tuple[list[SessionActionScanner], int]:
        found: list[SessionActionScanner] = []
        total = 0
        for index, each in enumerate(self._list(scanners, where)):
            scanner, size = self._scanner(each, f"{where}[{index}]")
            found.append(scanner)
            total += size
        return found, total

    def _scanner(self, scanner: Any, where: str) -> tuple[SessionActionScanner, int]:
        given, size = self._object(scanner, where, "data")
        fields = given.copy()
        name, data = fields.pop("name", None), fields.pop("data", None)
        if not isinstance(name, str) or not isinstance(data, dict):
            if self._strict:
                raise LayerSchemaValidationError(f"{where} must have a name (text) and data (an object)")
            name = "unnamed" if name is None else _text(name)
            data = data if isinstance(data, dict) else {"value": data}
        draft = schemas.SessionActionScanner(name=name, data=data)
        draft.additional_properties.update(fields)
        return draft, size


STRICT = Drafts(strict=True, read=weighed_json)
LENIENT = Drafts(strict=False, read=weighed_json_or_repr)


def weighed_action(
    given: Mapping[str, Any] | Plain, times: Mapping[str, Any], *, is_copied: bool
) -> tuple[SessionActionRequest, int]:
    """Build the request of what was put into words, and weigh it as `Drafts.weighed` does.

    Args:
        given: The words.
        times: The fields that say when it was, which win.
        is_copied: Whether somebody may change what is in the request.
    """
    if isinstance(given, Plain):
        if not is_copied and times:
            return _plain(**given.fields, **times)
        given = given.fields
    return LENIENT.weighed(**{**given, **times})


def _plain(
    *,
    kind: str,
    start_time: datetime.datetime,
    end_time: datetime.datetime,
    attributes: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    scanners: list[dict[str, Any]] | None = None,
) -> tuple[SessionActionRequest, int]:
    """Do what `Drafts.weighed` does, but copy an error alone: to look at the rest again is a tenth of the words."""
    request = schemas.SessionActionRequest(parse_kind(kind), start_time, end_time, data=data)
    size = 0 if data is None else weigh(data)
    if attributes is not None:
        request.attributes = attributes
        size += weigh(attributes)
    if error is not None:
        request.error, weight = LENIENT.error(error, "error")
        size += weight
    if scanners is not None:
        request.scanners = [schemas.SessionActionScanner(**scanner) for scanner in scanners]
        size += sum([weigh(scanner) for scanner in scanners])
    return request, size


@lru_cache(maxsize=32)  # an enumeration takes longer to find one of its own
def _known_kind(kind: str) -> SessionActionKind:
    return schemas.SessionActionKind(kind)


def parse_kind(kind: SessionActionKind | str, where: str = "kind") -> SessionActionKind:
    """Read the kind of an action.

    Raises:
        LayerSchemaValidationError: If there is no such kind; the text lists those that there are.
    """
    if type(kind) is schemas.SessionActionKind:
        return kind
    try:
        return _known_kind(kind) if type(kind) is str else schemas.SessionActionKind(kind)
    except ValueError as error:
        kinds = ", ".join(member.value for member in schemas.SessionActionKind)
        raise LayerSchemaValidationError(f"{where} must be one of {kinds}, but is {short_repr(kind):.60}") from error


def moment(value: Moment, where: str) -> datetime.datetime:
    """Read a point in time, a datetime or text after RFC 3339, as one in UTC.

    Raises:
        LayerSchemaValidationError: If it is neither.
    """
    try:
        return utc(_read(value))
    except Exception as error:  # a time zone is a class that anybody may write
        shown = f"{short_repr(value):.60}" if isinstance(value, (str, datetime.datetime)) else _named(value)
        raise LayerSchemaValidationError(
            f"{where} must be a datetime, or text such as 2026-03-02T09:30:00Z, but is {shown}"
        ) from error


@lru_cache(maxsize=64)  # a session, a question and an answer begin at the same time
def moment_at(seconds: float) -> datetime.datetime:
    """Give the point in time so many seconds after 1970."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _read(value: Any) -> datetime.datetime:
    if isinstance(value, str):
        with _fork.postponed():
            from dateutil.parser import isoparse

        return isoparse(value)
    if isinstance(value, datetime.datetime):
        return value
    raise TypeError(type_name(value))


def error_of(error: BaseException) -> SessionActionError:
    """Describe an exception as the contract describes errors. Never raises."""
    kind = type(error)
    return schemas.SessionActionError(
        message=str(to_json_or_repr(_message(error))) or type_name(error),
        code=_status(error),
        details={"type": f"{kind.__module__}.{kind.__qualname__}"},
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (somebody else's code)
        return ""


def _status(error: BaseException) -> int | Unset:
    try:
        status = to_json_or_repr(getattr(error, "status_code", None))
    except Exception:  # noqa: BLE001  (somebody else's code)
        return schemas.UNSET
    return status if type(status) is int else schemas.UNSET


def _fields(action: Any, where: str) -> dict[str, Any]:
    if isinstance(action, schemas.SessionActionRequest):
        values = {**action.additional_properties, **{name: getattr(action, name) for name in ACTION_FIELDS}}
        fields = {name: value for name, value in values.items() if not isinstance(value, schemas.Unset)}
    elif isinstance(action, Mapping):
        fields = dict(action)
    else:
        raise LayerSchemaValidationError(f"{where} must be a SessionActionRequest or a dict, but is {_named(action)}")
    unknown = [short_repr(name) for name in fields if name not in ACTION_FIELDS]
    if unknown or "kind" not in fields:
        problem = f"{', '.join(unknown)} is none of {', '.join(ACTION_FIELDS)}" if unknown else "kind is missing"
        raise LayerSchemaValidationError(f"{where} has not the fields of an action: {problem}")
    return fields


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(value: Any) -> str:
    return "missing" if value is None else f"of type {type_name(value)}"
