"""Recorded actions as a conversation. What is recorded may have any shape, so nothing here insists on one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Sequence

from markupsafe import Markup

from ._attachments import Other, Picture, parts_of
from ._digest import tokens_of
from ._markup import Find, document, prose
from ._moments import moment, span

if TYPE_CHECKING:
    from ._policies import Policies, Policy
    from ._records import RecordedAction

LABELS = {
    "completion_prompt": "Prompt",
    "completion_output": "Output",
    "completion_prompt_attachment": "Attachment",
    "completion_tool_call": "Tool call",
    "embeddings": "Embeddings",
    "moderation": "Moderation",
}
_ROLES = ("user", "assistant", "system", "developer", "tool")
# All that a page shows in full; what comes after is cut shorter, so that no page is too much for a browser.
_ROOM = 600_000
_PICTURE_ROOM = 12 * 1024 * 1024
_LEAST = 300
_MOST_PASSAGES = 200


@dataclass(frozen=True)
class Passage:
    """One thing that was said, and by whom."""

    role: str
    speaker: str
    body: Markup
    pictures: tuple[Picture, ...] = ()
    others: tuple[Other, ...] = ()
    answers: int | None = None


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool, with its result where that was recorded."""

    name: str
    call_id: str
    arguments: Markup
    result: Markup | None


@dataclass(frozen=True)
class Failure:
    """What went wrong."""

    message: Markup
    code: str
    details: Markup | None


@dataclass(frozen=True)
class ReadableAction:
    """One action, as a page shows it."""

    position: int
    kind: str
    label: str
    start_time: str
    end_time: str
    received_at: str
    began: float | None
    ended: float | None
    took: str
    gap: str
    model: str
    tokens: int
    earlier: int
    passages: tuple[Passage, ...]
    calls: tuple[ToolCall, ...]
    failure: Failure | None
    findings: tuple[tuple[str, str], ...]
    policies: tuple[Policy, ...]


@dataclass
class _Reading:
    """What is known of a session while its actions are read one after the other."""

    room: int = _ROOM
    picture_room: int = _PICTURE_ROOM
    seen: set[int] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    ended: float | None = None


class Reader:
    """Reads the actions of one page of a session."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._now = _Reading()

    def read(self, before: Sequence[RecordedAction], actions: Sequence[RecordedAction]) -> list[ReadableAction]:
        """Make actions readable; those `before` are not shown, but what they said need not be said again."""
        documents = [_parsed(action.body) for action in actions]
        for said in documents:
            self._collect_results(_list(_object(said.get("data")).get("messages")))
        for action in before:
            said = _parsed(action.body)
            self._see(_list(_object(said.get("data")).get("messages")))
            self._now.ended = moment(said.get("end_time")) or self._now.ended
        return [self._readable(action, said) for action, said in zip(actions, documents)]

    def _readable(self, action: RecordedAction, said: Mapping[str, Any]) -> ReadableAction:
        data = _object(said.get("data"))
        began, ended = moment(said.get("start_time")), moment(said.get("end_time"))
        gap = began - self._now.ended if began is not None and self._now.ended is not None else 0
        self._now.ended = ended if ended is not None else self._now.ended
        find = self._find(action)
        earlier, messages = self._new_messages(action.kind, _list(data.get("messages")))
        return ReadableAction(
            position=action.position,
            kind=action.kind,
            label=LABELS.get(action.kind, action.kind),
            start_time=_text(said.get("start_time", "")),
            end_time=_text(said.get("end_time", "")),
            received_at=action.received_at,
            began=began,
            ended=ended,
            took=span(ended - began) if began is not None and ended is not None and ended > began else "",
            gap=span(gap) if gap >= 1 else "",
            model=_text(_object(said.get("attributes")).get("model.id", ""))[:100],
            tokens=tokens_of(said.get("scanners")),
            earlier=earlier,
            passages=tuple(self._passages(messages, data, find)),
            calls=tuple(self._tool_calls(action, _list(data.get("tools")), find)),
            failure=self._failure(said.get("error"), find),
            findings=tuple(_finding(_object(scanner)) for scanner in _list(said.get("scanners"))[:50]),
            policies=self._policies.of(action.violated),
        )

    def _find(self, action: RecordedAction) -> Find:
        return lambda text: self._policies.stretches(action.kind, action.violated, text) if action.violated else []

    def _new_messages(self, kind: str, messages: list[Any]) -> tuple[int, list[Any]]:
        """How many messages of a prompt were shown before, and those that were not; the last one always counts."""
        earlier = 0
        if kind == "completion_prompt":
            while earlier < len(messages) - 1 and self._was_seen(messages[earlier]):
                earlier += 1
        self._see(messages)
        return earlier, messages[earlier:]

    def _was_seen(self, message: Any) -> bool:
        calls = _list(_object(message).get("tool_calls"))
        ids = [_text(_object(call).get("id", "")) for call in calls]
        return _mark_of(message) in self._now.seen or (bool(ids) and all(one in self._now.calls for one in ids))

    def _see(self, messages: Iterable[Any]) -> None:
        self._now.seen.update(_mark_of(message) for message in messages)

    def _collect_results(self, messages: Iterable[Any]) -> None:
        for message in messages:
            call_id = _object(message).get("tool_call_id")
            if isinstance(call_id, str):
                self._now.results.setdefault(call_id, _object(message).get("content"))

    def _passages(self, messages: list[Any], data: Mapping[str, Any], find: Find) -> Iterator[Passage]:
        for message in messages[:_MOST_PASSAGES]:
            yield self._passage(_object(message) or {"content": message}, find)
        if len(messages) > _MOST_PASSAGES:
            yield Passage("other", "", prose(f"{len(messages) - _MOST_PASSAGES:,} more messages are in the JSON."))
        if "content" in data:
            yield self._passage(data, find)
        if "input" in data:
            yield self._passage({"role": "input", "content": data["input"]}, find)

    def _passage(self, message: Mapping[str, Any], find: Find) -> Passage:
        role = _text(message.get("role", "message"))
        call_id = message.get("tool_call_id")
        asked = self._now.calls.get(call_id) if isinstance(call_id, str) else None
        speaker = " ".join(filter(None, [role[:60], _text(message.get("name") or "")[:60]]))
        if asked is not None:
            return Passage("tool", speaker, Markup(), answers=asked)
        body, pictures, others = Markup(), [], []
        for part in list(parts_of(message.get("content")))[:_MOST_PASSAGES]:
            if isinstance(part, Picture):
                self._now.picture_room -= len(part.source)
                pictures += [part] if self._now.picture_room > 0 else []
                others += [] if self._now.picture_room > 0 else [Other("picture, not shown", part.about)]
            elif isinstance(part, Other):
                others.append(part)
            else:
                body += self._prose(part, find)
        for call in _list(message.get("tool_calls")):
            body += document(call, find, self._take(len(_text(call))))
        return Passage(role if role in _ROLES else "other", speaker, body, tuple(pictures), tuple(others))

    def _tool_calls(self, action: RecordedAction, tools: list[Any], find: Find) -> Iterator[ToolCall]:
        for tool in tools[:_MOST_PASSAGES]:
            called = _object(tool)
            call_id = _text(called.get("id") or "")
            arguments = called.get("arguments", tool)
            result = None
            if call_id in self._now.results:
                content = self._now.results[call_id]
                result = self._prose(content if isinstance(content, str) else _text(content), find)
                self._now.calls[call_id] = action.position
            yield ToolCall(_text(called.get("name", ""))[:200], call_id[:200], self._prose(arguments, find), result)

    def _failure(self, error: Any, find: Find) -> Failure | None:
        if not error:
            return None
        said = _object(error) or {"message": error}
        code, details = said.get("code"), said.get("details")
        shown = document(details, find, self._take(2000)) if details else None
        return Failure(self._prose(said.get("message", ""), find), "" if code is None else _text(code)[:30], shown)

    def _prose(self, value: Any, find: Find) -> Markup:
        if not isinstance(value, str):
            return document(value, find, self._take(len(_text(value))))
        return prose(value, find, self._take(len(value))) if value else Markup()

    def _take(self, size: int) -> int:
        longest = max(min(20_000, self._now.room), _LEAST)
        self._now.room -= min(size, longest)
        return longest


def _mark_of(message: Any) -> int:
    said = _object(message)
    return hash((_text(said.get("role", "")), _text(said.get("content") or "")))


def _finding(scanner: Mapping[str, Any]) -> tuple[str, str]:
    data = scanner.get("data")
    pairs = [f"{name} {_text(value)}" for name, value in _object(data).items()]
    return _text(scanner.get("name", ""))[:200], (", ".join(pairs) or _text(data))[:2000]


def _text(value: Any) -> str:
    """A text of anything: of a text itself, of all else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deeply to show)"


def _parsed(body: str) -> Mapping[str, Any]:
    try:
        return _object(json.loads(body))
    except RecursionError:
        return {}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
