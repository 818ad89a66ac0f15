"""The matrix of images and audio: texts and sizes, never the bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    CREATED,
    KNOWS_REQUEST_ID,
    STREAM,
    Fields,
    Row,
    answers,
    asks,
    attaches,
    facts,
    refused,
    said,
)

if TYPE_CHECKING:
    from openai_sdk.conftest import Check
    from openai_sdk.expected import Expect

HEARD = "Hello from the loopback server."
COUNTED = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
IMAGES_COUNTED = {**COUNTED, "prompt_tokens_details": {"image_tokens": 0, "text_tokens": 12}}
AUDIO_COUNTED = {**COUNTED, "prompt_tokens_details": {"audio_tokens": 12, "text_tokens": 0}}
INVALID = refused(
    "The temperature is too high.",
    "BadRequestError",
    400,
    error_type="invalid_request_error",
    error_code="invalid_value",
    param="temperature",
)


def file(field: str, kind: str, size: int | None, name: str | None = None) -> Fields:
    """Expect a file of a form."""
    return {"type": kind, "field": field, "filename": name, "size": size}


def makes(path: str, *files: Fields, end: str | None = None, raw: bool = False, **answer: Any) -> Expect:
    """Expect a call with files in its form; `answer` is that of `answers`."""

    def expect(body: Fields) -> list[Fields]:
        text = body["input"] if path == "/audio/speech" else body.get("prompt")
        question = [] if text is None else [{"role": "user", "content": text}]
        if path == "/audio/speech" and "instructions" in body:
            question.insert(0, {"role": "system", "content": body["instructions"]})
        request_id = answer.get("request_id", raw or end is not None or KNOWS_REQUEST_ID)
        known = {"created": CREATED} if path.startswith("/images") and answer["messages"] else {}
        attributes = facts(path, body, end=end, request_id=request_id, **known)
        heard = answers(attributes, answer["messages"], answer.get("failed"), answer.get("usage"))
        return [asks(path, body, question), *([attaches(path, body, *files)] if files else []), heard]

    return expect


# ---- images


def image(revised: str | None = None, **part: Any) -> Fields:
    """Expect an image."""
    message = {"role": "assistant", "content": [{"type": "image_url", **part}]}
    return message if revised is None else {**message, "revised_prompt": revised}


GENERATE, EDIT, VARY = "images.generate", "images.edit", "images.create_variation"
URL: Fields = {"image_url": {"url": "http://127.0.0.1/image.png"}}
CAT = image("A painting of a cat", **URL)
INLINE = {"prompt": "a cat", "response_format": "b64_json"}
ROWS = [
    Row(
        "images",
        GENERATE,
        {"prompt": "a cat", "n": 2, "model": "dall-e-3"},
        ways.whole,
        makes("/images/generations", messages=[CAT, CAT], usage=IMAGES_COUNTED),
    ),
    Row(
        "image, inline",
        GENERATE,
        INLINE,
        ways.whole,
        makes("/images/generations", messages=[image("A painting of a cat", size=13)], usage=IMAGES_COUNTED),
    ),
    Row(
        "image, stream",
        GENERATE,
        {"prompt": "a cat", **STREAM},
        ways.to_the_end,
        makes("/images/generations", messages=[image(size=13)], usage=IMAGES_COUNTED, end="complete"),
    ),
    Row(
        "image, break",
        GENERATE,
        {"prompt": "a cat", **STREAM},
        ways.broken_off(1),
        makes("/images/generations", messages=[], end="abandoned"),
    ),
    Row(
        "image, raw",
        "images.with_raw_response.generate",
        INLINE,
        ways.parsed,
        makes("/images/generations", messages=[image("A painting of a cat", size=13)], usage=IMAGES_COUNTED, raw=True),
    ),
    Row(
        "edit",
        EDIT,
        {"prompt": "a cat", "image": b"png", "mask": ("mask.png", io.BytesIO(b"masked"))},
        ways.whole,
        makes(
            "/images/edits",
            file("image", "image_url", 3),
            file("mask", "image_url", 6, "mask.png"),
            messages=[CAT],
            usage=IMAGES_COUNTED,
        ),
    ),
    Row(
        "variation",
        VARY,
        {"image": b"png", "n": 1},
        ways.whole,
        makes("/images/variations", file("image", "image_url", 3), messages=[image(**URL)], usage=IMAGES_COUNTED),
    ),
    Row(
        "image, err-400",
        GENERATE,
        {"prompt": "a cat", "model": "err-400"},
        ways.failing(ways.whole),
        makes("/images/generations", messages=[], failed=INVALID, request_id=False),
    ),
]

# ---- audio

TRANSCRIBE, TRANSLATE, SPEAK = "audio.transcriptions.create", "audio.translations.create", "audio.speech.create"
SOUND = {"model": "whisper-1", "file": ("a.wav", b"sound")}
ATTACHED = file("file", "audio", 5, "a.wav")
SPEECH = {"model": "tts-1", "voice": "alloy", "input": "hello"}


def transcribes(path: str = "/audio/transcriptions", **answer: Any) -> Expect:
    """Expect what was heard in a file."""
    return makes(path, ATTACHED, **{"messages": said(HEARD), "usage": AUDIO_COUNTED, **answer})


def speaks(form: str = "mp3", **answer: Any) -> Expect:
    """Expect speech."""
    part = {"type": "audio", "format": form, "size": 2048}
    return makes("/audio/speech", messages=[{"role": "assistant", "content": [part]}], **answer)


ROWS += [
    Row("transcription", TRANSCRIBE, {**SOUND, "prompt": "a greeting"}, ways.whole, transcribes()),
    Row(
        "transcription as text",
        TRANSCRIBE,
        {**SOUND, "response_format": "text"},
        ways.whole,
        transcribes(usage=None, request_id=False),
    ),
    Row("transcription, stream", TRANSCRIBE, {**SOUND, **STREAM}, ways.to_the_end, transcribes(end="complete")),
    Row(
        "transcription, break",
        TRANSCRIBE,
        {**SOUND, **STREAM},
        ways.broken_off(2),
        transcribes(end="abandoned", messages=said("Hello from"), usage=None),
    ),
    Row(
        "transcription, raw",
        "audio.transcriptions.with_raw_response.create",
        SOUND,
        ways.parsed,
        transcribes(raw=True),
    ),
    Row("translation", TRANSLATE, SOUND, ways.whole, transcribes("/audio/translations", usage=None)),
    Row(
        "translation, err-400",
        TRANSLATE,
        {**SOUND, "model": "err-400"},
        ways.failing(ways.whole),
        transcribes("/audio/translations", messages=[], usage=None, failed=INVALID, request_id=False),
    ),
    Row("speech", SPEAK, SPEECH, ways.whole, speaks(raw=True)),
    Row("speech, with instructions", SPEAK, {**SPEECH, "instructions": "Whisper."}, ways.whole, speaks(raw=True)),
    Row("speech, raw", "audio.speech.with_raw_response.create", SPEECH, ways.parsed, speaks(raw=True)),
    Row(
        "speech, responding",
        "audio.speech.with_streaming_response.create",
        {**SPEECH, "response_format": "wav"},
        ways.bytes_of_response,
        speaks("wav", raw=True),
    ),
]


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.filterwarnings("ignore:deprecated")
def test_media(row: Row, kind: str, check: Check) -> None:
    """Images and audio are on record as the table says, whichever the version and the client."""
    check(row, kind)
