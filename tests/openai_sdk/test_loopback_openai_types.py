"""What goes over the wire, held against the types of the newest package: they are its strictest reading."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from openai_sdk.loopback_openai import LoopbackOpenAI

openai: Any = pytest.importorskip("openai")
pydantic: Any = pytest.importorskip("pydantic")

pytestmark = pytest.mark.skipif(int(openai.__version__.split(".")[0]) < 3, reason="older types know less")

HI = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "hello there"}]
MODELS = ["gpt-4o", "tools", "bad-tools", "custom-tool", "reasoning", "refusal", "length", "json", "azure", "audio-out"]


def wire(server: LoopbackOpenAI, path: str, **body: Any) -> str:
    response = requests.post(f"{server.base_url}/{path}", json=body, timeout=10)
    response.raise_for_status()
    return response.text


def events_of(text: str) -> list[str]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [line for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("model", MODELS)
def test_chat_is_valid(openai_server: LoopbackOpenAI, model: str) -> None:
    """The answers of chat and all their chunks are what the package's types say."""
    chat = pytest.importorskip("openai.types.chat")

    asked = {"model": model, "messages": HI, "n": 2}
    chat.ChatCompletion.model_validate_json(wire(openai_server, "chat/completions", **asked), strict=True)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for line in events_of(wire(openai_server, "chat/completions", **asked, **options)):
        if '"delta": null' not in line and '"custom"' not in line:  # Azure's; and the types have no custom tools here
            chat.ChatCompletionChunk.model_validate_json(line, strict=True)


@pytest.mark.parametrize("model", MODELS)
def test_responses_are_valid(openai_server: LoopbackOpenAI, model: str) -> None:
    """Responses and all their events are what the package's types say."""
    responses = pytest.importorskip("openai.types.responses")

    asked = {"model": model, "input": "hello there"}
    responses.Response.model_validate_json(wire(openai_server, "responses", **asked), strict=True)
    one = pydantic.TypeAdapter(responses.ResponseStreamEvent)
    for line in events_of(wire(openai_server, "responses", **asked, stream=True)):
        assert json.loads(line)["type"] == one.validate_json(line, strict=True).type


@pytest.mark.parametrize("background", [False, True])
def test_response_can_be_streamed_later(openai_server: LoopbackOpenAI, background: bool) -> None:  # noqa: FBT001  (a case)
    """A response that was made can be streamed, from any event on."""
    made = json.loads(wire(openai_server, "responses", model="gpt-4o", input="again", background=background))
    url = f"{openai_server.base_url}/responses/{made['id']}?stream=true"
    events = [json.loads(line) for line in events_of(requests.get(url, timeout=10).text)]
    rest = [json.loads(line) for line in events_of(requests.get(f"{url}&starting_after=4", timeout=10).text)]
    assert "response.completed" == events[-1]["type"]
    assert events[5:] == rest


def test_the_rest_is_valid(openai_server: LoopbackOpenAI) -> None:
    """All other answers are what the package's types say (but for streams of completions: these types are wrong)."""
    types, audio, responses = (pytest.importorskip(f"openai.types{name}") for name in ("", ".audio", ".responses"))
    asked: dict[str, tuple[Any, dict[str, Any]]] = {
        "completions": (types.Completion, {"prompt": "one"}),
        "embeddings": (types.CreateEmbeddingResponse, {"input": "one"}),
        "moderations": (types.ModerationCreateResponse, {"input": "bad"}),
        "images/generations": (types.ImagesResponse, {"prompt": "a cat"}),
        "audio/transcriptions": (audio.Transcription, {}),
        "audio/translations": (audio.Translation, {}),
        "responses/compact": (responses.CompactedResponse, {"input": "one"}),
    }
    for path, (kind, body) in asked.items():
        kind.model_validate_json(wire(openai_server, path, model="any", **body), strict=True)
    streamed = {
        "images/generations": types.ImageGenStreamEvent,
        "images/edits": types.ImageEditStreamEvent,
        "audio/transcriptions": audio.TranscriptionStreamEvent,
    }
    for path, kind in streamed.items():
        lines = events_of(wire(openai_server, path, model="any", prompt="a cat", stream=True))
        assert lines
        for line in lines:
            pydantic.TypeAdapter(kind).validate_json(line, strict=True)
