# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.firewall_lookup_response_context_violated_policy import FirewallLookupResponseContextViolatedPolicy


T = TypeVar("T", bound="FirewallLookupResponseContext")


@_attrs_define
class FirewallLookupResponseContext:
    """What led to the decision.

    Attributes:
        violated_policies (list[FirewallLookupResponseContextViolatedPolicy] | None | Unset): The violated policies,
            where there are any.
    """

    violated_policies: list[FirewallLookupResponseContextViolatedPolicy] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        violated_policies: list[dict[str, Any]] | None | Unset
        if isinstance(self.violated_policies, Unset):
            violated_policies = UNSET
        elif isinstance(self.violated_policies, list):
            violated_policies = []
            for violated_policies_type_0_item_data in self.violated_policies:
                violated_policies_type_0_item = violated_policies_type_0_item_data.to_dict()
                violated_policies.append(violated_policies_type_0_item)

        else:
            violated_policies = self.violated_policies

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if violated_policies is not UNSET:
            field_dict["violated_policies"] = violated_policies

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_violated_policies(data: object) -> list[FirewallLookupResponseContextViolatedPolicy] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                violated_policies_type_0 = []
                _violated_policies_type_0 = data
                for violated_policies_type_0_item_data in _violated_policies_type_0:
                    violated_policies_type_0_item = FirewallLookupResponseContextViolatedPolicy.from_dict(
                        violated_policies_type_0_item_data
                    )

                    violated_policies_type_0.append(violated_policies_type_0_item)

                return violated_policies_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast("list[FirewallLookupResponseContextViolatedPolicy] | None | Unset", data)

        violated_policies = _parse_violated_policies(d.pop("violated_policies", UNSET))

        firewall_lookup_response_context = cls(
            violated_policies=violated_policies,
        )

        firewall_lookup_response_context.additional_properties = d
        return firewall_lookup_response_context

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
    from ..models.firewall_lookup_response_context_violated_policy import FirewallLookupResponseContextViolatedPolicy
