# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

import datetime
from collections.abc import Iterator, KeysView, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field
from dateutil.parser import isoparse

from ..types import UNSET, Unset, format_datetime

if TYPE_CHECKING:
    from ..models.session_action_request import SessionActionRequest


T = TypeVar("T", bound="SessionRequest")


@_attrs_define
class SessionRequest:
    """A session to create.

    Attributes:
        application_id (str): The application that the session belongs to. A UUID on deployed servers.
        session_id (None | Unset | UUID): The id that the client chooses, a version 5 UUID. Left out, the server makes
            one up.
        attributes (dict[str, str] | Unset): What is known of the session, text by text: `source`, `os`, `environment`,
            `python.runtime`, and whatever
            the application adds, such as `user.id`.
        start_time (datetime.datetime | Unset): When the session began.
        end_time (datetime.datetime | Unset): When the session ended, where that is known.
        actions (list[SessionActionRequest] | None | Unset): The session's first actions, in order.
    """

    application_id: str
    session_id: None | Unset | UUID = UNSET
    attributes: dict[str, str] | Unset = UNSET
    start_time: datetime.datetime | Unset = UNSET
    end_time: datetime.datetime | Unset = UNSET
    actions: list[SessionActionRequest] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        application_id = self.application_id

        session_id: None | str | Unset
        if isinstance(self.session_id, Unset):
            session_id = UNSET
        elif isinstance(self.session_id, UUID):
            session_id = str(self.session_id)
        else:
            session_id = self.session_id

        attributes = self.attributes

        start_time: str | Unset = UNSET
        if not isinstance(self.start_time, Unset):
            start_time = format_datetime(self.start_time)

        end_time: str | Unset = UNSET
        if not isinstance(self.end_time, Unset):
            end_time = format_datetime(self.end_time)

        actions: list[dict[str, Any]] | None | Unset
        if isinstance(self.actions, Unset):
            actions = UNSET
        elif isinstance(self.actions, list):
            actions = []
            for actions_type_0_item_data in self.actions:
                actions_type_0_item = actions_type_0_item_data.to_dict()
                actions.append(actions_type_0_item)

        else:
            actions = self.actions

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "application_id": application_id,
            }
        )
        if session_id is not UNSET:
            field_dict["session_id"] = session_id
        if attributes is not UNSET:
            field_dict["attributes"] = attributes
        if start_time is not UNSET:
            field_dict["start_time"] = start_time
        if end_time is not UNSET:
            field_dict["end_time"] = end_time
        if actions is not UNSET:
            field_dict["actions"] = actions

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        application_id = d.pop("application_id")

        def _parse_session_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                session_id_type_0 = UUID(data)

                return session_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("None | Unset | UUID", data)

        session_id = _parse_session_id(d.pop("session_id", UNSET))

        attributes = d.pop("attributes", UNSET)

        _start_time = d.pop("start_time", UNSET)
        start_time: datetime.datetime | Unset
        if isinstance(_start_time, Unset):
            start_time = UNSET
        else:
            start_time = isoparse(_start_time)

        _end_time = d.pop("end_time", UNSET)
        end_time: datetime.datetime | Unset
        if isinstance(_end_time, Unset):
            end_time = UNSET
        else:
            end_time = isoparse(_end_time)

        def _parse_actions(data: object) -> list[SessionActionRequest] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                actions_type_0 = []
                _actions_type_0 = data
                for actions_type_0_item_data in _actions_type_0:
                    actions_type_0_item = SessionActionRequest.from_dict(actions_type_0_item_data)

                    actions_type_0.append(actions_type_0_item)

                return actions_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("list[SessionActionRequest] | None | Unset", data)

        actions = _parse_actions(d.pop("actions", UNSET))

        session_request = cls(
            application_id=application_id,
            session_id=session_id,
            attributes=attributes,
            start_time=start_time,
            end_time=end_time,
            actions=actions,
        )

        session_request.additional_properties = d
        return session_request

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
    from ..models.session_action_request import SessionActionRequest
