"""Secrets on their way through our hands: hidden from everything that prints what surrounds them.

Tools that report errors show the local variables of each frame. So a secret is wrapped where it comes in, unwrapped
where `requests` takes it, and no function of ours that raises has it as a variable.
"""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Iterable, TypeVar
from urllib.parse import quote, quote_plus

from .exceptions import LayerAuthError

if TYPE_CHECKING:
    import os

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

HIDDEN = "***"
MIN_LENGTH = 4  # hiding each "a" in a text would tell that the secret is one


class Secret(Generic[T]):
    """A value that no repr shows and nothing pickles.

    Args:
        value: What to hide.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: T) -> None:
        self._value = value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == other._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")

    def reveal(self) -> T:
        """Give the value, for an expression and never for a variable."""
        return self._value


class SecretSource:
    """Where a secret is read each time that it is needed, so that one that was exchanged is found.

    Args:
        name: The option that gave it, for errors.
        given: The secret, or a function that gives it.
        file: A file to read it from instead.
    """

    def __init__(self, name: str, given: Secret[Any], file: str | os.PathLike[str] | None = None) -> None:
        self._name = name
        self._given = given
        self._file = None if file is None else Path(file)

    @property
    def is_literal(self) -> bool:
        """Whether it is given as such and never changes."""
        return self._file is None and not callable(self._given.reveal())

    def read(self) -> Secret[str]:
        """Read it.

        Raises:
            LayerAuthError: If there is none to be had.
        """
        found = self._of_file() if self._file is not None else self._of_caller()
        problem = problem_with(found)
        if problem is not None:
            raise LayerAuthError(f"{self._name} {problem}")
        return found

    def _of_caller(self) -> Secret[Any]:
        if self.is_literal:
            return self._given
        try:
            return Secret(self._given.reveal()())
        except Exception as error:
            raise LayerAuthError(f"{self._name} is a function that raised {type(error).__name__}") from error

    def _of_file(self) -> Secret[Any]:
        path = self._file or Path()
        try:
            return Secret(path.read_bytes().decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:  # it quotes what it could not read
            raise LayerAuthError(f"{self._name}: the file {path} must be text in UTF-8") from None
        except OSError as error:
            raise LayerAuthError(f"{self._name}: the file {path} cannot be read: {error.strerror}") from error


def problem_with(secret: Secret[Any]) -> str | None:
    """Say what is wrong with a secret, without showing it; None where it can be used."""
    value = secret.reveal()
    if not isinstance(value, str):
        return f"must be text, but is of type {type(value).__name__}"
    if not value.strip():
        return "must not be empty"
    if value != value.encode("utf-8", "replace").decode("utf-8"):
        return "must be text that UTF-8 can write"
    return None


def hide(text: str, secrets: Iterable[Secret[str]]) -> str:
    """Replace secrets in a text that somebody else wrote, in each way that they may have been sent to them."""
    for secret in secrets:
        for form in _forms(secret.reveal()):
            text = text.replace(form, HIDDEN)
    return text


def _forms(value: str) -> list[str]:
    if len(value) < MIN_LENGTH:
        return []
    plain = value.encode("utf-8", "surrogatepass")
    forms = {value, quote(plain, safe=""), quote_plus(plain), json.dumps(value)[1:-1], repr(value)[1:-1]}
    forms |= {b64encode(plain).decode(), plain.decode("latin-1"), repr(plain)[2:-1]}
    return sorted(forms, key=len, reverse=True)


def without_frames(error: E) -> E:
    """Take the tracebacks from an error and what led to it: their frames hold what was sent."""
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        seen = seen.__cause__ or seen.__context__
    return error
