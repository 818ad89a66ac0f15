# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="SessionActionScanner")


@_attrs_define
class SessionActionScanner:
    """What one scanner found in an action.

    Attributes:
        name (str): The scanner's name, such as `usage`.
        data (dict[str, Any]): What it found.
    """

    name: str
    data: dict[str, Any]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        data = self.data

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        data = d.pop("data")

        session_action_scanner = cls(
            name=name,
            data=data,
        )

        session_action_scanner.additional_properties = d
        return session_action_scanner

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
