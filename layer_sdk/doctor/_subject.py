"""What is examined: the settings as far as they can be used, what must not be shown, and what was learned so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple

from layer_sdk._origins import Origin, is_exposed, named, origin_of
from layer_sdk._secrets import Secret, hide

if TYPE_CHECKING:
    from uuid import UUID

    import requests

    from layer_sdk.auth import AuthProvider


class Answered(NamedTuple):
    """An answer of the API.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        body: The body, or the beginning of a very long one.
        ahead: Seconds that this machine's clock is ahead of the server's; None where the answer has no date.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    ahead: float | None


@dataclass
class Learned:
    """What later checks need of earlier ones."""

    credentials: Secret[dict[str, str]] = field(default_factory=lambda: Secret({}))
    lifetime: float | None = None
    answer: Answered | None = None
    applications: list[Mapping[str, Any]] = field(default_factory=list)
    application_id: str | None = None
    session_id: UUID | None = None


@dataclass(frozen=True)
class Target:
    """A server that must be reached.

    Attributes:
        key: What its checks are called after, such as `api`.
        url: Its URL.
        setting: Where the URL was given: the variable or the argument, for advice.
    """

    key: str
    url: str = field(repr=False)
    setting: str = ""

    @property
    def origin(self) -> Origin:
        """Scheme, host and port."""
        return origin_of(self.url)

    @property
    def shown(self) -> str:
        """Its origin, as people write it."""
        return named(self.origin)

    @property
    def is_here(self) -> bool:
        """Whether it is this machine."""
        return not is_exposed(named(("http", self.origin[1], 80)))


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Attributes:
        values: The settings by name; None where one is not given or cannot be used.
        labels: Where each was given, for advice.
        problems: What is wrong with the settings.
        doubts: What may be wrong with them, and what to do.
        provider: Gives the credentials; None where there is none.
        lacks_provider: Whether there should be one, and its settings cannot be used.
        session: Sends, and never repeats.
        environ: The environment variables.
        seconds: How long each step may take.
        may_write: Whether a test session may be made.
        secrets: What must not be shown.
        learned: What checks found out for later ones.
    """

    values: Mapping[str, Any]
    labels: Mapping[str, str]
    problems: tuple[str, ...]
    doubts: tuple[tuple[str, str], ...]
    provider: AuthProvider | None
    lacks_provider: bool
    session: requests.Session
    environ: Mapping[str, str]
    seconds: float
    may_write: bool
    secrets: list[Secret[str]]
    learned: Learned = field(default_factory=Learned)

    def target(self, key: str, setting: str) -> Target | None:
        """Give the server that a setting names, if it names one."""
        url = self.values.get(setting)
        return None if url is None else Target(key, url, self.labels.get(setting, setting))

    def hidden(self, text: str) -> str:
        """Give a text without what must not be shown, on one line."""
        shown = hide(text, self.secrets)
        return " ".join("".join(letter if letter.isprintable() else " " for letter in shown).split())
