# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

import datetime
from collections.abc import Iterator, KeysView, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field
from dateutil.parser import isoparse

from ..models.session_action_kind import SessionActionKind
from ..types import UNSET, Unset, format_datetime

if TYPE_CHECKING:
    from ..models.session_action_error import SessionActionError
    from ..models.session_action_scanner import SessionActionScanner


T = TypeVar("T", bound="SessionActionRequest")


@_attrs_define
class SessionActionRequest:
    """One action of a session.

    Attributes:
        kind (SessionActionKind): What an action is.
        start_time (datetime.datetime): When the action began.
        end_time (datetime.datetime): When the action ended.
        attributes (dict[str, Any] | None | Unset): What is known of the action, such as `model.id`. Values may be any
            JSON.
        data (dict[str, Any] | None | Unset): What was said or done; its shape goes by `kind`:

            | kind | data |
            |---|---|
            | `completion_prompt` | `{"messages": [{"role", "content", "name"?, "tool_call_id"?}]}` |
            | `completion_output` | `{"messages": [{"role": "assistant", "content"}]}` |
            | `completion_prompt_attachment` | `{"role", "content": [{"type": "text" / "image_url" / "audio" / "file",
            ...}]}` |
            | `completion_tool_call` | `{"tools": [{"id", "name", "arguments": {...}}]}` |
            | `embeddings` | `{"input": [...]}` |
            | `moderation` | `{"input": [...]}`, each result's categories in a scanner `openai_moderation_<index>` |
        error (None | SessionActionError | Unset): What went wrong, where something did.
        scanners (list[SessionActionScanner] | None | Unset): What scanners found. Token usage travels as the scanner
            `usage`.
    """

    kind: SessionActionKind
    start_time: datetime.datetime
    end_time: datetime.datetime
    attributes: dict[str, Any] | None | Unset = UNSET
    data: dict[str, Any] | None | Unset = UNSET
    error: None | SessionActionError | Unset = UNSET
    scanners: list[SessionActionScanner] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind.value

        start_time = format_datetime(self.start_time)

        end_time = format_datetime(self.end_time)

        attributes: dict[str, Any] | None | Unset
        if isinstance(self.attributes, Unset):
            attributes = UNSET
        else:
            attributes = self.attributes

        data: dict[str, Any] | None | Unset
        if isinstance(self.data, Unset):
            data = UNSET
        else:
            data = self.data

        error: dict[str, Any] | None | Unset
        if isinstance(self.error, Unset):
            error = UNSET
        elif isinstance(self.error, SessionActionError):
            error = self.error.to_dict()
        else:
            error = self.error

        scanners: list[dict[str, Any]] | None | Unset
        if isinstance(self.scanners, Unset):
            scanners = UNSET
        elif isinstance(self.scanners, list):
            scanners = []
            for scanners_type_0_item_data in self.scanners:
                scanners_type_0_item = scanners_type_0_item_data.to_dict()
                scanners.append(scanners_type_0_item)

        else:
            scanners = self.scanners

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "start_time": start_time,
                "end_time": end_time,
            }
        )
        if attributes is not UNSET:
            field_dict["attributes"] = attributes
        if data is not UNSET:
            field_dict["data"] = data
        if error is not UNSET:
            field_dict["error"] = error
        if scanners is not UNSET:
            field_dict["scanners"] = scanners

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kind = SessionActionKind(d.pop("kind"))

        start_time = isoparse(d.pop("start_time"))

        end_time = isoparse(d.pop("end_time"))

        def _parse_attributes(data: object) -> dict[str, Any] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("dict[str, Any] | None | Unset", data)

        attributes = _parse_attributes(d.pop("attributes", UNSET))

        def _parse_data(data: object) -> dict[str, Any] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast("dict[str, Any] | None | Unset", data)

        data = _parse_data(d.pop("data", UNSET))

        def _parse_error(data: object) -> None | SessionActionError | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                error_type_0 = SessionActionError.from_dict(data)

                return error_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("None | SessionActionError | Unset", data)

        error = _parse_error(d.pop("error", UNSET))

        def _parse_scanners(data: object) -> list[SessionActionScanner] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                scanners_type_0 = []
                _scanners_type_0 = data
                for scanners_type_0_item_data in _scanners_type_0:
                    scanners_type_0_item = SessionActionScanner.from_dict(scanners_type_0_item_data)

                    scanners_type_0.append(scanners_type_0_item)

                return scanners_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("list[SessionActionScanner] | None | Unset", data)

        scanners = _parse_scanners(d.pop("scanners", UNSET))

        session_action_request = cls(
            kind=kind,
            start_time=start_time,
            end_time=end_time,
            attributes=attributes,
            data=data,
            error=error,
            scanners=scanners,
        )

        session_action_request.additional_properties = d
        return session_action_request

    def __getitem__(self, key: str) -> Any:
        """The value of a field as it travels on the wire"""
        return self.to_dict()[key]

    def __contains__(self, key: object) -> bool:
        return key in self.to_dict()

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def keys(self) -> KeysView[str]:
        return self.to_dict().keys()

    def get(self, key: str, default: Any = None) -> Any:
        return self.to_dict().get(key, default)


# Models refer to each other: at the end, where this one is there already, once rather than in each call of a method.
if not TYPE_CHECKING:
    from ..models.session_action_error import SessionActionError
    from ..models.session_action_scanner import SessionActionScanner
