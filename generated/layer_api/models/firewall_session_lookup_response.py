# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.firewall_lookup_decision import FirewallLookupDecision

if TYPE_CHECKING:
    from ..models.firewall_lookup_response_context import FirewallLookupResponseContext


T = TypeVar("T", bound="FirewallSessionLookupResponse")


@_attrs_define
class FirewallSessionLookupResponse:
    """The firewall's decision about a session.

    Attributes:
        session_id (UUID): The id of the session.
        decision (FirewallLookupDecision): `no_data`: nothing recorded yet. `pass`: no policy violated. `skip`: only
            policies that monitor.
            `alert`: at most policies that inform. `block`: at least one policy that blocks.
        context (FirewallLookupResponseContext): What led to the decision.
    """

    session_id: UUID
    decision: FirewallLookupDecision
    context: FirewallLookupResponseContext
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        session_id = str(self.session_id)

        decision = self.decision.value

        context = self.context.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "session_id": session_id,
                "decision": decision,
                "context": context,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        session_id = UUID(d.pop("session_id"))

        decision = FirewallLookupDecision(d.pop("decision"))

        context = FirewallLookupResponseContext.from_dict(d.pop("context"))

        firewall_session_lookup_response = cls(
            session_id=session_id,
            decision=decision,
            context=context,
        )

        firewall_session_lookup_response.additional_properties = d
        return firewall_session_lookup_response

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
    from ..models.firewall_lookup_response_context import FirewallLookupResponseContext
