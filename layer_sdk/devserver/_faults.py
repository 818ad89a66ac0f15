"""What a value's schema has against it, said in sentences for people."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence

from ._problems import Fault

_TYPES = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_FORMATS = {
    "date-time": "an RFC 3339 date-time such as 2026-03-02T09:30:00Z",
    "uuid": "a UUID such as 2ed6657d-e927-568b-95e1-2665a8aea6a2",
}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,50}")
_LONGEST = 60


def faults_of(errors: Iterable[Any], root: str) -> list[Fault]:
    """Say what validation found, each thing once.

    Args:
        errors: The validation errors of jsonschema.
        root: What to call the value itself, where it and nothing inside it is wrong.

    Returns:
        The faults, in the order of the errors.
    """
    return list(dict.fromkeys(fault for error in errors for fault in _faults(error, root)))


def shortened(value: Any) -> str:
    """A value as it may stand in a message: as JSON, and not longer than a line has room for."""
    if isinstance(value, (dict, list)):
        return _type_of(value)
    text = json.dumps(value if not isinstance(value, str) else value[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + '..."'


def _faults(error: Any, root: str) -> Iterator[Fault]:
    path = list(error.absolute_path)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield Fault(_written([*path, name], root), "is required")
    else:
        yield Fault(_written(path, root), _SENTENCES.get(error.validator, _other)(error))


def _written(path: Sequence[Any], root: str) -> str:
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            written += f".{step}" if written else step
        else:
            written += f"[{shortened(step)}]"
    return written or root


def _type_of(value: Any) -> str:
    # bool is a kind of int in Python, so it comes first.
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (dict, "object"), (list, "array"))
    return next((_TYPES[name] for kind, name in kinds if isinstance(value, kind)), "null")


def _type(error: Any) -> str:
    wanted = error.validator_value
    names = [wanted] if isinstance(wanted, str) else wanted
    return f"must be {' or '.join(_TYPES[name] for name in names)}, not {_type_of(error.instance)}"


def _format(error: Any) -> str:
    wanted = _FORMATS.get(error.validator_value, f"of the format {error.validator_value}")
    return f"must be {wanted}, not {shortened(error.instance)}"


def _pattern(error: Any) -> str:
    about = error.schema.get("description", "")
    return f"must match {error.validator_value}" + (f" ({about.strip()})" if about else "")


def _other(error: Any) -> str:
    return f"breaks the rule {error.validator}: {shortened(error.validator_value)}"


_SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "const": lambda error: f"must be {shortened(error.validator_value)}, not {shortened(error.instance)}",
    "enum": lambda error: f"must be one of {', '.join(error.validator_value)}, not {shortened(error.instance)}",
    "format": _format,
    "maxLength": lambda error: f"must have at most {error.validator_value} characters, not {len(error.instance)}",
    "minLength": lambda error: f"must have at least {error.validator_value} character(s)",
    "oneOf": lambda _: "fits none of the alternatives that the contract has for it",
    "pattern": _pattern,
    "type": _type,
}
