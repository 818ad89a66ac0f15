# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from enum import Enum


class SessionActionKind(str, Enum):
    COMPLETION_OUTPUT = "completion_output"
    COMPLETION_PROMPT = "completion_prompt"
    COMPLETION_PROMPT_ATTACHMENT = "completion_prompt_attachment"
    COMPLETION_TOOL_CALL = "completion_tool_call"
    EMBEDDINGS = "embeddings"
    MODERATION = "moderation"

    def __str__(self) -> str:
        return str(self.value)
