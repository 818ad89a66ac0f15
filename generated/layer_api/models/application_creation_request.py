# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping
from typing import Any, Literal, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="ApplicationCreationRequest")


@_attrs_define
class ApplicationCreationRequest:
    """An application to create.

    Attributes:
        name (str): The application's name.
        source (Literal['manual']): How the application came to be known.
    """

    name: str
    source: Literal["manual"]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        source = self.source

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "source": source,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        source = cast("Literal['manual']", d.pop("source"))
        if source != "manual":
            raise ValueError(f"source must match const 'manual', got '{source}'")

        application_creation_request = cls(
            name=name,
            source=source,
        )

        application_creation_request.additional_properties = d
        return application_creation_request

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
