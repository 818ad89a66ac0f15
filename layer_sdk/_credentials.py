"""An `AuthProvider`'s headers on their way to those whom they are for, and to nobody else."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, TypeVar, Union

from requests.structures import CaseInsensitiveDict

from ._address import address_of
from ._origins import Origin, is_exposed, named, origin_of
from ._secrets import Secret
from ._sender import CONFINED
from .auth import AuthProvider
from .exceptions import LayerAuthError, LayerSDKException

if TYPE_CHECKING:
    import httpx

    from ._sender import Sender
    from ._shortcut import Answer, Asking

    Request = Union[Asking, httpx.Request]

T = TypeVar("T")

UNAUTHORIZED = 401


class Credentials:
    """Puts an `AuthProvider`'s headers on requests, and others once after a 401.

    Args:
        provider: Where the headers come from.
        base_urls: Whom they are for. They go to these origins and to no other.
    """

    def __init__(self, provider: AuthProvider, *base_urls: str) -> None:
        self._provider = provider
        self._origins = {origin_of(address_of(url)) for url in base_urls}

    def exchange(self, asking: Asking, sender: Sender) -> Answer:
        """Send with the provider's headers; after a 401, invalidate them and send once more."""
        asking.headers = CaseInsensitiveDict(asking.headers)
        sent = self.put_on(asking)
        answer = sender.exchange(asking)
        if answer.status_code == UNAUTHORIZED and self.replace_on(asking, sent):
            return sender.exchange(asking)
        return answer

    def put_on(self, request: Request) -> Secret[dict[str, str]]:
        """Put the provider's headers on a request.

        Raises:
            LayerAuthError: If the request goes to somebody else, or there are no credentials to be had.
        """
        self._check(str(request.url))
        headers = headers_of(self._provider)
        request.headers.update(headers.reveal())
        request.extensions = {**request.extensions, CONFINED: True}
        return headers

    def replace_on(self, request: Request, refused: Secret[dict[str, str]]) -> bool:
        """Put other credentials on a request whose own were refused; False where there are none."""
        was_forgotten = self._invalidate(refused)
        return self.put_on(request) != refused or was_forgotten

    def _check(self, url: str) -> None:
        origin: Origin = origin_of(url)
        if origin not in self._origins:
            ours = " and ".join(sorted(named(each) for each in self._origins))
            raise LayerAuthError(f"The credentials are for {ours}: they are not sent to {named(origin)}")
        if is_exposed(url) and not getattr(self._provider, "allow_insecure", False):
            raise LayerAuthError(
                f"The credentials are not sent over plain http, to {named(origin)}, for all on the way to read: "
                f"use https, or give {type(self._provider).__name__} allow_insecure=True"
            )

    def _invalidate(self, refused: Secret[dict[str, str]]) -> bool:
        invalidate = getattr(self._provider, "invalidate", None)
        if invalidate is None or getattr(invalidate, "__func__", None) is AuthProvider.invalidate:
            return False
        options = {"refused": refused.reveal()} if _takes_refused(invalidate) else {}
        _asked(self._provider, "invalidate", partial(invalidate, **options))
        return True


def _takes_refused(invalidate: Callable[..., Any]) -> bool:
    try:
        return "refused" in inspect.signature(invalidate).parameters
    except (TypeError, ValueError):  # written in C
        return False


def headers_of(provider: AuthProvider) -> Secret[dict[str, str]]:
    """Ask a provider for its headers.

    Raises:
        LayerAuthError: If it has none to give, or fails in a way of its own.
    """
    headers = _asked(provider, "get_headers", lambda: dict(provider.get_headers()))
    problem = _problem_with(headers)
    if problem is not None:
        raise LayerAuthError(f"{type(provider).__name__}.get_headers() gave {problem}")
    return headers


def _asked(provider: AuthProvider, name: str, call: Callable[[], T]) -> Secret[T]:
    try:
        return Secret(call())
    except LayerSDKException:
        raise
    except Exception as error:
        raise LayerAuthError(f"{type(provider).__name__}.{name}() raised {type(error).__name__}") from error


def _problem_with(headers: Secret[dict[Any, Any]]) -> str | None:
    """Say why headers cannot be sent, without showing them; None where they can."""
    if not headers.reveal():
        return "no headers, and no request goes out without credentials"
    for name, value in headers.reveal().items():
        if not isinstance(name, str) or not isinstance(value, str):
            return f"headers that are no texts, but {type(name).__name__} and {type(value).__name__}"
        if not name.isascii() or not value.isascii() or not (name + value).isprintable() or not value.strip():
            return f"a header {name!r:.100} that is empty, or not ASCII on one line"
    return None
