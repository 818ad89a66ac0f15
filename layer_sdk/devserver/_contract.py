"""The contract: which operations there are, and what their requests and answers must look like."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping

import yaml
from jsonschema.validators import extend  # type: ignore[import-untyped]
from openapi_core import OpenAPI
from openapi_core.validation.schemas.factories import SchemaValidatorsFactory
from openapi_schema_validator import OAS31Validator

from ._faults import faults_of
from ._formats import FORMATS
from ._problems import Fault
from ._settings import StartError

if TYPE_CHECKING:
    from jsonschema_path import SchemaPath

_METHODS = ("get", "put", "post", "delete", "patch")
_MOST_FAULTS = 20
# The safe loader that is written in C spares a tenth of a second, but not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _one_of(validator: Any, alternatives: Any, value: Any, schema: Any) -> Iterator[Any]:
    """Judge as ever, but say what is wrong with a value that may be null one by one, instead of all at once.

    Of a body with a million wrong actions, a million errors would fill the memory before the first is told.
    """
    others = [index for index, alternative in enumerate(alternatives) if alternative != {"type": "null"}]
    if len(others) == 1 and value is not None:
        yield from validator.descend(value, alternatives[others[0]], schema_path=others[0])
    else:
        yield from OAS31Validator.VALIDATORS["oneOf"](validator, alternatives, value, schema)


_FACTORY = SchemaValidatorsFactory(extend(OAS31Validator, {"oneOf": _one_of}))


class Schema:
    """One schema of the contract, compiled once.

    openapi-core itself builds its validators anew for each request, which takes twenty times as long as using them.
    """

    def __init__(self, spec: SchemaPath, schema: SchemaPath) -> None:
        # Any: newer releases of openapi-core want the document, too.
        create: Any = _FACTORY.create
        owner = (spec,) if "spec" in inspect.signature(create).parameters else ()
        self._validator = create(*owner, schema, extra_format_validators=FORMATS).validator

    def faults(self, value: Any, root: str = "body") -> list[Fault]:
        """What is wrong with a value; nothing, where it is as the contract says."""
        errors = list(islice(self._validator.iter_errors(value), _MOST_FAULTS))
        return faults_of(errors, root) if errors else []


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation, in its path or its headers."""

    name: str
    place: str
    required: bool
    schema: Schema

    def faults(self, values: Mapping[str, str]) -> list[Fault]:
        """What is wrong with this parameter among those given."""
        if self.name in values:
            return self.schema.faults(values[self.name], self.name)
        return [Fault(self.name, "is required")] if self.required else []


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Mapping[str, Schema]
    answers: Mapping[str, Mapping[str, Schema]]

    def parameter_faults(self, place: str, values: Mapping[str, str]) -> list[Fault]:
        """What is wrong with the parameters that are in one place, `path` or `header`."""
        return [
            fault for parameter in self.parameters if parameter.place == place for fault in parameter.faults(values)
        ]

    def answer_faults(self, status: int, media_type: str, value: Any) -> list[Fault]:
        """What is wrong with an answer of ours; `value` is None where it has no body."""
        answer = self.answers.get(str(status), self.answers.get(f"{status // 100}XX"))
        if answer is None:
            return [Fault("status", f"{status} is not a status of {self.name}")]
        if not answer:
            return [] if value is None else [Fault("body", f"{self.name} has no body with status {status}")]
        if media_type not in answer:
            return [Fault("Content-Type", f"{media_type} is not a media type of {self.name} with status {status}")]
        return answer[media_type].faults(value)


@dataclass(frozen=True)
class Contract:
    """All that the contract says and this program needs."""

    operations: tuple[Operation, ...]
    kinds: tuple[str, ...]


def load_contract() -> Contract:
    """Read the contract that the generated client was made from.

    Raises:
        StartError: If there is no contract, or it is no valid OpenAPI document.
    """
    path = _installed_contract()
    try:
        spec = OpenAPI.from_dict(yaml.load(path.read_bytes(), _LOADER)).spec  # noqa: S506
        kinds = _contents(spec / "components" / "schemas" / "SessionActionKind")["enum"]
        return Contract(tuple(_operations(spec)), tuple(kinds))
    except Exception as error:
        raise StartError(f"The contract {path} can not be read: {error}. Reinstall protectai-layer-sdk.") from error


def _installed_contract() -> Path:
    # Found without importing it: its code needs packages that this one does not.
    package = importlib.util.find_spec("layer_api")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (Path(folder) / "openapi.yaml").is_file():
            return Path(folder) / "openapi.yaml"
    raise StartError("The package layer_api with its openapi.yaml is not installed. Reinstall protectai-layer-sdk.")


def _operations(spec: SchemaPath) -> Iterator[Operation]:
    for path in _contents(spec / "paths"):
        item = spec / "paths" / path
        for method in _METHODS:
            if method in item:
                yield _operation(spec, path, method)


def _operation(spec: SchemaPath, path: str, method: str) -> Operation:
    item = spec / "paths" / path
    operation = item / method
    body = operation / "requestBody" / "content" if "requestBody" in operation else None
    return Operation(
        name=_contents(operation)["operationId"],
        method=method.upper(),
        path=path,
        parameters=tuple(_parameters(spec, operation)),
        body=_schemas(spec, body) if body else {},
        answers={
            status: _answer(spec, operation / "responses" / status) for status in _contents(operation)["responses"]
        },
    )


def _parameters(spec: SchemaPath, operation: SchemaPath) -> Iterator[Parameter]:
    for index in range(len(_contents(operation).get("parameters", ()))):
        parameter = operation / "parameters" / index
        said = _contents(parameter)
        yield Parameter(said["name"], said["in"], said.get("required", False), Schema(spec, parameter / "schema"))


def _answer(spec: SchemaPath, answer: SchemaPath) -> Mapping[str, Schema]:
    return _schemas(spec, answer / "content") if "content" in answer else {}


def _schemas(spec: SchemaPath, content: SchemaPath) -> Mapping[str, Schema]:
    return {media_type: Schema(spec, content / media_type / "schema") for media_type in _contents(content)}


def _contents(path: SchemaPath) -> Any:
    """What stands at a place of the document, with a reference followed."""
    with path.resolve() as resolved:
        return resolved.contents
