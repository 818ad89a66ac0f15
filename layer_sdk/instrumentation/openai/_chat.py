"""Chat completions: `POST /chat/completions`, in one piece and as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

from layer_sdk._drafts import Plain
from layer_sdk.instrumentation._snapshot import snapshot

from ._asked import Asked, items, output_of_choices, prompt
from ._parts import attachments, text_of
from ._tools import tool, tool_calls

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields, Heard, Said

CONTENT = frozenset({"content"})
ROLE = "assistant"  # of who answers, where nobody else is named
CALLS = ("tool_calls", "function_call")  # an action of their own
# Texts of a message that come in pieces. The last two are not OpenAI's, but what gateways and other models add.
PIECES = ("content", "refusal", "reasoning_content", "reasoning")


def ask(asked: Asked) -> Iterable[Said]:
    """Put the question into words."""
    messages = items(asked.body.get("messages"))
    yield Plain(prompt(asked, [{**message, "content": text_of(message.get("content"))} for message in messages]))
    yield from attachments(asked, messages)


def hear(asked: Asked, answer: Any, heard: Heard) -> Iterable[Said]:
    """Put the answer into words."""
    choices = items(answer.get("choices")) if isinstance(answer, dict) else []
    action = output_of_choices(asked, answer, heard, choices, [_message(choice) for choice in choices])
    yield Plain(action) if heard.is_plain else action
    yield from tool_calls(asked, answer, heard, [each for choice in choices for each in _tools(choice, len(choices))])


def _message(choice: Fields) -> Fields:
    message = choice.get("message")
    fields = message if isinstance(message, dict) else {}
    told = {name: value for name, value in fields.items() if name not in CALLS and value is not None and value != []}
    audio = told.get("audio")
    if isinstance(audio, dict) and "data" in audio:
        told["audio"] = {**audio, "data": f"<{len(str(audio['data']))} characters of base64>"}
    return {**told, "role": fields.get("role") or ROLE, "content": text_of(fields.get("content"))}


def _tools(choice: Fields, choices: int) -> Iterable[Fields]:
    message = choice.get("message")
    fields = message if isinstance(message, dict) else {}
    of_choice = {"choice": choice.get("index")} if choices > 1 else {}
    for call in items(fields.get("tool_calls")):
        what = call.get("function") or call.get("custom")
        named = what if isinstance(what, dict) else {}
        yield {**tool(call.get("id"), named.get("name"), named.get("arguments", named.get("input"))), **of_choice}
    function = fields.get("function_call")
    if isinstance(function, dict):
        yield {**tool(None, function.get("name"), function.get("arguments")), **of_choice}


# ---- streams


def feed(chunks: list[Any], chunk: Any) -> None:
    """Keep what a chunk says.

    The common one, a piece of text and nothing else, is kept as that: a text of the first choice, or its place and its
    text. The first is kept whole, for the model and the id, which stand in all of them but the very first of Azure's;
    and the last, which says why it is.
    """
    if len(chunks) > 1 or (chunks and _is_named(chunks[0])):
        try:
            fields = chunk.__dict__
            (choice,) = fields["choices"]
            place = choice.__dict__
            delta = place["delta"]
            if (
                place["finish_reason"] is None
                and fields.get("usage") is None
                and not delta.__pydantic_extra__
                and (delta.__pydantic_fields_set__ == CONTENT or _is_text(delta.__dict__))  # the first is quicker
            ):
                index, text = place["index"], delta.__dict__["content"]
                chunks.append(text if index == 0 and type(text) is str else (index, text))
                return
        except (AttributeError, KeyError, TypeError, ValueError):
            pass
    chunks.append(snapshot(chunk))


def _is_named(chunk: Any) -> bool:
    return isinstance(chunk, dict) and bool(chunk.get("id") and chunk.get("model"))


def _is_text(said: Fields) -> bool:
    """Tell whether all that is said is a text, and who says it is whom one expects."""
    for name, value in said.items():
        if value is not None and name != "content" and (name != "role" or value != ROLE):
            return False
    return True


def merge(chunks: list[Any]) -> Any:
    """Put the chunks of a stream together into the answer that they are the pieces of."""
    answer: Fields = {}
    choices: dict[Any, Fields] = {}
    for chunk in chunks:
        if isinstance(chunk, str):
            _add_text(_choice(choices, 0)["message"], "content", chunk)
        elif isinstance(chunk, tuple):
            _add_text(_choice(choices, chunk[0])["message"], "content", chunk[1])
        elif isinstance(chunk, dict):
            answer.update((name, value) for name, value in chunk.items() if value is not None and name != "choices")
            for piece in items(chunk.get("choices")):
                _add(_choice(choices, piece.get("index")), piece)
    if choices:
        answer["choices"] = [choices[index] for index in sorted(choices, key=str)]
    return answer


def _choice(choices: dict[Any, Fields], index: Any) -> Fields:
    return choices.setdefault(index, {"index": index, "message": {}})


def _add(choice: Fields, piece: Fields) -> None:
    if piece.get("finish_reason") is not None:
        choice["finish_reason"] = piece["finish_reason"]
    delta = piece.get("delta")
    if not isinstance(delta, dict):
        return
    message = choice["message"]
    for name, value in delta.items():
        if name in PIECES:
            _add_text(message, name, value)
        elif name == "tool_calls":
            for call in items(value):
                _add_call(message.setdefault("tool_calls", []), call)
        elif name == "function_call" and isinstance(value, dict):
            _add_fields(message.setdefault("function_call", {}), value)
        elif name == "audio" and isinstance(value, dict):
            _add_fields(message.setdefault("audio", {}), value)
        elif value is not None:
            message[name] = value


def _add_text(message: Fields, name: str, text: Any) -> None:
    if isinstance(text, str):
        message[name] = message.get(name, "") + text


def _add_call(calls: list[Fields], piece: Fields) -> None:
    """Add a piece to the call that it belongs to: that of its index or, where servers leave it out, of its id."""
    index, call_id = piece.get("index"), piece.get("id")
    found = next((call for call in calls if index is not None and call.get("index") == index), None)
    if found is None and index is None and calls and (call_id is None or calls[-1].get("id") == call_id):
        found = calls[-1]
    if found is None:
        found = {"index": index}
        calls.append(found)
    for name in ("id", "type"):
        if piece.get(name) is not None:
            found[name] = piece[name]
    for name in ("function", "custom"):
        if isinstance(piece.get(name), dict):
            _add_fields(found.setdefault(name, {}), piece[name])


def _add_fields(fields: Fields, piece: Fields) -> None:
    """Add the pieces of an object: what is written goes on, what is named stays."""
    for name, value in piece.items():
        if name in ("arguments", "input", "data", "transcript") and isinstance(value, str):
            fields[name] = fields.get(name, "") + value
        elif value is not None:
            fields[name] = value
