"""What is on record is what was said, as it was said, from before the call on: each call once, and in its session."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest

from openai_sdk import ways
from openai_sdk.expected import HELLO, LEFT, STREAM, WHOLE, Fields, tool

if TYPE_CHECKING:
    from layer_sdk import Layer
    from openai_sdk.conftest import Host, SharedClient
    from openai_sdk.loopback_openai import LoopbackOpenAI

ActionsOf = Callable[["Layer", object], "list[Fields]"]

BODY: Fields = {"model": "gpt-4o", "messages": HELLO}
SLOW: Fields = {"model": "slow", "messages": HELLO}
ASKED = ["Repeat.", "hello there"]


def texts(actions: list[Fields]) -> list[list[Any]]:
    """Give what was said in each action."""
    return [[message["content"] for message in action["data"]["messages"]] for action in actions]


def ends(actions: list[Fields]) -> list[str | None]:
    """Give how the stream of each action ended."""
    return [action["attributes"].get("stream.end") for action in actions]


@pytest.fixture
def actions_of(recorded: Callable[[object], Fields]) -> ActionsOf:
    """Give what Layer has of a session, now that all has arrived."""

    def read(layer: Layer, session_id: object) -> list[Fields]:
        assert layer.flush(10)
        return list(recorded(session_id)["actions"])

    return read


# ---- when


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
def test_session_of_a_call_begins_once(kind: str, host: Host) -> None:
    """Of a call without a session three things are on record, its session, question and answer; of embeddings two."""
    client = host.client(kind)
    before = host.layer.stats()["accepted"]
    host.run(ways.now(client.chat.completions.create(**BODY)))
    assert 3 == host.layer.stats()["accepted"] - before
    host.run(ways.now(client.embeddings.create(model="text-embedding-3-small", input="hello")))
    assert 5 == host.layer.stats()["accepted"] - before
    assert host.layer.flush(10)
    assert (5, {}) == (host.layer.stats()["sent"] - before, host.layer.stats()["dropped"])


@pytest.fixture(params=["background", "inline"])
def either(request: pytest.FixtureRequest, make_layer: Callable[..., Layer]) -> Layer:
    """A `Layer` of either kind of delivery."""
    return make_layer(delivery=request.param)


@pytest.fixture
def client(shared_client: SharedClient) -> Any:
    """The `OpenAI` that all tests share."""
    return shared_client("OpenAI")


@pytest.mark.parametrize("more", [{}, STREAM], ids=["plain", "stream"])
def test_prompt_comes_first(
    more: Fields, either: Layer, client: Any, openai_server: LoopbackOpenAI, actions_of: ActionsOf
) -> None:
    """While the call hangs, what was asked has arrived at Layer; the answer comes when it is there."""
    session_id, before = either.create_session(), len(openai_server.requests)
    headers = {"X-Layer-Session-Id": session_id}
    calling = threading.Thread(
        target=lambda: list(client.chat.completions.create(**SLOW, **more, extra_headers=headers))
    )
    calling.start()
    while len(openai_server.requests) == before:
        calling.join(0.001)
    assert [ASKED] == texts(actions_of(either, session_id))
    openai_server.release()
    calling.join(10)
    assert [ASKED, [WHOLE]] == texts(actions_of(either, session_id))


# ---- what the host changes afterwards


@pytest.fixture
def held(make_layer: Callable[..., Layer], client: Any) -> Iterator[tuple[Layer, str, threading.Event]]:
    """A `Layer` whose worker puts nothing of a session into words until the event is set, and that session."""
    go_on = threading.Event()

    def wait(action: Any) -> Any:
        go_on.wait(10)
        return action

    layer = make_layer(delivery="background", before_send=wait)
    session_id = layer.create_session()
    headers = {"X-Layer-Session-Id": session_id}
    client.chat.completions.create(**BODY, extra_headers=headers)  # what waits, all else behind it
    yield layer, session_id, go_on
    go_on.set()


def test_changes_afterwards(held: tuple[Layer, str, threading.Event], client: Any, actions_of: ActionsOf) -> None:
    """What the host does to its messages, to the answer and to chunks after the call is not on record."""
    layer, session_id, go_on = held
    completions = client.chat.completions
    headers = {"X-Layer-Session-Id": session_id}
    parts = [{"type": "text", "text": "hello there"}]
    messages: list[Fields] = [{"role": "user", "content": parts}]
    stop = ["end"]
    answer = completions.create(model="gpt-4o", messages=messages, stop=stop, extra_headers=headers)
    answer.choices[0].message.content = "changed"
    answer.choices.clear()
    answer.model, answer.usage.total_tokens = "changed", 0
    for chunk in completions.create(model="gpt-4o", messages=messages, stream=True, extra_headers=headers):
        chunk.choices[0].delta.content = "changed"
        chunk.id = "changed"
    parts[0]["text"] = "changed"
    messages[0]["role"] = "changed"
    messages.append({"role": "user", "content": "changed"})
    stop.append("changed")
    assert not go_on.is_set()
    go_on.set()
    recorded = actions_of(layer, session_id)[2:]
    assert [["hello there"], [WHOLE]] * 2 == texts(recorded)
    assert "changed" not in str(recorded)
    assert ["end"] == recorded[0]["attributes"]["model.stop"]


def test_inputs_changed_afterwards(
    held: tuple[Layer, str, threading.Event], client: Any, actions_of: ActionsOf
) -> None:
    """The inputs of embeddings are those that were sent."""
    layer, session_id, go_on = held
    inputs = ["one", "two"]
    answer = client.embeddings.create(model="embed", input=inputs, extra_headers={"X-Layer-Session-Id": session_id})
    inputs.clear()
    answer.data.clear()
    go_on.set()
    action = actions_of(layer, session_id)[-1]
    assert ({"input": ["one", "two"]}, 2) == (action["data"], action["attributes"]["embeddings.count"])


def test_body_changed_afterwards(held: tuple[Layer, str, threading.Event], client: Any, actions_of: ActionsOf) -> None:
    """A body that the host put together itself is on record as it was, whatever openai makes of it."""
    layer, session_id, go_on = held
    body: Fields = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}], "stop": ["end"]}
    headers = {"X-Layer-Session-Id": session_id}
    client.post("/chat/completions", cast_to=object, body=body, options={"headers": headers})
    body["messages"][0]["content"] = "changed"
    body["messages"].append({"role": "user", "content": "changed"})
    body["stop"].clear()
    body["user"] = "changed"
    go_on.set()
    asked = actions_of(layer, session_id)[2]
    assert [["hello there"]] == texts([asked])
    assert (["end"], False) == (asked["attributes"]["model.stop"], "model.user" in asked["attributes"])


def test_tool_calls_added_up_in_the_first_chunk(host: Host) -> None:
    """The arguments of tool calls may be added up in the chunks themselves, as OpenAI's own guide does it."""
    calls: dict[int, Any] = {}
    with host.layer.session() as session_id:
        for chunk in host.client("OpenAI").chat.completions.create(model="tools", messages=HELLO, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                if call.index not in calls:
                    calls[call.index] = call
                else:
                    calls[call.index].function.arguments += call.function.arguments
    assert ['{"city":"Paris"}', '{"zone":"CET"}'] == [call.function.arguments for call in calls.values()]
    expected = [tool("call_weather", "get_weather", city="Paris"), tool("call_time", "get_time", zone="CET")]
    assert expected == host.told(session_id)[-1]["data"]["tools"]


# ---- streams that nobody reads to their end


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """Have nothing collected but what is asked for."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def read_some(stream: Any) -> None:
    """Read the beginning of a stream, so that it stays open."""
    for _ in range(ways.READ):
        await ways.now(stream.__anext__() if hasattr(stream, "__anext__") else stream.__next__())


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.usefixtures("no_garbage_collection")
def test_stream_let_go(kind: str, host: Host) -> None:
    """A stream that nobody holds any longer is on record at once; no garbage collector is needed for it."""

    async def program() -> str:
        with host.layer.session() as session_id:
            stream = await ways.now(host.client(kind).chat.completions.create(**BODY, **STREAM))
            await read_some(stream)
        return session_id

    recorded = host.told(host.run(program()))
    assert [ASKED, [LEFT]] == texts(recorded)
    assert [None, "abandoned"] == ends(recorded)


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.usefixtures("no_garbage_collection")
def test_stream_in_a_cycle(kind: str, host: Host) -> None:
    """A stream that the host has tied into a cycle is on record when the garbage collector finds it, and not before."""

    async def program() -> str:
        with host.layer.session() as session_id:
            stream = await ways.now(host.client(kind).chat.completions.create(**BODY, **STREAM))
            stream.mine = [stream]
            await read_some(stream)
        return session_id

    async def collect() -> None:
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    session_id = host.run(program())
    assert [ASKED] == texts(host.told(session_id))
    host.run(collect())
    assert [ASKED, [LEFT]] == texts(host.told(session_id))


def test_stream_open_at_shutdown(make_layer: Callable[..., Layer], client: Any, actions_of: ActionsOf) -> None:
    """What was said until `shutdown` is on record; the host reads on, and that is not."""
    layer = make_layer(delivery="background")
    with layer.session() as session_id:
        stream = client.chat.completions.create(**BODY, **STREAM)
        for _ in range(ways.READ):
            next(stream)
    layer.shutdown()
    rest = [chunk.choices[0].delta.content for chunk in stream]
    assert [" there", None] == rest
    recorded = actions_of(make_layer(), session_id)
    assert [ASKED, [LEFT]] == texts(recorded)
    assert [None, "shutdown"] == ends(recorded)


# ---- many at once


def test_threads(host: Host, actions_of: ActionsOf) -> None:
    """Of 32 threads with 20 calls each, every call is on record once, in order, in its thread's session."""
    client = host.client("OpenAI")

    def hold_calls(thread: int) -> str:
        with host.layer.session() as session_id:
            for number in range(20):
                messages = [{"role": "user", "content": f"{thread}, {number}"}]
                list(client.chat.completions.create(model="gpt-4o", messages=messages, stream=number % 2 == 1))
        return session_id

    with ThreadPoolExecutor(32) as pool:
        sessions = list(pool.map(hold_calls, range(32)))
    for thread, session_id in enumerate(sessions):
        asked = [f"{thread}, {number}" for number in range(20)]
        expected = [line for text in asked for line in ([text], [f"You said: {text}"])]
        assert expected == texts(actions_of(host.layer, session_id))


def test_tasks(host: Host, actions_of: ActionsOf) -> None:
    """Of 100 tasks at once, every call is on record once, in its task's session."""
    client = host.client("AsyncOpenAI")

    async def hold_call(task: int) -> str:
        async with host.layer.session() as session_id:
            messages = [{"role": "user", "content": f"{task}"}]
            answer = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=task % 2 == 1)
            if task % 2:
                await ways.read(answer)
        return str(session_id)

    async def program() -> list[str]:
        return list(await asyncio.gather(*map(hold_call, range(100))))

    for task, session_id in enumerate(host.run(program())):
        assert [[f"{task}"], [f"You said: {task}"]] == texts(actions_of(host.layer, session_id))
