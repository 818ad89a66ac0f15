"""Responses: `POST /responses` in one piece and as a stream, and what is fetched later of those in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

from layer_sdk.instrumentation._snapshot import fields_of, snapshot

from ._asked import Asked, event_of, items, output, prompt
from ._parts import attachments, text_of
from ._tools import tool, tool_calls

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields, Heard

# Of an answer, what is not the question over again.
KEPT = frozenset(
    (
        "id",
        "model",
        "created_at",
        "status",
        "output",
        "usage",
        "error",
        "incomplete_details",
        "service_tier",
        "background",
    )
)
UNDER_WAY = ("queued", "in_progress")


# ---- the question


def ask(asked: Asked) -> Iterable[Fields]:
    """Put the question into words: chat's messages, whatever the items of the input are."""
    messages = _messages(asked.body.get("input"))
    instructions = asked.body.get("instructions")
    if instructions is not None:
        messages = [{"role": "system", "content": instructions}, *messages]
    yield prompt(asked, [{**message, "content": text_of(message.get("content"))} for message in messages])
    yield from attachments(asked, messages)


def _messages(given: Any) -> list[Fields]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [_message(item) for item in items(given)]


def _message(item: Fields) -> Fields:
    kind = item.get("type", "message")
    if "role" in item and "content" in item:
        return {name: value for name, value in item.items() if name not in ("type", "status")}
    if kind in ("function_call", "custom_tool_call"):
        return {"role": "assistant", "content": None, "tool_calls": [_call(item)]}
    if str(kind).endswith("_output"):
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output"), "type": kind}
    return {"role": "assistant", "content": text_of(item.get("summary")), "item": _lean(item)}


def _lean(item: Fields) -> Fields:
    """Leave out what is an image, or a secret of the model's own."""
    bulky = ("result", "encrypted_content")
    return {
        name: f"<{len(value)} characters>" if name in bulky and isinstance(value, str) else value
        for name, value in item.items()
    }


# ---- the answer


def hear(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put the answer into words. One that is still under way is none yet."""
    body = answer if isinstance(answer, dict) else {}
    if is_under_way(answer) and heard.end is None and heard.error is None:
        return
    found = items(body.get("output"))
    incomplete = body.get("incomplete_details")
    reason = incomplete.get("reason") if isinstance(incomplete, dict) else None
    more = {"model.incomplete_reason": reason} if reason is not None else {}
    yield output(asked, answer, heard, _said(found), **more)
    yield from tool_calls(asked, answer, heard, [_call(item) for item in found if _is_call(item)])


def is_under_way(answer: Any) -> bool:
    """Tell whether an answer only says that there will be one."""
    return isinstance(answer, dict) and answer.get("status") in UNDER_WAY


def id_of(answer: Any) -> str | None:
    """Give the id by which an answer is fetched later."""
    found = answer.get("id") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None


def _said(found: list[Fields]) -> list[Fields]:
    """Give the messages of an answer; the model's reasoning goes with the message that follows it."""
    messages: list[Fields] = []
    reasoning: list[str] = []
    for item in found:
        if item.get("type") == "reasoning":
            reasoning += [text for text in (text_of(item.get("summary")), text_of(item.get("content"))) if text]
        elif item.get("type", "message") == "message":
            messages.append(_spoken(item))
    if reasoning and not messages:
        messages.append({"role": "assistant", "content": None})
    if reasoning:
        messages[0] = {**messages[0], "reasoning": "\n".join(reasoning)}
    return messages


def _spoken(item: Fields) -> Fields:
    parts = items(item.get("content"))
    refusals = [part.get("refusal") for part in parts if part.get("type") == "refusal"]
    message: Fields = {
        "role": item.get("role") or "assistant",
        "content": text_of([part for part in parts if part.get("type") != "refusal"]),
    }
    notes = [note for part in parts for note in items(part.get("annotations"))]
    return {**message, **({"refusal": refusals[0]} if refusals else {}), **({"annotations": notes} if notes else {})}


def _is_call(item: Fields) -> bool:
    return str(item.get("type")).endswith("_call")


def _call(item: Fields) -> Fields:
    """Describe a call of a tool: the host's own by its name, OpenAI's by its type."""
    kind = str(item.get("type"))
    if "arguments" in item or "input" in item:
        name = item.get("name") or kind
        return tool(item.get("call_id") or item.get("id"), name, item.get("arguments", item.get("input")))
    known = ("type", "id", "call_id", "status")
    rest = {name: value for name, value in _lean(item).items() if name not in known}
    return tool(item.get("call_id") or item.get("id"), kind[: -len("_call")] if kind.endswith("_call") else kind, rest)


def pick(answer: Any) -> Any:
    """Give of an answer what is recorded of it."""
    fields = fields_of(answer)
    return answer if fields is None else {name: value for name, value in fields.items() if name in KEPT}


# ---- streams

DELTAS = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
STARTS = frozenset({"response.created", "response.queued"})


def feed(events: list[Any], event: Any) -> None:
    """Keep what an event says, if it says something that others do not."""
    kind = event.type
    if kind in DELTAS:
        events.append((kind, event.output_index, event.delta))
    elif kind in ENDS or kind in STARTS:
        events.append({"type": kind, "response": snapshot(pick(event.response))})
    elif kind in ("response.output_item.done", "error", None):
        events.append(snapshot(event_of(event)))


def merge(events: list[Any]) -> Any:
    """Put the events of a stream together.

    The last one holds it all. Without it, there are the items that were finished, and the pieces of the one that was
    not.
    """
    answer: Fields = {}
    done: dict[Any, Fields] = {}
    pieces: dict[Any, dict[str, str]] = {}
    for event in events:
        if isinstance(event, dict) and event.get("type") in DELTAS:
            event = (event["type"], event.get("output_index"), event.get("delta"))  # noqa: PLW2901  (the same, as JSON)
        if isinstance(event, tuple):
            of_item = pieces.setdefault(event[1], {})
            of_item[DELTAS[event[0]]] = of_item.get(DELTAS[event[0]], "") + str(event[2] or "")
        elif isinstance(event, dict):
            _merge_event(answer, done, event)
    if answer.get("output"):
        return answer
    unfinished = {index: item for index, item in ((i, _item(p)) for i, p in pieces.items()) if index not in done}
    found = {**unfinished, **done}
    return {**answer, "output": [found[index] for index in sorted(found, key=str)]}


def _merge_event(answer: Fields, done: dict[Any, Fields], event: Fields) -> None:
    kind = event.get("type")
    response, item = event.get("response"), event.get("item")
    if kind in ENDS or kind in STARTS:
        if isinstance(response, dict):
            answer.update({name: value for name, value in response.items() if name in KEPT and value is not None})
    elif kind == "response.output_item.done" and isinstance(item, dict):
        done[event.get("output_index")] = item
    elif kind == "error":
        inside = event.get("error")
        told = {name: event.get(name) for name in ("message", "code", "param")}
        answer["error"] = inside if isinstance(inside, dict) else told


def _item(pieces: dict[str, str]) -> Fields:
    if "reasoning" in pieces:
        return {"type": "reasoning", "summary": [{"type": "summary_text", "text": pieces["reasoning"]}]}
    content: list[Fields] = []
    if "output_text" in pieces:
        content.append({"type": "output_text", "text": pieces["output_text"]})
    if "refusal" in pieces:
        content.append({"type": "refusal", "refusal": pieces["refusal"]})
    return {"type": "message", "role": "assistant", "content": content}
