"""The models and enums of the contract, as generated from `openapi.yaml`."""

from __future__ import annotations

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
