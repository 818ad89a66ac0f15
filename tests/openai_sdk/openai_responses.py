"""The answers of responses: created, streamed, and read again later."""

from __future__ import annotations

import threading
from typing import Any, Iterator, Mapping

from openai_sdk import openai_answers as answers

Object = dict[str, Any]

ECHOED = ("conversation", "instructions", "max_output_tokens", "metadata", "previous_response_id", "reasoning", "user")


class Responses:
    """Keeps the responses it made, so that they can be asked for again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Object] = {}

    def create(self, fields: answers.Fields) -> answers.Reply:
        """Answer POST /responses."""
        response = _response(fields)
        waiting = bool(fields.get("background"))
        with self._lock:
            self._kept[response["id"]] = {"response": response, "status": "queued" if waiting else response["status"]}
        if fields.get("stream"):
            return _stream(response)
        return answers.json_reply(_unfinished(response, "queued") if waiting else response)

    def retrieve(self, identity: str, query: Mapping[str, str]) -> answers.Reply:
        """Answer GET /responses/{id}: what is queued is in progress when first asked for, and then complete."""
        with self._lock:
            kept = self._kept.get(identity)
            if kept is None:
                return _unknown(identity)
            status = kept["status"]
            if status == "queued":
                kept["status"] = kept["response"]["status"]
        response = kept["response"]
        if query.get("stream") == "true":
            return _stream(response, int(query.get("starting_after") or -1))
        if status in ("queued", "cancelled"):
            return answers.json_reply(_unfinished(response, "in_progress" if status == "queued" else status))
        return answers.json_reply(response)

    def cancel(self, identity: str) -> answers.Reply:
        """Answer POST /responses/{id}/cancel."""
        with self._lock:
            if identity not in self._kept:
                return _unknown(identity)
            self._kept[identity]["status"] = "cancelled"
            return answers.json_reply(_unfinished(self._kept[identity]["response"], "cancelled"))


def compact(fields: answers.Fields) -> answers.Reply:
    """Answer POST /responses/compact."""
    suffix = answers.digest(fields)
    item = {"id": f"cmp_{suffix}", "type": "compaction", "encrypted_content": "Y29tcGFjdGVk"}
    head = {"id": f"resp_{suffix}", "object": "response.compaction", "created_at": answers.CREATED}
    return answers.json_reply({**head, "output": [item], "usage": _usage(fields["model"])})


def count(fields: answers.Fields) -> answers.Reply:
    """Answer POST /responses/input_tokens."""
    return answers.json_reply({"object": "response.input_tokens", "input_tokens": 12})


def _unknown(identity: str) -> answers.Reply:
    return answers.error_reply(404, f"Response with id '{identity}' not found.", "invalid_request_error")


def _unfinished(response: Object, status: str) -> Object:
    return {**response, "status": status, "output": [], "usage": None, "incomplete_details": None}


def _response(fields: answers.Fields) -> Object:
    model, short = fields["model"], fields["model"] == "length"
    return {
        "id": f"resp_{answers.digest(fields)}",
        "object": "response",
        "created_at": answers.CREATED,
        "status": "incomplete" if short else "completed",
        "background": bool(fields.get("background")),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if short else None,
        "model": model,
        "output": None if model == "choices-null" else _output(fields),
        "parallel_tool_calls": True,
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": fields.get("text") or {"format": {"type": "text"}},
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": fields.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(model),
        **{name: fields.get(name) for name in ECHOED},
    }


def _usage(model: str) -> Object:
    return {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 5 if model == "reasoning" else 0},
        "total_tokens": 19,
    }


def _output(fields: answers.Fields) -> list[Object]:
    model, asked, suffix = fields["model"], fields.get("input"), answers.digest(fields)
    answered = isinstance(asked, list) and asked and str(asked[-1].get("type")).endswith("_call_output")
    if model in ("tools", "bad-tools") and not answered:
        return [_function_call(suffix, *call) for call in (answers.CALLS if model == "tools" else answers.BAD_CALLS)]
    if model == "custom-tool" and not answered:
        call = dict(zip(("call_id", "name", "input"), answers.CUSTOM_CALL))
        return [{"id": f"ctc_{suffix}", "type": "custom_tool_call", "status": "completed", **call}]
    text = answers.said(model, asked if isinstance(asked, str) else answers.last_said(asked))
    part: Object = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    if model == "refusal":
        part = {"type": "refusal", "refusal": answers.REFUSAL}
    status = "incomplete" if model == "length" else "completed"
    message = {"id": f"msg_{suffix}", "type": "message", "status": status, "role": "assistant", "content": [part]}
    if model == "reasoning":
        summary = [{"type": "summary_text", "text": answers.REASONING}]
        return [{"id": f"rs_{suffix}", "type": "reasoning", "summary": summary}, message]
    return [message]


def _function_call(suffix: str, call_id: str, name: str, arguments: str) -> Object:
    call = {"id": f"fc_{call_id}_{suffix}", "type": "function_call", "status": "completed"}
    return {**call, "call_id": call_id, "name": name, "arguments": arguments}


def _stream(response: Object, after: int = -1) -> answers.Reply:
    """Stream the events whose number is greater than `after`."""
    events = [{**each, "sequence_number": number} for number, each in enumerate(_events(response))]
    content = [number for number, each in enumerate(events) if each["type"].endswith(".delta")]
    steady = content[2] + 1 if len(content) > 2 else len(events) - 1
    failed = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
    error = answers.event({**failed, "sequence_number": steady}, "error")
    return answers.event_stream(answers.named_events(events[after + 1 :]), steady, error)


def _events(response: Object) -> Iterator[Object]:
    begun = _unfinished(response, "queued" if response["background"] else "in_progress")
    yield {"type": "response.created", "response": begun}
    if response["background"]:
        yield {"type": "response.queued", "response": begun}
    yield {"type": "response.in_progress", "response": {**begun, "status": "in_progress"}}
    for index, item in enumerate(response["output"] or ()):
        place = {"item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        for each in _WITHIN[item["type"]](item):
            yield {**each, "type": f"response.{each['type']}", **place}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _empty(item: Object) -> Object:
    """Give an item as it is before its content comes."""
    empty = {name: [] if isinstance(value, list) else value for name, value in item.items()}
    empty.update({name: "" for name in ("arguments", "input") if name in item})
    return {**empty, "status": "in_progress"} if "status" in item else empty


def _message_events(item: Object) -> Iterator[Object]:
    for index, part in enumerate(item["content"]):
        place = {"content_index": index}
        kind = "refusal" if part["type"] == "refusal" else "text"
        scores: Object = {"logprobs": []} if kind == "text" else {}
        yield {"type": "content_part.added", **place, "part": {**part, kind: ""}}
        for piece in answers.pieces(part[kind]):
            yield {"type": f"{part['type']}.delta", **place, "delta": piece, **scores}
        yield {"type": f"{part['type']}.done", **place, kind: part[kind], **scores}
        yield {"type": "content_part.done", **place, "part": part}


def _reasoning_events(item: Object) -> Iterator[Object]:
    for index, part in enumerate(item["summary"]):
        place = {"summary_index": index}
        yield {"type": "reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
        for piece in answers.pieces(part["text"]):
            yield {"type": "reasoning_summary_text.delta", **place, "delta": piece}
        yield {"type": "reasoning_summary_text.done", **place, "text": part["text"]}
        yield {"type": "reasoning_summary_part.done", **place, "part": part}


def _function_events(item: Object) -> Iterator[Object]:
    for half in answers.halves(item["arguments"]):
        yield {"type": "function_call_arguments.delta", "delta": half}
    yield {"type": "function_call_arguments.done", "name": item["name"], "arguments": item["arguments"]}


def _custom_events(item: Object) -> Iterator[Object]:
    for half in answers.halves(item["input"]):
        yield {"type": "custom_tool_call_input.delta", "delta": half}
    yield {"type": "custom_tool_call_input.done", "input": item["input"]}


_WITHIN = {
    "message": _message_events,
    "reasoning": _reasoning_events,
    "function_call": _function_events,
    "custom_tool_call": _custom_events,
}
