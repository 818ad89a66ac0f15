"""Teach openapi-python-client that a free-form object is a plain dict.

Left alone, the generator makes a class of its own for every `type: object` without named properties, and callers would
have to wrap each `attributes`, `data` and `details` in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from openapi_python_client.parser.errors import PropertyError
from openapi_python_client.parser.properties import AnyProperty, ModelProperty, property_from_data
from openapi_python_client.schema import Reference, Schema
from openapi_python_client.strings import PythonCode, PythonIdentifier

if TYPE_CHECKING:
    from openapi_python_client.parser.properties import Property, Schemas


@define
class FreeFormProperty(AnyProperty):
    """A property that is a dict in Python as it is an object in JSON."""

    values: str = field(default="Any", kw_only=True)

    def get_base_type_string(self) -> PythonCode:
        """Name the type in Python."""
        return PythonCode(f"dict[str, {self.values}]")

    def get_base_json_type_string(self) -> PythonCode:
        """Name the type in JSON, the same."""
        return self.get_base_type_string()

    def get_imports(self, *, prefix: str) -> set[str]:
        """Name what its declaration needs."""
        return super().get_imports(prefix=prefix) | {"from typing import Any, cast"}


def install() -> None:
    """Make the generator in this process build `FreeFormProperty` for objects without properties of their own."""
    build_model = ModelProperty.build

    def build(**parts: Any) -> tuple[Property | PropertyError, Schemas]:
        if _is_free_form(parts["data"]):
            return _free_form(parts), parts["schemas"]
        return build_model(**parts)

    ModelProperty.build = build  # type: ignore[assignment, method-assign]


def _is_free_form(data: Schema) -> bool:
    return not data.properties and not data.allOf and data.additionalProperties is not False


def _free_form(parts: dict[str, Any]) -> FreeFormProperty:
    data, name, config = parts["data"], parts["name"], parts["config"]
    return FreeFormProperty(
        name=name,
        required=parts["required"],
        default=None,
        python_name=PythonIdentifier(value=name, prefix=config.field_prefix),
        description=data.description,
        example=data.example,
        values=_values(parts),
    )


def _values(parts: dict[str, Any]) -> str:
    inner = parts["data"].additionalProperties
    if not isinstance(inner, (Reference, Schema)):
        return "Any"
    prop, _ = property_from_data(
        name=parts["name"],
        required=True,
        data=inner,
        schemas=parts["schemas"],
        parent_name=parts["parent_name"] or "",
        config=parts["config"],
    )
    if isinstance(prop, PropertyError):
        raise TypeError(f"cannot tell the type of the values of {parts['name']}: {prop}")
    return prop.get_type_string().as_unembedded_code()
