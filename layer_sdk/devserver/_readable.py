"""Recorded actions, made readable. What is recorded may have any shape, so nothing here insists on one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator

if TYPE_CHECKING:
    from ._records import RecordedAction

_LONGEST_PROMPT = 120


@dataclass(frozen=True)
class Passage:
    """One thing that was said or done, and by whom."""

    speaker: str
    text: str


@dataclass(frozen=True)
class ReadableAction:
    """One action, as a page shows it."""

    kind: str
    start_time: str
    end_time: str
    received_at: str
    passages: tuple[Passage, ...]
    error: str
    findings: tuple[Passage, ...]
    raw: str


def readable(action: RecordedAction) -> ReadableAction:
    """Make one action readable."""
    said = _parsed(action.body)
    return ReadableAction(
        kind=action.kind,
        start_time=_text(said.get("start_time", "")),
        end_time=_text(said.get("end_time", "")),
        received_at=action.received_at,
        passages=tuple(_passages(_object(said.get("data")))),
        error=_text(_object(said.get("error")).get("message", "")),
        findings=tuple(_finding(_object(scanner)) for scanner in _list(said.get("scanners"))),
        raw=_indented(said) or action.body,
    )


def shortened_prompt(body: str | None) -> str:
    """What the user said first, on one line, from the first prompt of a session."""
    said = _object(_parsed(body or "{}").get("data"))
    messages = [message for message in _list(said.get("messages")) if isinstance(message, dict)]
    users = [message for message in messages if message.get("role") == "user"]
    first = (users or messages or [{}])[0]
    line = " ".join(_text(first.get("content", "")).split())
    return line if len(line) <= _LONGEST_PROMPT else line[:_LONGEST_PROMPT] + "…"


def _passages(data: dict[str, Any]) -> Iterator[Passage]:
    for message in _list(data.get("messages")):
        yield Passage(_text(_object(message).get("role", "message")), _text(_object(message).get("content", message)))
    for tool in _list(data.get("tools")):
        yield Passage(f"tool {_text(_object(tool).get('name', ''))}", _text(_object(tool).get("arguments", tool)))
    if "content" in data:
        yield Passage(_text(data.get("role", "attachment")), _text(data["content"]))
    if "input" in data:
        yield Passage("input", _text(data["input"]))


def _finding(scanner: dict[str, Any]) -> Passage:
    data = scanner.get("data")
    pairs = [f"{name} {_text(value)}" for name, value in _object(data).items()]
    return Passage(_text(scanner.get("name", "")), ", ".join(pairs) or _text(data))


def _text(value: Any) -> str:
    """A text of anything: of a text itself, of parts of text one after the other, of all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return "\n".join(_text_of_part(part) for part in value)
    return _compact(value)


def _text_of_part(part: Any) -> str:
    text = _object(part).get("text", part)
    return text if isinstance(text, str) else _compact(text)


def _compact(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"


def _indented(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        return ""


def _parsed(body: str) -> dict[str, Any]:
    try:
        return _object(json.loads(body))
    except RecursionError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
