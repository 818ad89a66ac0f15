"""Record what an LLM application says and hears, and ship it to Layer.

`layer` is the instance that most programs use. Importing does nothing but define names: no thread starts, no
environment variable is read, and what is heavy loads when it is first needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._facade import Layer
from ._version import __version__
from .exceptions import (
    LayerAlreadyInitializedError,
    LayerAuthError,
    LayerAuthHTTPError,
    LayerFirewallException,
    LayerFirewallHTTPError,
    LayerFirewallRequestError,
    LayerFirewallSessionBlocked,
    LayerHTTPError,
    LayerInvalidConfigurationError,
    LayerMissingRequiredConfigurationError,
    LayerRequestError,
    LayerRequestPreparationError,
    LayerSchemaValidationError,
    LayerSDKException,
)

if TYPE_CHECKING:
    from .auth import APIKey, AuthProvider, BearerToken, OIDCClientCredentials
    from .schemas import (
        ApplicationCreationRequest,
        ApplicationCreationResponse,
        FirewallLookupDecision,
        FirewallSessionLookupResponse,
        SessionActionError,
        SessionActionKind,
        SessionActionRequest,
        SessionActionScanner,
        SessionRequest,
    )

layer = Layer()

__all__ = [
    "APIKey",
    "ApplicationCreationRequest",
    "ApplicationCreationResponse",
    "AuthProvider",
    "BearerToken",
    "FirewallLookupDecision",
    "FirewallSessionLookupResponse",
    "Layer",
    "LayerAlreadyInitializedError",
    "LayerAuthError",
    "LayerAuthHTTPError",
    "LayerFirewallException",
    "LayerFirewallHTTPError",
    "LayerFirewallRequestError",
    "LayerFirewallSessionBlocked",
    "LayerHTTPError",
    "LayerInvalidConfigurationError",
    "LayerMissingRequiredConfigurationError",
    "LayerRequestError",
    "LayerRequestPreparationError",
    "LayerSDKException",
    "LayerSchemaValidationError",
    "OIDCClientCredentials",
    "SessionActionError",
    "SessionActionKind",
    "SessionActionRequest",
    "SessionActionScanner",
    "SessionRequest",
    "__version__",
    "layer",
]


AUTH = ("APIKey", "AuthProvider", "BearerToken", "OIDCClientCredentials")


def __getattr__(name: str) -> Any:
    # The models load attrs and the auth classes load more; a program that only imports us pays for neither.
    if name in __all__:
        from importlib import import_module

        module = ".auth" if name in AUTH else ".schemas"
        value = getattr(import_module(module, __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
