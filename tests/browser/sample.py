"""What the tests of the page look at: sessions of several applications, recorded through the API."""

from __future__ import annotations

import base64
import struct
import uuid
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Mapping

import requests

_BEGAN = datetime(2026, 3, 2, 9, 30)  # noqa: DTZ001 (the wire's Z is added as text)
_MODEL = {"model.id": "gpt-4o-mini"}
_CODE = '''Mount it like this:

```python
def mount(wheel: str, *, spacing: int = 142) -> bool:
    # the axle goes in from the left
    return wheel in {"front", "rear"} and spacing > 100
```

and tell me how it goes.'''


@dataclass(frozen=True)
class Recorded:
    """The ids of the sessions that tests ask for by name."""

    whole: str
    long: str
    empty: str
    plain: tuple[str, ...]


class Recorder:
    """Records through the API, as any program may."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = requests.Session()

    def application(self, name: str) -> str:
        """Create an application; its id."""
        return str(self._post("/v1/applications", {"name": name, "source": "manual"})["application_id"])

    def session(self, application_id: str, actions: list[dict[str, Any]], **attributes: str) -> str:
        """Create a session; its id."""
        session_id = str(uuid.uuid5(uuid.NAMESPACE_URL, str(uuid.uuid4())))
        body = {"application_id": application_id, "session_id": session_id, "actions": actions}
        named = {name.replace("_", "."): value for name, value in attributes.items()}
        self._post("/v1/sessions", {**body, "attributes": named})
        return session_id

    def post(self, body: Mapping[str, Any]) -> str:
        """Create a session from a whole body; its id."""
        return str(self._post("/v1/sessions", body)["session_id"])

    def append(self, session_id: str, action: dict[str, Any]) -> None:
        """Append an action to a session."""
        self._post(f"/v1/sessions/{session_id}/actions", action)

    def read(self, session_id: str) -> dict[str, Any]:
        """Give what is recorded of a session."""
        answer = self._connection.get(f"{self.url}/dev/sessions/{session_id}", timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._connection.post(self.url + path, json=body, timeout=30)
        answer.raise_for_status()
        return dict(answer.json()) if answer.content else {}


def action(kind: str, seconds: float = 0, took: float = 0.4, **more: Any) -> dict[str, Any]:
    """An action that began some seconds after the session did."""
    began = _BEGAN + timedelta(seconds=seconds)
    ended = began + timedelta(seconds=took)
    return {"kind": kind, "start_time": f"{began.isoformat()}Z", "end_time": f"{ended.isoformat()}Z", **more}


def prompt(text: str, seconds: float = 0) -> dict[str, Any]:
    """A prompt of one message."""
    messages = [{"role": "user", "content": text}]
    return action("completion_prompt", seconds, 0, attributes=_MODEL, data={"messages": messages})


def output(text: str, seconds: float = 1, tokens: int = 12) -> dict[str, Any]:
    """An output of one message, with its usage."""
    data = {"messages": [{"role": "assistant", "content": text}]}
    usage = {"prompt_tokens": 2 * tokens, "completion_tokens": tokens, "total_tokens": 3 * tokens}
    scanners = [{"name": "usage", "data": usage}]
    return action("completion_output", seconds, 1.3, attributes=_MODEL, data=data, scanners=scanners)


def record(url: str) -> Recorded:
    """Record all of it."""
    recorder = Recorder(url)
    support, review = recorder.application("support-assistant"), recorder.application("code-review")
    plain = [
        recorder.session(
            review if number % 3 else support,
            [prompt(f"Question number {number} about wheels"), output(f"Answer number {number}", tokens=number + 1)],
            environment="staging" if number % 2 else "production",
            user_id=f"user-{number % 7:03}",
        )
        for number in range(56)
    ]
    many = [turn for number in range(65) for turn in (prompt(f"Ask {number}", 3 * number), output("So", 3 * number + 1))]
    long = recorder.session(review, many, environment="production", user_id="patient")
    empty = recorder.session(support, [], environment="development")
    whole = recorder.session(support, _whole(), environment="production", user_id="anna", way="everything")
    return Recorded(whole, long, empty, tuple(plain))


def _whole() -> list[dict[str, Any]]:
    """One of everything that a conversation may have."""
    system = {"role": "system", "content": "You are the support agent of a bicycle shop."}
    asked = {"role": "user", "content": "My order 1042 has not arrived. The card is FORBIDDEN-4242, please check."}
    call = {"id": "call_f3Kq", "type": "function", "function": {"name": "find_order", "arguments": '{"order_id": 1042}'}}
    result = '{"order_id": 1042, "state": "shipped", "parcels": [{"id": "P-7", "kilograms": 11.5, "insured": true}]}'
    turns = [
        system,
        asked,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_f3Kq", "content": result},
    ]
    tool = {"id": "call_f3Kq", "name": "find_order", "arguments": {"order_id": 1042, "fields": ["state", "parcels"]}}
    failure = {"message": "The model did not answer within 10 seconds.", "code": 504, "details": {"type": "APITimeoutError"}}
    flagged = {"name": "openai_moderation_0", "data": {"flagged": False, "violence": 0.01}}
    return [
        action("completion_prompt", 0, 0, attributes=_MODEL, data={"messages": turns[:2]}),
        action("completion_tool_call", 1, 0.3, data={"tools": [tool]}),
        action("completion_prompt", 2, 0, attributes=_MODEL, data={"messages": turns}),
        output("It left the warehouse this morning, in **one** parcel.", 3, 410),
        action("completion_prompt_attachment", 45, 0, data={"role": "user", "content": _attachments()}),
        output(_CODE, 47, 95),
        action("moderation", 50, 0.1, data={"input": ["Is this rude?"]}, scanners=[flagged]),
        action("embeddings", 51, 0.2, data={"input": ["wheel", "spoke NOTED"]}),
        action("completion_output", 52, 10, data=None, error=failure),
        output("A long answer. " + "It goes on and on about spokes. " * 900, 63, 3000),
    ]


def _attachments() -> list[dict[str, Any]]:
    source = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    return [
        {"type": "text", "text": "This is what the wheel looks like."},
        {"type": "image_url", "image_url": {"url": source}},
        {"type": "image_url", "image_url": {"url": "http://elsewhere.invalid/wheel.png"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"filename": "invoice.pdf", "file_id": "file-1"}},
    ]


def picture(width: int = 240, height: int = 100) -> bytes:
    """A small PNG with a slope of colours."""
    rows = b"".join(b"\0" + b"".join(bytes((x, 100 + y, 190)) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
