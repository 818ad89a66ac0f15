# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from enum import Enum


class FirewallLookupDecision(str, Enum):
    ALERT = "alert"
    BLOCK = "block"
    NO_DATA = "no_data"
    PASS = "pass"
    SKIP = "skip"

    def __str__(self) -> str:
        return str(self.value)
