"""The answers that are no conversation: embeddings, moderations, models, images, audio."""

from __future__ import annotations

import base64
import struct
from typing import Any

from openai_sdk import openai_answers as answers

Object = dict[str, Any]

MODELS = ("gpt-4o", "gpt-4o-mini", "text-embedding-3-small")
CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
PIXEL = base64.b64encode(b"\x89PNG loopback").decode()
HEARD = "Hello from the loopback server."
IMAGE_USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 12},
    "output_tokens": 7,
    "total_tokens": 19,
}
AUDIO_USAGE = {
    "type": "tokens",
    "input_tokens": 12,
    "input_token_details": {"audio_tokens": 12, "text_tokens": 0},
    "output_tokens": 7,
    "total_tokens": 19,
}
SPOKEN = bytes(range(256)) * 2


def embeddings(fields: answers.Fields) -> answers.Reply:
    """Answer embeddings: numbers that 32 bits hold exactly, as floats or in base64."""
    length = fields.get("dimensions") or 8
    data = []
    for index in range(_inputs(fields.get("input"))):
        vector: list[float] | str = [(index + position) / 8 for position in range(length)]
        if fields.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{length}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    used = {"prompt_tokens": 12, "total_tokens": 12}
    return answers.json_reply({"object": "list", "model": fields["model"], "data": data, "usage": used})


def _inputs(given: object) -> int:
    """Count the inputs: a list of numbers is one, as tokens."""
    if isinstance(given, list) and not all(isinstance(each, int) for each in given):
        return len(given)
    return 1


def moderations(fields: answers.Fields) -> answers.Reply:
    """Answer moderations: what has "bad" in it is flagged. The parts of a multimodal input have one result."""
    given = fields.get("input")
    if isinstance(given, list) and all(isinstance(each, dict) for each in given):
        given = answers.text_of(given)
    results = [_moderation("bad" in str(each)) for each in (given if isinstance(given, list) else [given])]
    model = fields.get("model") or "omni-moderation-latest"
    return answers.json_reply({"id": f"modr-{answers.digest(fields)}", "model": model, "results": results})


def _moderation(flagged: bool) -> Object:  # noqa: FBT001  (it is the result)
    found = {name: flagged and name == "violence" for name in CATEGORIES}
    return {
        "flagged": flagged,
        "categories": found,
        "category_scores": {name: 0.875 if found[name] else 0.125 for name in CATEGORIES},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def models() -> answers.Reply:
    """Answer GET /models."""
    data = [{"id": name, "object": "model", "created": answers.CREATED, "owned_by": "loopback"} for name in MODELS]
    return answers.json_reply({"object": "list", "data": data})


def model(name: str) -> answers.Reply:
    """Answer GET /models/{name}."""
    return answers.json_reply({"id": name, "object": "model", "created": answers.CREATED, "owned_by": "loopback"})


def generated_images(fields: answers.Fields) -> answers.Reply:
    """Answer images/generations."""
    return _image_stream("image_generation") if fields.get("stream") else _images(fields)


def edited_images(fields: answers.Fields) -> answers.Reply:
    """Answer images/edits and images/variations."""
    return _image_stream("image_edit") if fields.get("stream") in (True, "true") else _images(fields)


def _images(fields: answers.Fields) -> answers.Reply:
    inline = fields.get("response_format") == "b64_json"
    shown = {"b64_json": PIXEL} if inline else {"url": "http://127.0.0.1/image.png"}
    if fields.get("prompt"):
        shown["revised_prompt"] = f"A painting of {fields['prompt']}"
    return answers.json_reply(
        {"created": answers.CREATED, "data": [shown] * int(fields.get("n") or 1), "usage": IMAGE_USAGE}
    )


def _image_stream(kind: str) -> answers.Reply:
    look = {"background": "opaque", "output_format": "png", "quality": "high", "size": "1024x1024"}
    common = {"b64_json": PIXEL, "created_at": answers.CREATED, **look}
    partial = [{"type": f"{kind}.partial_image", "partial_image_index": index, **common} for index in range(2)]
    done = {"type": f"{kind}.completed", "usage": IMAGE_USAGE, **common}
    return answers.event_stream(answers.named_events([*partial, done]), steady=1)


def transcriptions(fields: answers.Fields) -> answers.Reply:
    """Answer audio/transcriptions."""
    if fields.get("stream") in (True, "true"):
        deltas = [{"type": "transcript.text.delta", "delta": piece} for piece in answers.pieces(HEARD)]
        return answers.event_stream(
            answers.named_events([*deltas, {"type": "transcript.text.done", "text": HEARD, "usage": AUDIO_USAGE}])
        )
    return translations(fields, {"usage": AUDIO_USAGE})


def translations(fields: answers.Fields, more: Object | None = None) -> answers.Reply:
    """Answer audio/translations, and transcriptions that are no stream."""
    form = fields.get("response_format") or "json"
    if form == "verbose_json":
        return answers.json_reply(
            {"text": HEARD, "language": "english", "duration": 1.5, "segments": [], "task": "transcribe"}
        )
    if form == "json":
        return answers.json_reply({"text": HEARD, **(more or {})})
    return answers.Reply([HEARD.encode()], content_type="text/plain; charset=utf-8")


def speech(_: answers.Fields) -> answers.Reply:
    """Answer audio/speech: 2048 octets in four chunks."""
    return answers.Reply([SPOKEN] * 4, content_type="audio/mpeg", chunked=True)
