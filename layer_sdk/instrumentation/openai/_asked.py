"""What was asked of OpenAI, and what all answers have in common."""

from __future__ import annotations

from math import isfinite
from typing import Any

from layer_sdk._json import to_json_or_repr
from layer_sdk.instrumentation._base import COMPLETE, FAILED, Fields, Heard
from layer_sdk.instrumentation._frozen import frozen, thaw

# What the user says, and what openai adds by itself; everything else in a request's body is a parameter.
CONTENT = frozenset(
    {"messages", "prompt", "input", "instructions", "file", "image", "mask", "stream", "encoding_format"}
)
ID = "id"
NO_CHOICES: Fields = {"message": "The answer holds no choices", "details": {"type": "no_choices"}}


class Asked:
    """One request, copied as it was when the call was made.

    Args:
        path: The endpoint.
        version: Of the openai package.
        sent: What is sent as JSON, or as the fields of a form.
        files: Of each file of a form, its field, name and size.
        base_url: Of the client: an object whose text is the URL.

    Attributes:
        size: The bytes of memory that it takes.
        is_background: Whether the answer is to be made in the background, and fetched later.
    """

    __slots__ = ("_attributes", "_body", "base_url", "files", "is_background", "path", "size", "version")

    def __init__(self, path: str, version: str, sent: Any, files: list[Fields], base_url: Any) -> None:
        self.path = path
        self.version = version
        self._body, self.size = frozen(sent)
        self._attributes: Fields | None = None
        self.files = files
        self.base_url = base_url
        known = sent if type(sent) is dict else self._body
        self.is_background = type(known) is dict and "background" in known and bool(self.body.get("background"))

    @property
    def body(self) -> dict[str, Any]:
        """What is sent as JSON, or as the fields of a form; read at the first look, most often on a worker."""
        body = self._body
        if type(body) is bytes:
            body = self._body = thaw(body)
        return body if isinstance(body, dict) else {}

    @property
    def attributes(self) -> Fields:
        """What is known of both the question and the answer; nobody changes it."""
        if self._attributes is None:
            self._attributes = {
                "stream": bool(self.body.get("stream")),
                "openai.version": self.version,
                "openai.endpoint": self.path,
                "openai.host": to_json_or_repr(str(getattr(self.base_url, "host", "") or "")),
            }
        return self._attributes

    @property
    def parameters(self) -> Fields:
        """What is known of the question."""
        known = {
            f"model.{name}": value
            for name, value in self.body.items()
            if value is not None and not _is_content(name, value)
        }
        asked = known.pop("model.model", None)
        return {**({} if asked is None else {"model.id": asked}), **known, **self.attributes}

    def facts(self, answer: Any, heard: Heard) -> Fields:
        """What is known of the answer."""
        body = answer if isinstance(answer, dict) else {}
        asked = self.body.get("model")
        facts = {
            "model.id": body.get("model") or asked,
            "model.requested": asked,
            "model.completion_id": body.get(ID),
            "model.created": _seconds(body.get("created", body.get("created_at"))),
            "model.service_tier": body.get("service_tier"),
            "model.system_fingerprint": body.get("system_fingerprint"),
            "model.status": body.get("status"),
            "stream.end": FAILED if heard.end is not None and refusal_of(answer) is not None else heard.end,
            **self.attributes,
            **heard.attributes,
        }
        return {name: value for name, value in facts.items() if value is not None}


def _is_content(name: str, value: Any) -> bool:
    """Tell whether the user says it; a prompt that is an object names one that OpenAI has stored."""
    return name in CONTENT and not (name == "prompt" and isinstance(value, dict))


def _seconds(moment: Any) -> Any:
    return int(moment) if isinstance(moment, float) and isfinite(moment) else moment


USAGE = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"), ("total_tokens", "total_tokens"))
DETAILS = (
    ("cached_tokens", ("prompt_tokens_details", "input_tokens_details", "input_token_details")),  # the last is audio's
    ("reasoning_tokens", ("completion_tokens_details", "output_tokens_details")),
)


def usage_of(answer: Any) -> list[Fields] | None:
    """Give the scanner that tells the usage, under the same names for all endpoints; None where there is none.

    Audio and image tokens, and whatever else a server counts, stand in `prompt_tokens_details` and
    `completion_tokens_details` as it says them.
    """
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    told: Fields = {}
    for name, other in USAGE:
        found = usage.get(name)
        count = usage.get(other) if found is None else found
        if count is not None:
            told[name] = count
    for name, groups in DETAILS:
        details = next((usage[group] for group in groups if usage.get(group) is not None), None)
        if isinstance(details, dict):
            if details.get(name) is not None:
                told[name] = details[name]
            told[groups[0]] = details
    return [{"name": "usage", "data": told or usage}]


def same(answer: Any) -> Any:
    """Be an answer of which all is recorded."""
    return answer


def items(value: Any) -> list[Any]:
    """Give a list's objects; nothing for what is no list, and nothing that is no object."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def event_of(item: Any) -> Any:
    """Give an event of a stream, a dict or an object: in some versions 1.x it is the data of what the stream gives."""
    data = getattr(item, "data", None)
    return data if isinstance(data, dict) and getattr(item, "type", None) is None else item


def prompt(asked: Asked, messages: list[Fields]) -> Fields:
    """Make the action of a question."""
    return {"kind": "completion_prompt", "attributes": asked.parameters, "data": {"messages": messages}}


def output(asked: Asked, answer: Any, heard: Heard, messages: list[Fields], **more: Any) -> Fields:
    """Make the action of an answer."""
    return {
        "kind": "completion_output",
        "attributes": {**asked.facts(answer, heard), **more},
        "data": {"messages": messages},
        "error": heard.error or refusal_of(answer),
        "scanners": usage_of(answer),
    }


def output_of_choices(asked: Asked, answer: Any, heard: Heard, choices: list[Fields], messages: list[Fields]) -> Fields:
    """Make the action of an answer that is a list of choices; to come to its end without one is an error."""
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason") is not None]
    action = output(asked, answer, heard, messages, **({"model.finish_reasons": reasons} if reasons else {}))
    if answer is not None and not choices and heard.end in (None, COMPLETE) and action["error"] is None:
        action["error"] = NO_CHOICES
    return action


def refusal_of(answer: Any) -> Fields | None:
    """Give the error of an answer that says so in its body, with whichever status: gateways do."""
    error = answer.get("error") if isinstance(answer, dict) else None
    if not error:
        return None
    fields = error if isinstance(error, dict) else {"message": error}
    message, code = fields.get("message"), fields.get("code")
    return {
        "message": message if isinstance(message, str) else "The answer holds an error",
        "code": code if type(code) is int else None,
        "details": {
            name: value
            for name, value in {
                "type": "error",
                "error_type": fields.get("type"),
                "error_code": code,
                "param": fields.get("param"),
            }.items()
            if value is not None
        },
    }
