# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
"""Contains all the data models used in inputs/outputs"""

from __future__ import annotations

from .application import Application
from .application_creation_request import ApplicationCreationRequest
from .application_creation_response import ApplicationCreationResponse
from .firewall_lookup_decision import FirewallLookupDecision
from .firewall_lookup_response_context import FirewallLookupResponseContext
from .firewall_lookup_response_context_violated_policy import FirewallLookupResponseContextViolatedPolicy
from .firewall_session_lookup_response import FirewallSessionLookupResponse
from .session_action_error import SessionActionError
from .session_action_kind import SessionActionKind
from .session_action_request import SessionActionRequest
from .session_action_scanner import SessionActionScanner
from .session_request import SessionRequest
from .session_response import SessionResponse

__all__ = (
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
)
