# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
"""Contains some shared types for properties"""

from __future__ import annotations

import datetime
import json
from functools import lru_cache
from http import HTTPStatus
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Generic,
    List,
    Literal,
    Mapping,
    MutableMapping,
    Optional,
    Tuple,
    TypeVar,
    Union,
)

from attrs import define

if TYPE_CHECKING:
    import httpx


class Unset:
    def __bool__(self) -> Literal[False]:
        return False


UNSET: Unset = Unset()

# What `httpx.Client(files=)` accepts.
FileContent = Union[IO[bytes], bytes, str]
FileTypes = Union[
    # (filename, file (or bytes), content_type)
    Tuple[Optional[str], FileContent, Optional[str]],
    # (filename, file (or bytes), content_type, headers)
    Tuple[Optional[str], FileContent, Optional[str], Mapping[str, str]],
]
RequestFiles = List[Tuple[str, FileTypes]]


@define
class File:
    """Contains information for file uploads"""

    payload: BinaryIO
    file_name: str | None = None
    mime_type: str | None = None

    def to_tuple(self) -> FileTypes:
        """Return a tuple representation that httpx will accept for multipart/form-data"""
        return self.file_name, self.payload, self.mime_type


T = TypeVar("T")


@define
class Response(Generic[T]):
    """A response from an endpoint"""

    status_code: int
    """ An `http.HTTPStatus` where the status is one that it knows, else the bare number """
    content: bytes
    headers: MutableMapping[str, str]
    parsed: T | None


def format_datetime(value: datetime.datetime) -> str:
    """RFC 3339 in UTC with a `Z`; a naive value is taken as UTC"""
    if type(value) is datetime.datetime and value.tzinfo is datetime.timezone.utc and value.microsecond:
        return _usual(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return value.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


@lru_cache(maxsize=64)  # a session and its actions begin and end at few moments
def _usual(value: datetime.datetime) -> str:
    # In a third of the time that `isoformat` takes: of most the second has been met before.
    second = _second(value.year, value.month, value.day, value.hour, value.minute, value.second)
    return f"{second}.{value.microsecond:06}Z"


@lru_cache(maxsize=64)
def _second(year: int, month: int, day: int, hour: int, minute: int, second: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"


@lru_cache(maxsize=64)
def to_status(code: int) -> int:
    """The `HTTPStatus` of a code, or the code itself where there is none, such as 520"""
    try:
        return HTTPStatus(code)
    except ValueError:
        return code


def read_body(response: httpx.Response) -> Any:
    """A body of no fixed shape: what its JSON says where it is JSON, else its text"""
    try:
        return json.loads(response.content)
    except ValueError:
        return response.text


__all__ = [
    "UNSET",
    "File",
    "FileTypes",
    "RequestFiles",
    "Response",
    "Unset",
    "format_datetime",
    "read_body",
    "to_status",
]
