"""The work whose instructions are counted. Run by guard.py under callgrind, in the environment of Layer.

Each stage says when it begins and ends, and waits for an answer: `again` has it repeated.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterator

import httpx
import requests
from openai import OpenAI, Stream
from servers import events

from layer_sdk import Layer

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

WARM_UP = 20
# A message of 1 KB, and one of 32.
TEXT = ("Where is my order? " * 56)[:1024]
SHORT: dict[str, Any] = {"messages": [{"role": "user", "content": TEXT}]}
LONG: dict[str, Any] = {"messages": [{"role": "user", "content": TEXT}] * 32}
ACTION: dict[str, Any] = {"kind": "completion_prompt", "attributes": {"model.id": "gpt-4o-mini"}}
ANSWER = {
    "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
    "object": "chat.completion",
    "created": 1772443800,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 230, "completion_tokens": 210, "total_tokens": 440},
}


def stage(name: str, work: Callable[[], object], times: int, rest: Callable[[], object] = gc.collect) -> None:
    """Do the work as often, and what rests of it, until whoever counts is content."""
    for _ in range(WARM_UP):
        work()
    rest()
    said = "again"
    while said == "again":
        gc.collect()
        gc.disable()  # one collection of everything is a fifth of a stage, and comes by chance
        tell(f"begin {name}")
        for _ in range(times):
            work()
        if rest is not gc.collect:
            rest()
        said = tell(f"end {name}")
        gc.enable()


def tell(line: str) -> str:
    """Say how far it is, and hear how to go on."""
    print(line, flush=True)
    return sys.stdin.readline().strip()


def chat() -> Callable[[], object]:
    """Make a call that is answered in one piece."""
    client = client_of(lambda: httpx.Response(200, json=ANSWER))
    return lambda: client.chat.completions.create(model="gpt-4o-mini", messages=SHORT["messages"])


def stream() -> Callable[[], object]:
    """Make a call whose answer comes in pieces, and read it.

    The pieces are made once: to make them anew takes fifty times what is counted here, and no two runs take the same.
    """
    body = b"".join(events())
    client = client_of(lambda: httpx.Response(200, stream=httpx.ByteStream(body)))

    def read() -> list[ChatCompletionChunk]:
        return list(client.chat.completions.create(model="gpt-4o-mini", messages=SHORT["messages"], stream=True))

    chunks = read()

    def __stream__(_: Stream[ChatCompletionChunk]) -> Iterator[ChatCompletionChunk]:  # noqa: N807  (openai's name)
        yield from chunks

    Stream.__stream__ = __stream__
    return read


def client_of(answer: Callable[[], httpx.Response]) -> OpenAI:
    """Make a client whose requests are answered in this process."""
    transport = httpx.MockTransport(lambda _: answer())
    return OpenAI(api_key="bench", base_url="http://127.0.0.1/v1", http_client=httpx.Client(transport=transport))


def started(url: str, **options: Any) -> Layer:
    """Start a Layer of its own."""
    mine = Layer()
    mine.init(base_url=url, application_id="bench", http_timeout=600, **options)
    return mine


def on_the_callers_thread(hole: str, call: Callable[[], object], read: Callable[[], object]) -> None:
    """Capture and enqueue, with a server that never answers."""
    mine = started(hole)
    with mine.session() as session_id:
        stage("capture", call, 50, mine.stats)  # which puts all that came in into its lane, or a worker may
        stage("listen", read, 20, mine.stats)
    stage("enqueue", lambda: mine.append_action(session_id, **ACTION, data=SHORT, wait=False), 200)
    mine.shutdown(0.01)


def in_sessions_of_their_own(sink: str, call: Callable[[], object]) -> None:
    """Capture, put into words, serialise and send."""
    mine = started(f"{sink}/guard")
    stage("chat", call, 40, mine.flush)
    mine.shutdown()


def to_the_end(sink: str) -> None:
    """Serialise and send, alone and from the queue."""
    mine = started(f"{sink}/guard", disable_instrumentations=["openai"])
    session_id = mine.create_session()
    stage("send", lambda: mine.append_action(session_id, **ACTION, data=SHORT), 50)
    stage("send-32", lambda: mine.append_action(session_id, **ACTION, data=LONG), 30)

    def record(actions: int) -> None:
        session_id = mine.create_session(wait=False)
        for _ in range(actions):
            mine.append_action(session_id, **ACTION, data=SHORT, wait=False)

    stage("deliver", lambda: record(1), 40, mine.flush)
    stage("deliver-10", lambda: record(10), 10, mine.flush)
    mine.shutdown()


def main() -> None:
    """Go through the stages."""
    hole, sink = sys.argv[1:]
    body = json.dumps({**ACTION, "start_time": "2026-03-02T09:30:00.000000Z", "data": SHORT}).encode()
    bare = requests.Session()
    stage("dumps", lambda: json.dumps(SHORT), 200)
    stage("post", lambda: bare.post(f"{sink}/guard/v1/sessions/post", body), 50)
    call, read = chat(), stream()
    stage("pieces", read, 20)
    stage("plain", call, 50)  # right before what it is taken from
    on_the_callers_thread(hole, call, read)
    in_sessions_of_their_own(sink, call)
    to_the_end(sink)
    os._exit(0)  # the end of a process is not what is counted


if __name__ == "__main__":
    main()
