"""Legacy completions, embeddings and moderations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

from layer_sdk.instrumentation._snapshot import fields_of, snapshot

from ._asked import Asked, items, output_of_choices, prompt, refusal_of, usage_of

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Fields, Heard


def inputs(value: Any) -> list[Any]:
    """List what was given, one or several: a text, or a list of tokens, is one."""
    if not isinstance(value, list):
        return [] if value is None else [value]
    return [value] if value and all(type(item) is int for item in value) else value


# ---- completions


def ask_completion(asked: Asked) -> Iterable[Fields]:
    """Put the prompts into words; one of tokens is a list of numbers."""
    yield prompt(asked, [{"role": "user", "content": each} for each in inputs(asked.body.get("prompt"))])


def hear_completion(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put the texts into words."""
    choices = items(answer.get("choices")) if isinstance(answer, dict) else []
    messages = [{"role": "assistant", "content": choice.get("text")} for choice in choices]
    yield output_of_choices(asked, answer, heard, choices, messages)


def feed_completion(chunks: list[Any], chunk: Any) -> None:
    """Keep what a chunk says."""
    chunks.append(snapshot(chunk))


def merge_completion(chunks: list[Any]) -> Any:
    """Put the chunks of a stream together."""
    answer: Fields = {}
    choices: dict[Any, Fields] = {}
    for chunk in items(chunks):
        answer.update((name, value) for name, value in chunk.items() if value is not None and name != "choices")
        for piece in items(chunk.get("choices")):
            choice = choices.setdefault(piece.get("index"), {"index": piece.get("index"), "text": ""})
            choice["text"] += piece.get("text") or ""
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
    if choices:
        answer["choices"] = [choices[index] for index in sorted(choices, key=str)]
    return answer


# ---- embeddings and moderations: one action each, when the answer is there


def hear_embeddings(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put texts and the size of what became of them into words; the vectors stay where they are."""
    sizes = _vectors(answer)
    yield {
        "kind": "embeddings",
        "attributes": {**asked.parameters, **asked.facts(answer, heard), **sizes},
        "data": {"input": inputs(asked.body.get("input"))},
        "error": heard.error or refusal_of(answer),
        "scanners": usage_of(answer),
    }


def _vectors(answer: Any) -> Fields:
    found = answer.get("data") if isinstance(answer, dict) else None
    if isinstance(found, dict):
        return found  # picked by `pick_embeddings`
    vectors = items(found)
    return _sizes(len(vectors), vectors[0].get("embedding")) if vectors else {}


def _sizes(count: int, vector: Any) -> Fields:
    size = len(vector) if isinstance(vector, (list, str)) else None
    if size is not None and isinstance(vector, str):
        size = size * 3 // 16  # base64 of numbers of four bytes
    return {"embeddings.count": count, "embeddings.dimensions": size}


def pick_embeddings(answer: Any) -> Any:
    """Give of an answer what is recorded of it: how many vectors there are, and how long they are."""
    fields = fields_of(answer) or {}
    vectors = fields.get("data")
    if not isinstance(vectors, list) or not vectors:
        return answer
    return {**fields, "data": _sizes(len(vectors), getattr(vectors[0], "embedding", None))}


def hear_moderation(asked: Asked, answer: Any, heard: Heard) -> Iterable[Fields]:
    """Put what was judged, and how, into words."""
    results = items(answer.get("results")) if isinstance(answer, dict) else []
    yield {
        "kind": "moderation",
        "attributes": {
            **asked.parameters,
            **asked.facts(answer, heard),
            "moderation.flagged": [bool(result.get("flagged")) for result in results],
        },
        "data": {"input": inputs(asked.body.get("input"))},
        "error": heard.error or refusal_of(answer),
        "scanners": [
            {"name": f"openai_moderation_{index}", "data": _categories(result)} for index, result in enumerate(results)
        ]
        or None,
    }


def _categories(result: Fields) -> Fields:
    """Give the categories by name, each true or false, and beside them the verdict and the scores."""
    categories = result.get("categories")
    return {
        **(categories if isinstance(categories, dict) else {}),
        "flagged": result.get("flagged"),
        "category_scores": result.get("category_scores"),
    }
