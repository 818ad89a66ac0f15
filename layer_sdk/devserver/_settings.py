"""What can be chosen when an embedded Layer starts."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from ._hosts import is_loopback

if TYPE_CHECKING:
    import os

_ANSWERS_TO_CREATE = (201, 202)
_HIGHEST_PORT = 65535
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,200}")


class StartError(RuntimeError):
    """The embedded Layer can not start; the message says why and what to do.

    Example:
        >>> from layer_sdk.devserver import Server, Settings, StartError
        >>> try:
        ...     Server(Settings(database="/no/such/folder/layer.db")).start()
        ... except StartError as error:
        ...     print("no such folder" if "does not exist" in str(error) else error)
        no such folder
    """


@dataclass(frozen=True)
class Settings:
    """What can be chosen when an embedded Layer starts.

    Args:
        host: The address to listen on; the default keeps it on this machine.
        port: The port to listen on; 0 takes any free one.
        database: The SQLite file to keep everything in; without one, a temporary file that is removed at exit.
        policies: The firewall's policies, a YAML or JSON file; without one, nothing is ever violated.
        status_on_create: What creating a session answers: 201 as newer servers do, or 202 as older ones do.
        max_body: The most bytes that the body of a request may have.
        oidc_issuer: The OpenID Connect issuer whose bearer tokens every request of the API must carry; without one,
            nobody is asked for a token.
        oidc_audience: The audience that those tokens must be meant for; without one, any will do.
        token: What everybody must know to see the page, and, without `oidc_issuer`, to use the API: 16 letters or more.
            Where `host` can be reached from other machines and none is given, one is made up.
        hosts: Names by which the server may be called beside those that are its own; requests for others are refused.

    Raises:
        ValueError: If a value is none of those that are possible.

    Example:
        >>> from layer_sdk.devserver import Settings
        >>> Settings(port=4747).status_on_create
        201
    """

    host: str = "127.0.0.1"
    port: int = 0
    database: str | os.PathLike[str] | None = None
    policies: str | os.PathLike[str] | None = None
    status_on_create: int = 201
    max_body: int = 32 * 1024 * 1024
    oidc_issuer: str | None = None
    oidc_audience: str | None = None
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status_on_create not in _ANSWERS_TO_CREATE:
            raise ValueError(f"status_on_create must be 201 or 202, not {self.status_on_create!r}")
        if not 0 <= self.port <= _HIGHEST_PORT:
            raise ValueError(f"port must be between 0 and {_HIGHEST_PORT}, not {self.port!r}")
        if self.max_body < 1:
            raise ValueError(f"max_body must be at least 1 byte, not {self.max_body!r}")
        if self.oidc_issuer is not None and not _is_url(self.oidc_issuer):
            raise ValueError(
                "oidc_issuer must be the URL of an issuer such as https://sso.example.com/realms/layer, "
                f"not {self.oidc_issuer!r}"
            )
        if self.oidc_audience is not None and (self.oidc_issuer is None or not self.oidc_audience):
            raise ValueError(f"oidc_audience {self.oidc_audience!r} needs a name and oidc_issuer, whose tokens have it")
        if self.token is None and not is_loopback(self.host):
            object.__setattr__(self, "token", secrets.token_urlsafe(24))
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ValueError("token must have 16 to 200 letters, digits or characters out of . _ ~ + / -")

    def page_url(self, url: str) -> str:
        """Where a browser finds the page of a server at an address: with the token, where there is one.

        Example:
            >>> from layer_sdk.devserver import Settings
            >>> Settings(token="an-example-of-a-token").page_url("http://127.0.0.1:4747")
            'http://127.0.0.1:4747/?token=an-example-of-a-token'
        """
        return f"{url}/" if self.token is None else f"{url}/?{urlencode({'token': self.token})}"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        return False
