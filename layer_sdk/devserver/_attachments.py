"""What a message has besides text: pictures that it brings itself, and everything else by its name alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Union

# SVG is none of them: it can hold scripts, and what it refers to.
_PICTURE = re.compile(r"data:(image/(?:png|jpeg|gif|webp|avif));base64,([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_LARGEST = 4 * 1024 * 1024
_LONGEST_NAME = 500


@dataclass(frozen=True)
class Picture:
    """A picture that came within the message; its bytes are shown from there, and nothing is fetched."""

    source: str
    about: str


@dataclass(frozen=True)
class Other:
    """Something that is named, and not shown."""

    kind: str
    about: str


Part = Union[str, Picture, Other, Mapping[str, Any]]


def parts_of(content: Any) -> Iterator[Part]:
    """The parts of a message's content: texts, pictures, other attachments, and what is none of them as it is."""
    for part in content if isinstance(content, list) else [content]:
        yield _part(part)


def _part(part: Any) -> Part:
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return {"value": part}
    if isinstance(part.get("text"), str):
        return str(part["text"])
    for name in ("image_url", "input_image", "image", "url"):
        source = _url(part.get(name))
        if source is not None:
            return _picture(source)
    for name in ("input_audio", "audio", "file", "input_file"):
        if name in part or part.get("type") == name:
            return Other(name.replace("input_", ""), _described(part.get(name, part)))
    return part


def _url(value: Any) -> str | None:
    source = value.get("url") if isinstance(value, dict) else value
    return source if isinstance(source, str) else None


def _picture(source: str) -> Part:
    if source[:5].lower() != "data:":
        return Other("picture elsewhere, not fetched", source[:_LONGEST_NAME])
    match = _PICTURE.fullmatch(source) if len(source) <= _LARGEST else None
    if match is None:
        return Other("picture, not shown", f"{source[:40]}…, {_size(len(source))}")
    return Picture(source, f"{match[1].lower()}, {_size(len(match[2]) * 3 // 4)}")


def _described(value: Any) -> str:
    members = value if isinstance(value, dict) else {"data": value}
    return ", ".join(f"{name} {_short(member)}" for name, member in list(members.items())[:8])[:_LONGEST_NAME]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"of {_size(len(text))}"


def _size(size: int) -> str:
    return f"{size:,} bytes" if size < 10_000 else f"{size / 1024:,.0f} KiB"
