# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="FirewallLookupResponseContextViolatedPolicy")


@_attrs_define
class FirewallLookupResponseContextViolatedPolicy:
    """A policy that the session violates.

    Attributes:
        id (int): The policy's number.
        name (str): The policy's name.
        severity (str): How grave a violation is.
        action (str): What the policy asks for, such as `monitor`, `inform` or `block`.
    """

    id: int
    name: str
    severity: str
    action: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        name = self.name

        severity = self.severity

        action = self.action

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "severity": severity,
                "action": action,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        name = d.pop("name")

        severity = d.pop("severity")

        action = d.pop("action")

        firewall_lookup_response_context_violated_policy = cls(
            id=id,
            name=name,
            severity=severity,
            action=action,
        )

        firewall_lookup_response_context_violated_policy.additional_properties = d
        return firewall_lookup_response_context_violated_policy

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
