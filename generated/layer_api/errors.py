# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
"""Contains shared errors types that can be raised from API functions"""

from __future__ import annotations

from typing import Mapping


class UnexpectedStatus(Exception):
    """Raised by api functions when the response status an undocumented status and Client.raise_on_unexpected_status is True"""

    def __init__(self, status_code: int, content: bytes):
        self.status_code = status_code
        self.content = content

        super().__init__(
            f"Unexpected status code: {status_code}\n\nResponse content:\n{content.decode(errors='ignore')}"
        )


class UnusableBody(Exception):
    """Raised by api functions when a response's body is not what the OpenAPI document says of its status"""

    def __init__(self, status_code: int, content: bytes, headers: Mapping[str, str]):
        self.status_code = status_code
        self.content = content
        self.headers = headers

        super().__init__(
            f"Unusable body with status code {status_code}\n\nResponse content:\n{content.decode(errors='ignore')}"
        )


__all__ = ["UnexpectedStatus", "UnusableBody"]
