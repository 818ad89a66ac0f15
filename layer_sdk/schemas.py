"""The models and enums of the contract, as generated from `openapi.yaml`; loaded when one of them is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _fork

if TYPE_CHECKING:
    from layer_api.models import (
        Application,
        ApplicationCreationRequest,
        ApplicationCreationResponse,
        FirewallLookupDecision,
        FirewallLookupResponseContext,
        FirewallLookupResponseContextViolatedPolicy,
        FirewallSessionLookupResponse,
        SessionActionError,
        SessionActionKind,
        SessionActionRequest,
        SessionActionScanner,
        SessionRequest,
        SessionResponse,
    )
    from layer_api.types import UNSET, Unset

__all__ = [
    "UNSET",
    "Application",
    "ApplicationCreationRequest",
    "ApplicationCreationResponse",
    "FirewallLookupDecision",
    "FirewallLookupResponseContext",
    "FirewallLookupResponseContextViolatedPolicy",
    "FirewallSessionLookupResponse",
    "SessionActionError",
    "SessionActionKind",
    "SessionActionRequest",
    "SessionActionScanner",
    "SessionRequest",
    "SessionResponse",
    "Unset",
]


def __getattr__(name: str) -> Any:
    # They load attrs and dateutil. What is recorded of a call needs none of it until it is put into words.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _fork.postponed():
        from layer_api import models, types

    globals().update({each: getattr(models, each, None) or getattr(types, each) for each in __all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
