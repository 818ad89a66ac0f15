"""The parameter `session_id` of a decorated function: finding it, and passing the id on as the type it asks for."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Callable
from uuid import UUID

from ._ids import as_uuid

if TYPE_CHECKING:
    from ._wrapping import Arguments, Options


class SessionParameter:
    """The parameter `session_id` of a function that has one."""

    def __init__(self, function: Callable[..., Any], parameter: inspect.Parameter, index: int) -> None:
        self._function = function
        self._annotation = parameter.annotation
        self._by_position = parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        self._by_name = parameter.kind is not inspect.Parameter.POSITIONAL_ONLY
        self._index = index
        self._type: Callable[[UUID], Any] | None = None

    @classmethod
    def of(cls, function: Any) -> SessionParameter | None:
        """Find it, or None."""
        function = getattr(function, "__func__", function)
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some callables of C have no signature
            return None
        variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        for index, parameter in enumerate(parameters):
            if parameter.name == "session_id" and parameter.kind not in variable:
                return cls(function, parameter, index)
        return None

    def given(self, args: Arguments, kwargs: Options) -> UUID | None:
        """Give the id that the caller passes, if it is one."""
        if self._by_position and len(args) > self._index:
            return as_uuid(args[self._index])
        return as_uuid(kwargs["session_id"]) if self._by_name and kwargs.get("session_id") is not None else None

    def put(self, args: Arguments, kwargs: Options, session_id: UUID) -> tuple[Arguments, Options]:
        """Pass the id on, unless the caller passes something of their own."""
        value = self._typed(session_id)
        if self._by_position and len(args) > self._index:
            if args[self._index] is None:
                args = (*args[: self._index], value, *args[self._index + 1 :])
        elif self._by_name:
            if kwargs.get("session_id") is None:
                kwargs = {**kwargs, "session_id": value}
        elif len(args) == self._index:
            args = (*args, value)
        return args, kwargs

    def _typed(self, session_id: UUID) -> Any:
        if self._type is None:
            self._type = _type_of(self._function, self._annotation)
        return self._type(session_id)


def _type_of(function: Callable[..., Any], annotation: Any) -> Callable[[UUID], Any]:
    """Tell whether an annotation asks for a UUID or for text; text is the default."""
    from typing import get_type_hints

    try:
        annotation = get_type_hints(function)["session_id"]
    except Exception:  # noqa: BLE001  (an annotation may name what is not there at run time)
        names = {part.strip(" []") for part in str(annotation).replace("Optional[", "|").split("|")}
        return _itself if names & {"UUID", "uuid.UUID"} and "str" not in names else str
    choices = getattr(annotation, "__args__", (annotation,))
    return _itself if UUID in choices and str not in choices else str


def _itself(session_id: UUID) -> UUID:
    return session_id
