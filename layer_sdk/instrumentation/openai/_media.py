"""Images and audio: texts and sizes, never the bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping as AbstractMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable

from layer_sdk.instrumentation._snapshot import fields_of, snapshot

from ._asked import Asked, event_of, items, output, prompt
from ._parts import attachment

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields, Heard

FILE_TYPES = {"image": "image_url", "mask": "image_url", "file": "audio"}

# ---- what is asked


def ask(asked: Asked) -> Iterable[Fields]:
    """Put the prompt into words, or what is to be spoken and how, and beside it the files that go with it."""
    body = asked.body
    told = [("system", body.get("instructions")), ("user", body.get("prompt", body.get("input")))]
    yield prompt(asked, [{"role": role, "content": text} for role, text in told if text is not None])
    if asked.files:
        yield attachment(asked, {"role": "user", "content": [_part(file) for file in asked.files]})


def _part(file: Fields) -> Fields:
    field = str(file.get("field")).partition("[")[0]
    return {**file, "type": FILE_TYPES.get(field, "file")}


def files_of(files: Any) -> list[Fields]:
    """Say of each file of a form its field, name and size. None of them is read."""
    pairs = list(files.items()) if isinstance(files, AbstractMapping) else list(files or [])
    return [_file(str(field), value) for field, value in pairs]


def _file(field: str, value: Any) -> Fields:
    name, content = None, value
    if isinstance(value, tuple):
        name, content = value[0], value[1] if len(value) > 1 else None
    name = name or getattr(content, "name", None)
    filename = Path(name).name if isinstance(name, str) else None
    return {"field": field, "filename": filename, "size": _size(content)}


def _size(content: Any) -> int | None:
    if isinstance(content, (bytes, bytearray, str)):
        return len(content)
    try:
        if isinstance(content, os.PathLike):
            return Path(content).stat().st_size
        return os.fstat(content.fileno()).st_size
    except (AttributeError, OSError, ValueError):
        getbuffer = getattr(content, "getbuffer", None)  # of io.BytesIO
        return None if getbuffer is None else int(getbuffer().nbytes)


# ---- what is heard


def hear_images(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put the images into words: how each prompt was revised, and where it is or how large."""
    images = items(answer.get("data")) if isinstance(answer, dict) else []
    yield output(asked, answer, heard, [_image(image) for image in images])


def _image(image: Fields) -> Fields:
    part: Fields = {"type": "image_url"}
    if image.get("url") is not None:
        part["image_url"] = {"url": image["url"]}
    if image.get("b64_json") is not None:
        part["size"] = _decoded(image["b64_json"])
    message: Fields = {"role": "assistant", "content": [part]}
    return message if image.get("revised_prompt") is None else {**message, "revised_prompt": image["revised_prompt"]}


def _decoded(image: Any) -> int:
    """Give the bytes that base64 stands for; where it was measured already, its length came instead of it."""
    return image if isinstance(image, int) else len(image) * 3 // 4 - str(image)[-2:].count("=")


def pick_images(answer: Any) -> Any:
    """Give of images what is recorded of them."""
    fields = fields_of(answer) or {}
    images = fields.get("data")
    if not isinstance(images, list):
        return answer
    return {**fields, "data": [_measured(fields_of(image) or {}) for image in images]}


def _measured(image: Fields) -> Fields:
    found = image.get("b64_json")
    return {**image, "b64_json": _decoded(found)} if isinstance(found, str) else image


def feed_images(events: list[Any], event: Any) -> None:
    """Keep of a stream of images those that are finished."""
    found = event_of(event)
    fields = found if isinstance(found, dict) else fields_of(found) or {}
    if str(fields.get("type")).endswith(".completed"):
        events.append(snapshot(_measured(fields)))


def merge_images(events: list[Any]) -> Any:
    """Put the events of a stream together."""
    done = [event for event in items(events) if str(event.get("type")).endswith(".completed")]
    return {**(done[-1] if done else {}), "data": done}


def hear_text(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put what was understood of speech into words."""
    text = answer.get("text") if isinstance(answer, dict) else answer
    yield output(asked, answer, heard, [] if text is None else [{"role": "assistant", "content": text}])


def feed_text(events: list[Any], event: Any) -> None:
    """Keep what an event says."""
    events.append(snapshot(event_of(event)))


def merge_text(events: list[Any]) -> Any:
    """Put the events of a stream together: the last one holds it all; without it, the pieces do."""
    said = items(events)
    done = [event for event in said if event.get("type") == "transcript.text.done"]
    pieces = [str(event.get("delta") or "") for event in said if event.get("type") == "transcript.text.delta"]
    return done[-1] if done else {"text": "".join(pieces)} if pieces else {}


def hear_speech(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Say how much was spoken."""
    size = answer.get("size") if isinstance(answer, dict) else None
    part = {"type": "audio", "format": asked.body.get("response_format") or "mp3", "size": size}
    yield output(asked, answer, heard, [] if size is None else [{"role": "assistant", "content": [part]}])
