"""The loopback OpenAI, asked by the real package: what the other tests here rely on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable

import pytest
import requests

if TYPE_CHECKING:
    from openai_sdk.conftest import MakeClient, Requests
    from openai_sdk.loopback_openai import LoopbackOpenAI

openai: Any = pytest.importorskip("openai")
pydantic: Any = pytest.importorskip("pydantic")

HI = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "hello there"}]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("get_weather", "get_time")]
WHOLE = "You said: hello there"

VERSION = tuple(int(number) for number in openai.__version__.split(".")[:3])

has_responses = pytest.mark.skipif(VERSION < (1, 66), reason="there is no Responses API yet")


def deltas(stream: Iterable[Any]) -> list[Any]:
    """Give the deltas of a stream of chat."""
    return [choice.delta for chunk in stream for choice in chunk.choices]


# ---- chat


def test_chat(client: Any, openai_requests: Requests) -> None:
    """A chat is answered with what the user said last, as many times as asked, and remembered."""
    answer = client.chat.completions.create(model="gpt-4o", messages=HI, n=2, extra_headers={"X-Mine": "1"})
    assert [WHOLE, WHOLE] == [choice.message.content for choice in answer.choices]
    assert (12, 7, 19) == (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    (received,) = openai_requests()
    assert ("POST", "/v1/chat/completions", "1") == (received.method, received.path, received.headers["x-mine"])
    assert {"model": "gpt-4o", "messages": HI, "n": 2} == received.body


def test_chat_is_deterministic(client: Any) -> None:
    """The same request has the same answer to the letter, another request another id."""
    first, second = (client.chat.completions.create(model="gpt-4o", messages=HI) for _ in range(2))
    other = client.chat.completions.create(model="gpt-4o-mini", messages=HI)
    assert first.model_dump_json() == second.model_dump_json()
    assert first.id != other.id


def test_content_in_parts(client: Any) -> None:
    """Content in parts is understood as the texts in it."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "hello there"}, picture]
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": parts}])
    assert WHOLE == answer.choices[0].message.content


def test_chat_stream(client: Any) -> None:
    """A stream brings the answer word by word, and why it ends."""
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HI, stream=True))
    assert ["", "You", " said:", " hello", " there", None] == [chunk.choices[0].delta.content for chunk in chunks]
    assert "stop" == chunks[-1].choices[0].finish_reason


def test_stream_of_several_choices(client: Any) -> None:
    """The choices of a stream take turns."""
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HI, stream=True, n=2))
    assert [0, 1] * 6 == [chunk.choices[0].index for chunk in chunks]


def test_usage_of_a_stream(client: Any) -> None:
    """Who asks for it gets the usage in a chunk of its own, at the end."""
    options = {"stream_options": {"include_usage": True}}
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HI, stream=True, extra_body=options))
    assert [None] * 6 + [19] == [(chunk.to_dict()["usage"] or {}).get("total_tokens") for chunk in chunks]
    assert [] == chunks[-1].choices


def test_chat_tools(client: Any) -> None:
    """The model calls two functions, and speaks when it has their results."""
    answer = client.chat.completions.create(model="tools", messages=HI, tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert "tool_calls" == answer.choices[0].finish_reason
    assert {"get_weather": {"city": "Paris"}, "get_time": {"zone": "CET"}} == {
        call.function.name: json.loads(call.function.arguments) for call in calls
    }
    results = [{"role": "tool", "tool_call_id": call.id, "content": "21"} for call in calls]
    asked = {"role": "assistant", "tool_calls": [call.model_dump() for call in calls]}
    answer = client.chat.completions.create(model="tools", messages=[*HI, asked, *results], tools=TOOLS)
    assert WHOLE == answer.choices[0].message.content


def test_chat_tools_in_a_stream(client: Any) -> None:
    """Arguments come in fragments; the first of a call has its id and name."""
    stream = client.chat.completions.create(model="tools", messages=HI, tools=TOOLS, stream=True)
    fragments = [call for delta in deltas(stream) for call in delta.tool_calls or ()]
    assert ["call_weather", None, None, "call_time", None, None] == [fragment.id for fragment in fragments]
    arguments = ["".join(each.function.arguments for each in fragments if each.index == index) for index in (0, 1)]
    assert ['{"city":"Paris"}', '{"zone":"CET"}'] == arguments


def test_other_answers(client: Any) -> None:
    """Other models call badly, call custom tools, think, refuse, run out of tokens, or speak."""

    def choice(model: str) -> Any:
        return client.chat.completions.create(model=model, messages=HI).choices[0].to_dict()

    with pytest.raises(json.JSONDecodeError):
        json.loads(choice("bad-tools")["message"]["tool_calls"][0]["function"]["arguments"])
    assert "run_code" == choice("custom-tool")["message"]["tool_calls"][0]["custom"]["name"]
    assert "I repeat it." in choice("reasoning")["message"]["reasoning_content"]
    assert (None, "I cannot help with that.") == tuple(choice("refusal")["message"][k] for k in ("content", "refusal"))
    assert "length" == choice("length")["finish_reason"]
    assert {"name": "Ada", "age": 36} == json.loads(choice("json")["message"]["content"])
    assert WHOLE == choice("audio-out")["message"]["audio"]["transcript"]


def test_other_answers_in_streams(client: Any) -> None:
    """What the other models say comes in a stream just as well."""

    def joined(model: str, name: str) -> str:
        stream = client.chat.completions.create(model=model, messages=HI, stream=True)
        return "".join(delta.to_dict().get(name) or "" for delta in deltas(stream))

    assert "The user said something, so I repeat it." == joined("reasoning", "reasoning_content")
    assert "I cannot help with that." == joined("refusal", "refusal")
    assert '{"name": "Ada", "age": 36}' == joined("json", "content")
    stream = client.chat.completions.create(model="audio-out", messages=HI, stream=True)
    sounds = [delta.to_dict()["audio"] for delta in deltas(stream) if "audio" in delta.to_dict()]
    assert WHOLE == "".join(sound.get("transcript", "") for sound in sounds)


def test_azure(make_client: MakeClient, openai_requests: Requests) -> None:
    """Azure's addresses work, and its streams have a chunk without choices and one without a delta."""
    azure = make_client("AzureOpenAI")
    assert WHOLE == azure.chat.completions.create(model="gpt-4o", messages=HI).choices[0].message.content
    assert "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21" == openai_requests()[0].path
    chunks = list(azure.chat.completions.create(model="azure", messages=HI, stream=True))
    assert [] == chunks[0].choices
    assert None in [chunk.choices[0].delta for chunk in chunks[1:]]


def test_async_chat(make_client: MakeClient) -> None:
    """The asynchronous client gets the same answers."""

    async def ask() -> tuple[str, str]:
        async with make_client("AsyncOpenAI") as client:
            whole = await client.chat.completions.create(model="gpt-4o", messages=HI)
            stream = await client.chat.completions.create(model="gpt-4o", messages=HI, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return whole.choices[0].message.content, "".join(words)

    assert (WHOLE, WHOLE) == asyncio.run(ask())


@pytest.mark.skipif(VERSION < (1, 40), reason="there is no parse yet")
def test_parse(client: Any) -> None:
    """The helper that parses gets an object of the class it was given."""
    person = pydantic.create_model("Person", name=(str, ...), age=(int, ...))
    answer = client.beta.chat.completions.parse(model="json", messages=HI, response_format=person)
    assert person(name="Ada", age=36) == answer.choices[0].message.parsed


# ---- errors


@pytest.mark.parametrize(
    ("model", "status"), [("err-400", 400), ("err-401", 401), ("err-404", 404), ("err-429", 429), ("err-500", 500)]
)
def test_errors(client: Any, model: str, status: int) -> None:
    """A model that fails does so with an error in OpenAI's form, and the id of the request."""
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=HI)
    assert status == caught.value.status_code
    assert {"message", "type", "param", "code"} == set(caught.value.body)
    assert caught.value.response.headers["x-request-id"].startswith("req_")


def test_error_without_json(client: Any) -> None:
    """An error may come as HTML."""
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="html-500", messages=HI)
    assert "text/html" == caught.value.response.headers["content-type"]


def test_retry(make_client: MakeClient, openai_requests: Requests) -> None:
    """What fails at the first attempt succeeds at the second."""
    answer = make_client(max_retries=1).chat.completions.create(model="flaky-500", messages=HI)
    assert WHOLE == answer.choices[0].message.content
    assert 2 == len(openai_requests())


def test_error_with_status_200(client: Any) -> None:
    """A success may be an error, or have no choices."""
    assert "upstream_error" == client.chat.completions.create(model="error-200", messages=HI).error["type"]
    assert None is client.chat.completions.create(model="choices-null", messages=HI).choices


@pytest.mark.parametrize("model", ["mid-error", "mid-cut"])
def test_stream_that_breaks(client: Any, model: str) -> None:
    """Three pieces come, and then an error."""
    chunks: list[Any] = []
    stream = client.chat.completions.create(model=model, messages=HI, stream=True)
    with pytest.raises(Exception, match=r"The server had an error\.|peer closed|Connection error"):
        chunks.extend(stream)
    assert ["", "You", " said:", " hello"] == [chunk.choices[0].delta.content for chunk in chunks]


def test_slow_answer(client: Any, openai_server: LoopbackOpenAI, openai_requests: Requests) -> None:
    """A slow answer waits for the release."""
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(client.chat.completions.create(model="slow", messages=HI)), daemon=True
    )
    asking.start()
    while not openai_requests():
        asking.join(0.01)
    assert [] == answers
    openai_server.release()
    asking.join(10)
    assert [WHOLE] == [answer.choices[0].message.content for answer in answers]


def test_slow_stream(client: Any, openai_server: LoopbackOpenAI) -> None:
    """A slow stream goes on after its release."""
    stream = client.chat.completions.create(model="slow", messages=HI, stream=True)
    words = [next(stream).choices[0].delta.content for _ in range(4)]
    assert ["", "You", " said:", " hello"] == words
    openai_server.release()
    assert [" there", None] == [delta.content for delta in deltas(stream)]


def test_slow_stream_that_nobody_releases(make_client: MakeClient) -> None:
    """A slow stream waits after three pieces: who has no patience gets no more."""
    chunks: list[Any] = []
    stream = make_client(timeout=0.2).chat.completions.create(model="slow", messages=HI, stream=True)
    with pytest.raises(Exception, match="timed out"):
        chunks.extend(stream)
    assert ["", "You", " said:", " hello"] == [chunk.choices[0].delta.content for chunk in chunks]


# ---- responses


@has_responses
def test_response(client: Any) -> None:
    """A response has what the user said, from a string and from messages."""
    assert WHOLE == client.responses.create(model="gpt-4o", input="hello there").output_text
    answer = client.responses.create(model="gpt-4o", input=HI)
    assert (WHOLE, "completed", 19) == (answer.output_text, answer.status, answer.usage.total_tokens)


@has_responses
def test_response_stream(client: Any) -> None:
    """The events of a stream come in OpenAI's order, numbered, and end with the response."""
    events = list(client.responses.create(model="gpt-4o", input="hello there", stream=True))
    assert [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 4,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ] == [each.type for each in events]
    assert list(range(12)) == [each.to_dict()["sequence_number"] for each in events]
    assert WHOLE == events[-1].response.output_text


@has_responses
@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ("gpt-4o", ["message"]),
        ("tools", ["function_call", "function_call"]),
        ("reasoning", ["reasoning", "message"]),
        ("refusal", ["message"]),
    ],
)
def test_response_helper(client: Any, model: str, kinds: list[str]) -> None:
    """The helper that adds up a stream comes to what the answer without a stream is."""
    with client.responses.stream(model=model, input="hello there") as stream:
        stream.until_done()
        added = stream.get_final_response().to_dict()
    whole = client.responses.create(model=model, input="hello there").to_dict()
    assert kinds == [item["type"] for item in whole["output"]]
    wanted = [
        {name: item[name] for name in item if name in ("id", "type", "name", "arguments")} for item in whole["output"]
    ]
    assert wanted == [{name: item[name] for name in of} for of, item in zip(wanted, added["output"])]


@has_responses
def test_response_that_breaks(client: Any) -> None:
    """Three pieces come, and then an event that tells of an error."""
    events = list(client.responses.create(model="mid-error", input="hello there", stream=True))
    assert 3 == [getattr(each, "type", None) for each in events].count("response.output_text.delta")
    assert "The server had an error." in str(events[-1])


@has_responses
def test_response_in_the_background(client: Any) -> None:
    """A response in the background is queued, in progress, complete; or cancelled."""
    background = {"extra_body": {"background": True}}
    queued = client.responses.create(model="gpt-4o", input="hello there", **background)
    polled = [client.responses.retrieve(queued.id) for _ in range(2)]
    assert ["queued", "in_progress", "completed"] == [each.status for each in (queued, *polled)]
    assert WHOLE == polled[-1].output_text
    again = client.responses.create(model="gpt-4o", input="hello there", **background)
    cancelled = client.post(f"/responses/{again.id}/cancel", cast_to=type(again), body={})
    assert ["queued", "cancelled"] == [again.status, cancelled.status]


# ---- the rest


def test_completion(client: Any) -> None:
    """A completion answers each prompt, whole and in a stream."""
    answer = client.completions.create(model="instruct", prompt=["one", "two"])
    assert ["You said: one", "You said: two"] == [choice.text for choice in answer.choices]
    chunks = list(client.completions.create(model="instruct", prompt="one", stream=True))
    assert "You said: one" == "".join(chunk.choices[0].text for chunk in chunks)


def test_embeddings(client: Any) -> None:
    """Each input has a vector, whichever way the numbers come."""
    texts = client.embeddings.create(model="embed", input=["one", "two"])
    floats = client.embeddings.create(model="embed", input=["one", "two"], encoding_format="float")
    assert [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0] == texts.data[1].embedding
    assert [each.embedding for each in floats.data] == [each.embedding for each in texts.data]
    short = client.embeddings.create(model="embed", input="one", dimensions=2, encoding_format="float")
    assert [0.0, 0.125] == short.data[0].embedding


def test_moderations(client: Any) -> None:
    """What is bad is flagged, each input by itself."""
    answer = client.moderations.create(input=["fine", "this is bad"])
    assert [False, True] == [result.flagged for result in answer.results]


@pytest.mark.filterwarnings("ignore:deprecated")
def test_images(client: Any, openai_requests: Requests) -> None:
    """Images come as addresses or inline; what is uploaded is kept as it came."""
    (image,) = client.images.generate(prompt="a cat").data
    assert "A painting of a cat" == image.revised_prompt
    images = client.images.edit(image=b"png\r\n\x00", prompt="a dog", n=2, response_format="b64_json").data
    assert [True, True] == [each.b64_json is not None for each in images]
    assert b"png\r\n\x00" in openai_requests()[-1].body
    assert "a dog" == openai_requests()[-1].fields["prompt"]
    assert client.images.create_variation(image=b"png").data[0].url


@pytest.mark.filterwarnings("ignore:deprecated")
def test_audio(client: Any) -> None:
    """Sound becomes text, and text becomes sound."""
    heard = "Hello from the loopback server."
    assert heard == client.audio.transcriptions.create(model="whisper-1", file=b"sound").text
    assert heard == client.audio.translations.create(model="whisper-1", file=b"sound").text
    sound = client.audio.speech.create(model="tts-1", voice="alloy", input="hello")
    assert 2048 == len(sound.read())


def test_models(client: Any) -> None:
    """The models can be listed, and had by name."""
    assert "gpt-4o" in [each.id for each in client.models.list()]
    assert "mine" == client.models.retrieve("mine").id


def test_nowhere(client: Any) -> None:
    """What is not there is an error 404."""
    with pytest.raises(openai.NotFoundError):
        client.post("/nowhere", cast_to=object, body={})


def test_as_a_program() -> None:
    """As a program it tells its address first, and ends with its input."""
    command = [sys.executable, "-m", "openai_sdk.loopback_openai"]
    folder = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert 200 == requests.get(f"{address}/models", timeout=10).status_code
        server.communicate(timeout=10)
    assert 0 == server.returncode
