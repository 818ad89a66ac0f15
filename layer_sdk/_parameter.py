"""The parameter `session_id` of a decorated function: finding it, and passing the id on as the type it asks for."""

from __future__ import annotations

import inspect
import re
import sys
from inspect import Parameter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable, get_type_hints
from uuid import UUID

from ._ids import as_uuid

if TYPE_CHECKING:
    from ._wrapping import Arguments, Options

if sys.version_info >= (3, 14):
    from annotationlib import Format  # novermin

    # Annotations are evaluated when they are read: those that name what is not there must not fail the whole reading.
    _READING: dict[str, Any] = {"annotation_format": Format.FORWARDREF}
else:
    _READING: dict[str, Any] = {}

NAME = "session_id"


class SessionParameter:
    """The parameter `session_id` of a function that has one.

    Args:
        function: The function.
        parameters: Its parameters, in order, without those that are bound already.
        index: Which of them it is.
    """

    def __init__(self, function: Callable[..., Any], parameters: list[Parameter], index: int) -> None:
        parameter = parameters[index]
        self._function = function
        self._annotation = parameter.annotation
        self._by_position = parameter.kind is not Parameter.KEYWORD_ONLY
        self._by_name = parameter.kind is not Parameter.POSITIONAL_ONLY
        self._index = index
        self._defaults = tuple(before.default for before in parameters[:index])
        self._type: Callable[[UUID], Any] | None = None

    @classmethod
    def of(cls, function: Any) -> SessionParameter | None:
        """Find it, or None."""
        try:
            parameters = list(inspect.signature(function, **_READING).parameters.values())
        except (TypeError, ValueError):  # some callables of C have no signature
            return None
        for index, parameter in enumerate(parameters):
            if parameter.name == NAME and _is_open_to(function, parameter):
                return cls(function, parameters, index)
        return None

    def given(self, args: Arguments, kwargs: Options) -> UUID | None:
        """Give the id that the caller passes, if it is one."""
        if self._by_position and len(args) > self._index:
            return uuid_of(args[self._index])
        return uuid_of(kwargs.get(NAME)) if self._by_name else None

    def put(self, args: Arguments, kwargs: Options, session_id: UUID) -> tuple[Arguments, Options]:
        """Pass the id on, unless the caller passes something of their own."""
        if self._by_position and len(args) > self._index:
            if args[self._index] is None:
                args = (*args[: self._index], self._typed(session_id), *args[self._index + 1 :])
        elif self._by_name:
            if kwargs.get(NAME) is None:
                kwargs = {**kwargs, NAME: self._typed(session_id)}
        elif not any(default is Parameter.empty for default in self._defaults[len(args) :]):
            args = (*args, *self._defaults[len(args) :], self._typed(session_id))
        return args, kwargs

    def _typed(self, session_id: UUID) -> Any:
        if self._type is None:
            self._type = _itself if _asks_for_uuid(self._function, self._annotation) else str
        return self._type(session_id)


def uuid_of(value: Any) -> UUID | None:
    """Read a UUID where there is one, whatever the value does when it is looked at."""
    if value is None:
        return None
    try:
        return as_uuid(value)
    except Exception:  # noqa: BLE001  (an annotation may name what is not there at run time)
        return None


def _is_open_to(function: Any, parameter: Parameter) -> bool:
    """Tell whether a call can pass the parameter: a signature may be that of a function further in."""
    if parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
        return False
    if not hasattr(function, "__wrapped__"):
        return True
    rest = Parameter.VAR_POSITIONAL if parameter.kind is Parameter.POSITIONAL_ONLY else Parameter.VAR_KEYWORD
    own = inspect.signature(function, follow_wrapped=False, **_READING).parameters.values()
    return any(each.name == NAME or each.kind is rest for each in own)


def _asks_for_uuid(function: Any, annotation: Any) -> bool:
    """Tell whether an annotation asks for a UUID; where it does not, text is passed."""
    if isinstance(annotation, str):
        annotation = annotation.strip("'\"")  # a text in a text, where all annotations are texts
    alone = SimpleNamespace(__annotations__={NAME: annotation})  # the function's others may name what is not there
    inner = inspect.unwrap(function)
    names = getattr(inner, "__globals__", None) or getattr(type(inner).__call__, "__globals__", {})
    try:
        annotation = get_type_hints(alone, names)[NAME]
    except Exception:  # noqa: BLE001  (an annotation may name what is not there at run time)
        words = re.findall(r"[\w.]+", str(getattr(annotation, "__forward_arg__", annotation)))
        last = {word.rpartition(".")[2] for word in words}
        return "UUID" in last and "str" not in last
    choices = [getattr(choice, "__supertype__", choice) for choice in getattr(annotation, "__args__", (annotation,))]
    return any(choice is UUID for choice in choices) and not any(choice is str for choice in choices)


def _itself(session_id: UUID) -> UUID:
    return session_id
