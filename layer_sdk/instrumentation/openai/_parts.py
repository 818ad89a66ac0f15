"""Messages of several parts: their text belongs in the prompt, and what else there is in an attachment of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._asked import Asked, items

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields

TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "summary_text": "text", "refusal": "refusal"}
# What the contract calls the types of parts, for both of OpenAI's ways to call them.
TYPES = {
    "input_image": "image_url",
    "input_audio": "audio",
    "input_file": "file",
    "input_text": "text",
    "output_text": "text",
}


def text_of(content: Any) -> Any:
    """Give the text of a message's content, whose parts are joined by lines; what is no list of parts stays itself."""
    if not isinstance(content, list):
        return content
    found = [part if isinstance(part, str) else _text(part) for part in content]
    said = [text for text in found if isinstance(text, str)]
    return "\n".join(said) if said else None


def _text(part: Any) -> Any:
    return part.get(TEXTS.get(str(part.get("type")), "text")) if isinstance(part, dict) else None


def attachments(asked: Asked, messages: list[Fields]) -> list[Fields]:
    """Make an action of each message that holds more than text."""
    return [attachment(asked, message) for message in messages if _is_mixed(message.get("content"))]


def _is_mixed(content: Any) -> bool:
    return any(part.get("type") not in TEXTS for part in items(content))


def attachment(asked: Asked, message: Fields) -> Fields:
    """Make the action of one message whose content is a list of parts."""
    parts = [{**part, "type": TYPES.get(str(part.get("type")), part.get("type"))} for part in items(message["content"])]
    known = {name: message[name] for name in ("name", "tool_call_id") if name in message}
    return {
        "kind": "completion_prompt_attachment",
        "attributes": asked.parameters,
        "data": {"role": message.get("role"), "content": parts, **known},
    }
