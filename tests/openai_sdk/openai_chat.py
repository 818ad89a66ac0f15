"""The answers of chat/completions and completions."""

from __future__ import annotations

from typing import Any, Iterator

from openai_sdk import openai_answers as answers

Object = dict[str, Any]

FILTERED = {"hate": {"filtered": False, "severity": "safe"}}
PROMPT_FILTER = [{"prompt_index": 0, "content_filter_results": FILTERED}]


def chat(fields: answers.Fields) -> answers.Reply:
    """Answer chat/completions."""
    if fields.get("stream"):
        return _chat_stream(fields)
    model, (message, reason) = fields["model"], _message(fields)
    choices: list[Object] | None = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": reason} for index in _indexes(fields)
    ]
    body = {**_head("chatcmpl", "chat.completion", fields), "service_tier": "default", "usage": answers.usage(model)}
    if model == "azure":
        body["prompt_filter_results"] = PROMPT_FILTER
        choices = [{**choice, "content_filter_results": FILTERED} for choice in choices or []]
    return answers.json_reply({**body, "choices": None if model == "choices-null" else choices})


def _head(prefix: str, kind: str, fields: answers.Fields) -> Object:
    return {
        "id": f"{prefix}-{answers.digest(fields)}",
        "object": kind,
        "created": answers.CREATED,
        "model": fields["model"],
        "system_fingerprint": "fp_loopback",
    }


def _indexes(fields: answers.Fields) -> range:
    return range(fields.get("n") or 1)


def _message(fields: answers.Fields) -> tuple[Object, str]:
    """Give the message of every choice, and why it ends."""
    model, messages = fields["model"], fields.get("messages")
    text = answers.said(model, answers.last_said(messages))
    message: Object = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    answered = isinstance(messages, list) and messages and messages[-1].get("role") == "tool"
    if model in _CALLS and not answered:
        return {**message, "content": None, "tool_calls": _CALLS[model]}, "tool_calls"
    if model == "reasoning":
        return {**message, "reasoning_content": answers.REASONING}, "stop"
    if model == "refusal":
        return {**message, "content": None, "refusal": answers.REFUSAL}, "stop"
    if model == "audio-out":
        sound = {"id": "audio_1", "data": "AAECAwQFBgc=", "transcript": text, "expires_at": answers.CREATED + 3600}
        return {**message, "content": None, "audio": sound}, "stop"
    return message, "length" if model == "length" else "stop"


def _function(identity: str, name: str, arguments: str) -> Object:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


_CALLS: dict[str, list[Object]] = {
    "tools": [_function(*call) for call in answers.CALLS],
    "bad-tools": [_function(*call) for call in answers.BAD_CALLS],
    "custom-tool": [
        {
            "id": answers.CUSTOM_CALL[0],
            "type": "custom",
            "custom": {"name": answers.CUSTOM_CALL[1], "input": answers.CUSTOM_CALL[2]},
        }
    ],
}


def _chat_stream(fields: answers.Fields) -> answers.Reply:
    model, (message, reason) = fields["model"], _message(fields)
    head = {**_head("chatcmpl", "chat.completion.chunk", fields), "service_tier": "default"}
    counted = bool((fields.get("stream_options") or {}).get("include_usage"))
    chunks: list[Object] = [{**head, "choices": choices} for choices in _choices(fields, message, reason)]
    if model == "azure":
        chunks.insert(0, {**head, "id": "", "choices": [], "prompt_filter_results": PROMPT_FILTER})
        chunks.insert(4, {**head, "choices": [{"index": 0, "delta": None, "finish_reason": None}]})
    if model == "choices-null":
        chunks = [{**head, "choices": None}]
    return _chunks(chunks, head, answers.usage(model) if counted else None, steady=len(_indexes(fields)) + 3)


def _chunks(chunks: list[Object], head: Object, counted: Object | None, steady: int) -> answers.Reply:
    if counted is not None:
        chunks = [{**chunk, "usage": None} for chunk in chunks] + [{**head, "choices": [], "usage": counted}]
    return answers.event_stream([*map(answers.event, chunks), answers.event("[DONE]")], steady)


def _choices(fields: answers.Fields, message: Object, reason: str) -> Iterator[list[Object]]:
    """Give the choices of each chunk: the choices of a completion take turns."""
    for delta in _deltas(message):
        for index in _indexes(fields):
            yield [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}]
    for index in _indexes(fields):
        yield [{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}]


def _deltas(message: Object) -> Iterator[Object]:
    begun = message["content"] is not None
    yield {"role": "assistant", "content": "" if begun else None, "refusal": None}
    for name in ("reasoning_content", "content", "refusal"):
        for piece in answers.pieces(message.get(name) or ""):
            yield {name: piece}
    for index, call in enumerate(message.get("tool_calls", ())):
        yield from ({"tool_calls": [{"index": index, **fragment}]} for fragment in _fragments(call))
    if "audio" in message:
        yield from ({"audio": part} for part in _audio(message["audio"]))


def _fragments(call: Object) -> Iterator[Object]:
    kind = call["type"]
    written = "arguments" if kind == "function" else "input"
    yield {**call, kind: {**call[kind], written: ""}}
    for half in answers.halves(call[kind][written]):
        yield {kind: {written: half}}


def _audio(sound: Object) -> Iterator[Object]:
    yield {"id": sound["id"], "transcript": ""}
    for piece in answers.pieces(sound["transcript"]):
        yield {"transcript": piece}
    for half in (sound["data"][:8], sound["data"][8:]):  # both are whole base64
        yield {"data": half}
    yield {"expires_at": sound["expires_at"]}


def completions(fields: answers.Fields) -> answers.Reply:
    """Answer completions."""
    model, head = fields["model"], _head("cmpl", "text_completion", fields)
    texts = [answers.said(model, prompt) for prompt in _prompts(fields.get("prompt")) for _ in _indexes(fields)]
    reason = "length" if model == "length" else "stop"
    if not fields.get("stream"):
        choices = [_text_choice(index, text, reason) for index, text in enumerate(texts)]
        return answers.json_reply(
            {**head, "choices": None if model == "choices-null" else choices, "usage": answers.usage(model)}
        )
    rounds = [answers.pieces(text) for text in texts]
    parts = [
        (index, words[at]) for at in range(max(map(len, rounds))) for index, words in enumerate(rounds) if words[at:]
    ]
    ends = [_text_choice(index, "", reason) for index in range(len(texts))]
    chunks = [{**head, "choices": [choice]} for choice in [*(_text_choice(*part, None) for part in parts), *ends]]
    if model == "choices-null":
        chunks = [{**head, "choices": None}]
    counted = bool((fields.get("stream_options") or {}).get("include_usage"))
    return _chunks(chunks, head, answers.usage(model) if counted else None, steady=3)


def _text_choice(index: int, text: str, reason: str | None) -> Object:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _prompts(prompt: object) -> list[str]:
    """Give one text for each prompt: a string, strings, tokens, or lists of tokens."""
    if isinstance(prompt, list) and not all(isinstance(each, int) for each in prompt):
        return [str(each) for each in prompt]
    return [str(prompt)]
