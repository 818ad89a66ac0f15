# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
"""A client library for accessing Layer API"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)


def __getattr__(name: str) -> Any:
    # The models are of use without httpx, so the client loads when it is first asked for.
    if name in __all__:
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
