"""Messages of all kinds: the prompt holds their text, an attachment what else there is, and nothing is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

import pytest

from openai_sdk.expected import VERSION, WHOLE, Fields

if TYPE_CHECKING:
    from openai_sdk.conftest import Host, Requests

# ---- chat

TEXT = {"type": "text", "text": "hello"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}
PAPER = {"type": "file", "file": {"file_id": "file-1"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}

# By name: the message as it is given, its text in the prompt, and the parts of its attachment.
MESSAGES: dict[str, tuple[Fields, Any, list[Fields] | None]] = {
    "system": ({"role": "system", "content": "Repeat."}, "Repeat.", None),
    "developer": ({"role": "developer", "content": "Repeat.", "name": "me"}, "Repeat.", None),
    "several texts": ({"role": "user", "content": [TEXT, {**TEXT, "text": "there"}]}, "hello\nthere", None),
    "no parts": ({"role": "user", "content": []}, None, None),
    "image": ({"role": "user", "content": [TEXT, PICTURE], "name": "me"}, "hello", [TEXT, PICTURE]),
    "image alone": ({"role": "user", "content": [PICTURE]}, None, [PICTURE]),
    "audio": ({"role": "user", "content": [TEXT, SOUND]}, "hello", [TEXT, {**SOUND, "type": "audio"}]),
    "file": ({"role": "user", "content": [PAPER, TEXT]}, "hello", [PAPER, TEXT]),
    "refusal": ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "No.", None),
    "call": ({"role": "assistant", "content": None, "tool_calls": [CALL]}, None, None),
    "call alone": ({"role": "assistant", "tool_calls": [CALL]}, None, None),
    "spoken": ({"role": "assistant", "audio": {"id": "audio_1"}}, None, None),
    "result": ({"role": "tool", "tool_call_id": "call_1", "content": "21"}, "21", None),
    "result in parts": ({"role": "tool", "tool_call_id": "call_1", "content": [TEXT]}, "hello", None),
    "function": ({"role": "function", "name": "get_weather", "content": "21"}, "21", None),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str, host: Host) -> None:
    """A message is in the prompt as it was given, its text in place of parts; one of more than text is attached."""
    message, text, parts = MESSAGES[name]
    first = {"role": "user", "content": "hello"}
    with host.layer.session() as session_id:
        host.client("OpenAI").chat.completions.create(model="gpt-4o", messages=[first, message])
    asked, *attached, _ = host.told(session_id)
    assert [first, {**message, "content": text}] == asked["data"]["messages"]
    more: Fields = {name: message[name] for name in ("name", "tool_call_id") if name in message}
    expected = [] if parts is None else [{"role": message["role"], "content": parts, **more}]
    assert expected == [each["data"] for each in attached]
    assert [("completion_prompt_attachment", asked["attributes"])] * len(expected) == [
        (each["kind"], each["attributes"]) for each in attached
    ]


def test_generator(host: Host, openai_requests: Requests) -> None:
    """Messages that come out of a generator are on record and are sent."""

    def messages() -> Iterator[Fields]:
        yield {"role": "system", "content": "Repeat."}
        yield {"role": "user", "content": (part for part in [TEXT])}

    with host.layer.session() as session_id:
        answer = host.client("OpenAI").chat.completions.create(model="gpt-4o", messages=messages())
    assert "You said: hello" == answer.choices[0].message.content
    expected = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "hello"}]
    assert expected == host.told(session_id)[0]["data"]["messages"]


def test_answer_put_back(host: Host, openai_requests: Requests) -> None:
    """A message of an answer that is put back as the object that it is, is on record as it is sent."""
    completions = host.client("OpenAI").chat.completions
    asked = {"role": "user", "content": "hello there"}
    message = completions.create(model="tools", messages=[asked]).choices[0].message
    result = {"role": "tool", "tool_call_id": "call_weather", "content": "21"}
    with host.layer.session() as session_id:
        answer = completions.create(model="tools", messages=[asked, message, result])
    assert WHOLE == answer.choices[0].message.content
    recorded = host.told(session_id)[0]["data"]["messages"]
    assert openai_requests()[-1].body["messages"] == recorded
    assert ["call_weather", "call_time"] == [call["id"] for call in recorded[1]["tool_calls"]]


# ---- responses

ASKED = {"role": "user", "content": "hello there"}
INPUT_TEXT, INPUT_PICTURE = {"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": "http://x"}
SENT_CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Paris"}'}
SENT_RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "21"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}
SECRET = {**THOUGHT, "encrypted_content": "0123456789"}
REFERENCE = {"type": "item_reference", "id": "msg_1"}
DRAWN = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAEC"}

# By name: the item as it is given, and the message that it is in the prompt.
ITEMS: dict[str, tuple[Fields, Fields]] = {
    "message": ({"type": "message", **ASKED}, ASKED),
    "parts": ({"role": "user", "content": [INPUT_TEXT]}, {"role": "user", "content": "hello"}),
    "answer": (
        {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "hi"}]},
        {"role": "assistant", "id": "msg_1", "content": "hi"},
    ),
    "call": (
        SENT_CALL,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}],
        },
    ),
    "result": (
        SENT_RESULT,
        {"role": "tool", "tool_call_id": "call_1", "content": "21", "type": "function_call_output"},
    ),
    "result in parts": (
        {**SENT_RESULT, "output": [INPUT_TEXT]},
        {"role": "tool", "tool_call_id": "call_1", "content": "hello", "type": "function_call_output"},
    ),
    "reasoning": (THOUGHT, {"role": "assistant", "content": "Hm.", "item": THOUGHT}),
    "encrypted reasoning": (
        SECRET,
        {"role": "assistant", "content": "Hm.", "item": {**SECRET, "encrypted_content": "<10 characters>"}},
    ),
    "reference": (REFERENCE, {"role": "assistant", "content": None, "item": REFERENCE}),
    "image made": (DRAWN, {"role": "assistant", "content": None, "item": {**DRAWN, "result": "<4 characters>"}}),
}
needs_responses = pytest.mark.skipif(VERSION < (1, 66), reason="there is no Responses API yet")


@needs_responses
@pytest.mark.parametrize("name", ITEMS)
def test_item(name: str, host: Host) -> None:
    """An item of the input is a message of the prompt."""
    item, message = ITEMS[name]
    with host.layer.session() as session_id:
        host.client("OpenAI").responses.create(model="gpt-4o", input=[item, ASKED], instructions="Repeat.")
    expected = [{"role": "system", "content": "Repeat."}, message, ASKED]
    assert expected == host.told(session_id)[0]["data"]["messages"]


@needs_responses
def test_picture_in_a_response(host: Host) -> None:
    """A picture in the input is attached, by the name that it has in chat."""
    message = {"role": "user", "content": [INPUT_TEXT, INPUT_PICTURE]}
    with host.layer.session() as session_id:
        host.client("OpenAI").responses.create(model="gpt-4o", input=[message])
    asked, attached, _ = host.told(session_id)
    assert [{"role": "user", "content": "hello"}] == asked["data"]["messages"]
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": "http://x"}]
    assert {"role": "user", "content": parts} == attached["data"]


@needs_responses
def test_output_put_back(host: Host) -> None:
    """The output of an answer that is put back as the objects that it is, is on record."""
    responses = host.client("OpenAI").responses
    called = responses.create(model="tools", input="hello there").output
    results = [{"type": "function_call_output", "call_id": each.call_id, "output": "21"} for each in called]
    with host.layer.session() as session_id:
        responses.create(model="tools", input=[ASKED, *called, *results])
    recorded = host.told(session_id)[0]["data"]["messages"]
    assert ["user", "assistant", "assistant", "tool", "tool"] == [each["role"] for each in recorded]
    calls = [call for each in recorded for call in each.get("tool_calls", ())]
    assert [{"city": "Paris"}, {"zone": "CET"}] == [call["arguments"] for call in calls]


@needs_responses
def test_stored_prompt(host: Host) -> None:
    """A prompt that OpenAI has stored is an attribute, with what is put into it: it is no text of the host's."""
    stored = {"id": "pmpt_1", "variables": {"city": "Paris"}}
    with host.layer.session() as session_id:
        host.client("OpenAI").responses.create(model="gpt-4o", input="hello there", extra_body={"prompt": stored})
    asked = host.told(session_id)[0]
    assert (stored, [ASKED]) == (asked["attributes"].get("model.prompt"), asked["data"]["messages"])
