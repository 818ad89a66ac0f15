"""Scripts of calls: what user code does with a client, as data, and the player that does it and notes what it sees."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import sys
import time
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Iterator

import openai
from pydantic import BaseModel

from openai_sdk.body_ways import BODY_WAYS
from openai_sdk.faces import HELPER_WAYS, STREAM_WAYS, Face, response_of
from openai_sdk.observations import Surroundings, collecting_by_hand, seen, seen_headers

if TYPE_CHECKING:
    from openai_sdk.steady_server import SteadyOpenAI

Chunk = openai.types.chat.ChatCompletionChunk
SESSION = "2ed6657d-e927-568b-95e1-2665a8aea6a2"
HTTPX: Any = sys.modules["httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx"]
MESSAGES = [{"role": "system", "content": "Repeat."}, {"role": "user", "content": "one two three four"}]
MODES = ("plain", "raw", "body", "parsed")  # as it comes; raw; unread; unread, and parsed then


class Person(BaseModel):
    """What `parse` makes of the answer of the model `json`."""

    name: str
    age: int


class OwnStream(openai.Stream[Chunk]):  # type: ignore[misc]
    """A user's class of streams."""

    def __stream__(self) -> Iterator[Any]:
        yield from super().__stream__()


class OwnAsyncStream(openai.AsyncStream[Chunk]):  # type: ignore[misc]
    """The same for async ones."""

    def __aiter__(self) -> Any:
        return super().__aiter__()


class OwnOpenAI(openai.OpenAI):  # type: ignore[misc]
    """A user's class of clients, with a `request` of its own."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)


class OwnAsyncOpenAI(openai.AsyncOpenAI):  # type: ignore[misc]
    """The same for async ones."""

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        return await super().request(*args, **kwargs)


@dataclass(frozen=True)
class Api:
    """A method of the client.

    Attributes:
        paths: Where it is; of several, the first that the version has.
        arguments: What it is called with, made anew each time.
        gives: A `whole` answer, a `stream`, or the `manager` of a helper.
    """

    paths: tuple[str, ...]
    arguments: Callable[[], dict[str, Any]]
    gives: str = "whole"


def _chat(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"messages": [dict(message) for message in MESSAGES], "temperature": 0.5, **more}


def _file(**more: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {"file": ("hello.mp3", b"sound"), **more}


PARSE = ("chat.completions.parse", "beta.chat.completions.parse")
HELPER = ("chat.completions.stream", "beta.chat.completions.stream")
APIS = {
    "chat": Api(("chat.completions.create",), _chat()),
    "chat-of-iterator": Api(("chat.completions.create",), lambda: {"messages": iter(MESSAGES)}),
    "chat-stream": Api(("chat.completions.create",), _chat(stream=True, n=2), "stream"),
    "chat-stream-usage": Api(
        ("chat.completions.create",), _chat(stream=True, stream_options={"include_usage": True}), "stream"
    ),
    "chat-parse": Api(PARSE, _chat(response_format=Person)),
    "chat-helper": Api(HELPER, _chat(), "manager"),
    "chat-helper-parse": Api(HELPER, _chat(response_format=Person), "manager"),
    "completion": Api(("completions.create",), lambda: {"prompt": ["one two", "three"]}),
    "completion-stream": Api(("completions.create",), lambda: {"prompt": "one two three", "stream": True}, "stream"),
    "embeddings": Api(("embeddings.create",), lambda: {"input": ["one", "two"]}),
    "embeddings-float": Api(("embeddings.create",), lambda: {"input": "one", "encoding_format": "float"}),
    "moderation": Api(("moderations.create",), lambda: {"input": ["good", "bad"]}),
    "response": Api(("responses.create",), lambda: {"input": "one two three", "instructions": "Repeat."}),
    "response-stream": Api(("responses.create",), lambda: {"input": "one two three four", "stream": True}, "stream"),
    "response-parse": Api(("responses.parse",), lambda: {"input": "one two", "text_format": Person}),
    "response-helper": Api(("responses.stream",), lambda: {"input": "one two three four"}, "manager"),
    "image": Api(("images.generate",), lambda: {"prompt": "a cat"}),
    "image-stream": Api(("images.generate",), lambda: {"prompt": "a cat", "stream": True}, "stream"),
    "speech": Api(("audio.speech.create",), lambda: {"input": "one two", "voice": "alloy"}),
    "transcription": Api(("audio.transcriptions.create",), _file()),
    "transcription-stream": Api(("audio.transcriptions.create",), _file(stream=True), "stream"),
    "translation": Api(("audio.translations.create",), lambda: {"file": io.BytesIO(b"sound")}),
    "models": Api(("models.retrieve",), dict),
    "post": Api(("post",), lambda: _post("/chat/completions")),
    "post-for-the-response": Api(("post",), lambda: {**_post("/chat/completions"), "cast_to": HTTPX.Response}),
    "post-elsewhere": Api(("post",), lambda: _post("/nowhere")),
    "post-stream": Api(("post",), lambda: _post("/chat/completions", stream=True), "stream"),
    "post-own-stream": Api(("post",), lambda: _post("/chat/completions", own=True, stream=True), "stream"),
    "background": Api(("responses.create",), lambda: {"input": "one two", "background": True}),
}
MODELS = {
    "whole": ("gpt-4o", "tools", "json", "length", "refusal", "reasoning", "azure", "audio-out", "flaky-500"),
    "stream": ("gpt-4o", "tools", "json", "length", "azure", "mid-error", "mid-cut", "flaky-500"),
}
BAD_MODELS = ("err-400", "err-401", "err-404", "err-429", "err-500", "html-500", "error-200", "choices-null")
HEADERS: dict[str, dict[str, str]] = {
    "none": {},
    "other": {"X-Other": "1"},
    "layer": {"X-Layer-Session-Id": SESSION},
    "key": {"layer-session-id": "conversation-7", "X-Other": "1"},
}
OPTIONS: dict[str, Callable[[Any], Any]] = {
    "none": lambda client: client,
    "retries": lambda client: client.with_options(max_retries=2),
    "no-retries": lambda client: client.with_options(max_retries=0),
    "headers": lambda client: client.with_options(default_headers={"X-Layer-Session-Id": SESSION, "X-Default": "1"}),
    "nowhere": lambda client: client.with_options(base_url="http://127.0.0.1:9/v1", max_retries=0),
    "query": lambda client: client.with_options(default_query={"a": "b"}),
}
CLIENTS = ("OpenAI", "AzureOpenAI", "Own")


def _post(path: str, *, own: bool = False, stream: bool = False) -> dict[str, Any]:
    kinds = (OwnStream, OwnAsyncStream) if own else (openai.Stream[Chunk], openai.AsyncStream[Chunk])
    more = {"stream": True, "stream_cls": kinds} if stream else {}
    cast_to = Chunk if stream else openai.types.chat.ChatCompletion
    return {"path": path, "cast_to": cast_to, "body": {"messages": [dict(each) for each in MESSAGES]}, **more}


@dataclass(frozen=True)
class Step:
    """One call, and what is done with what it gives.

    Attributes:
        api: Its name in `APIS`.
        model: The model: what the loopback server does is decided by it.
        mode: One of `MODES`.
        way: How a stream or an unread answer is consumed.
        count: How many items of it until something is done.
        headers: Its name in `HEADERS`.
        option: Its name in `OPTIONS`.
        timeout: How many seconds to wait for what is read; None for what the client says.
    """

    api: str
    model: str = "gpt-4o"
    mode: str = "plain"
    way: str = "read_all"
    count: int = 2
    headers: str = "none"
    option: str = "none"
    timeout: float | None = None


def ways_of(api: str, mode: str) -> dict[str, Any]:
    """Give the ways in which what a call gives can be consumed; none where it is there at once."""
    gives = APIS[api].gives
    if gives == "manager":
        return HELPER_WAYS
    if mode == "body":
        return BODY_WAYS
    return STREAM_WAYS if gives == "stream" else {}


def find(client: Any, api: Api, mode: str = "plain") -> Any:
    """Give the method, or None where the version has none such."""
    for path in api.paths:
        *outer, name = path.split(".")
        wrapper = {"plain": [], "raw": ["with_raw_response"]}.get(mode, ["with_streaming_response"])
        place = client
        for each in [*outer, *(wrapper if outer else []), name]:
            place = getattr(place, each, None)
        if place is not None:
            return place
    return None


def is_there(api: str) -> bool:
    """Tell whether this version has a method that takes the arguments."""
    client = openai.OpenAI(api_key="k", http_client=HTTPX.Client(verify=False))
    function = find(client, APIS[api])
    client.close()
    if function is None:
        return False
    known = inspect.signature(function).parameters
    return all(name in known for name in APIS[api].arguments())


THERE = tuple(name for name in APIS if is_there(name))


@dataclass
class Stage:
    """Where a script is played.

    Attributes:
        face: The kind of client.
        server: Whom it asks.
        noted: What the script has seen, step by step.
        arrived: What the server was asked.
        surroundings: What happened beside it.
        garbage: For each step, how many objects were left for the garbage collector.
        pools: For each step, the states of the connections that the client was left with.
    """

    face: Face
    server: SteadyOpenAI
    noted: list[tuple[Step, list[Any]]] = field(default_factory=list)
    arrived: list[Any] = field(default_factory=list)
    surroundings: Surroundings = field(default_factory=Surroundings)
    garbage: list[int] = field(default_factory=list)
    pools: list[list[str]] = field(default_factory=list)

    def note(self, value: Any) -> None:
        self.noted[-1][1].append(seen(value))

    def play(self, script: list[Step], kind: str = "OpenAI") -> None:
        """Do what a script says, with a client made for it."""
        self.server.forget()
        with collecting_by_hand(), self.surroundings:
            self.face.run(self._play(script, kind), self.surroundings)
            gc.collect()
        self.arrived = [seen_request(each) for each in self.server.requests]

    async def _play(self, script: list[Step], kind: str) -> None:
        client = make_client(kind, self.face.prefix, self.server)
        names = sorted(variable.name for variable in copy_context())
        try:
            for step in script:
                self.noted.append((step, []))
                await self._step(client, step)
                self.garbage.append(gc.collect())
                if self.face.is_async:
                    for _ in range(50):  # finalizers of async generators are tasks, one after the other
                        await asyncio.sleep(0)
                self.pools.append(pool_of(client))
        finally:
            await self.face.call(client.close)
        assert names == sorted(variable.name for variable in copy_context())

    async def _step(self, client: Any, step: Step) -> None:
        held: list[Any] = []
        responses: list[Any] = []
        before = len(self.server.requests)
        try:
            await self._call(OPTIONS[step.option](client), step, held, responses)
        except Exception as error:  # noqa: BLE001  (is compared)
            self.note(error)
            if isinstance(error, openai.APITimeoutError):
                self._until_asked(before)
        held.clear()
        gc.collect()
        for response in responses:
            self.note(response)

    def _until_asked(self, before: int) -> None:
        """Wait for the request of a call that waited no longer: a busy server may come to it after the script."""
        ends = time.monotonic() + 20
        while len(self.server.requests) == before and time.monotonic() < ends:
            time.sleep(0.001)

    async def _call(self, client: Any, step: Step, held: list[Any], responses: list[Any]) -> None:
        api = APIS[step.api]
        given = arguments_of(step, self.face)
        twin = arguments_of(step, self.face)
        function = find(client, api, step.mode)
        try:
            result = await self.face.call(function, **given)
        finally:
            self.note([name for name, value in given.items() if not is_same(value, twin[name])])
        del given
        if (step.mode in ("body", "parsed") and api.paths != ("post",)) or api.gives == "manager":
            self.note(type(result))
            await self.face.within(result, lambda entered: self._inside(entered, step, held, responses))
            return
        self.note(result)
        if step.mode == "raw" and api.paths != ("post",):
            result = self._parsed(result)
        if api.gives == "stream":
            await self._consume([result], held, step, responses)
        if step.api == "background":
            await self._fetch(client, result)

    def _parsed(self, raw: Any) -> Any:
        parsed = raw.parse()
        self.note((parsed, parsed is raw.parse(), seen_headers(raw.headers)))
        return parsed

    async def _inside(self, entered: Any, step: Step, held: list[Any], responses: list[Any]) -> None:
        self.note(entered)
        if step.mode == "parsed":
            parsed = await self.face.call(entered.parse)
            self.note((parsed, parsed is await self.face.call(entered.parse)))
            if APIS[step.api].gives != "stream":
                return
            entered = parsed
            del parsed
        await self._consume([entered], held, step, responses)

    async def _consume(self, given: list[Any], held: list[Any], step: Step, responses: list[Any]) -> None:
        held.append(given.pop())
        responses.append(getattr(held[0], "http_response", None) or response_of(held[0]))
        way = ways_of(step.api, step.mode)[step.way]
        await way(self.face, held, self.note, step.count)

    async def _fetch(self, client: Any, response: Any) -> None:
        """Fetch twice what is made in the background, and cancel it."""
        for _ in range(2):
            self.note(await self.face.call(client.responses.retrieve, response.id))
        self.note(await self.face.call(client.responses.cancel, response.id))


def make_client(kind: str, prefix: str, server: SteadyOpenAI) -> Any:
    """Make a client, with an httpx client that need not read certificates."""
    classes = {"OwnOpenAI": OwnOpenAI, "OwnAsyncOpenAI": OwnAsyncOpenAI}
    azure = {"azure_endpoint": server.url, "api_version": "2024-10-21"}
    where = azure if kind == "AzureOpenAI" else {"base_url": server.base_url}
    name = f"Own{prefix}OpenAI" if kind == "Own" else f"{prefix}{kind}"
    http_client = getattr(HTTPX, f"{prefix}Client")(verify=False)
    return (classes.get(name) or getattr(openai, name))(
        api_key="k", max_retries=1, timeout=20, http_client=http_client, **where
    )


def arguments_of(step: Step, face: Face) -> dict[str, Any]:
    """Make the arguments of a call."""
    given = APIS[step.api].arguments()
    headers = dict(HEADERS[step.headers])
    timeout = None if step.timeout is None else HTTPX.Timeout(20, read=step.timeout)
    if APIS[step.api].paths == ("post",):
        given["body"]["model"] = step.model
        if given.get("stream"):
            given["body"]["stream"] = True
            given["stream_cls"] = given["stream_cls"][face.is_async]
        given["options"] = {"headers": headers} if headers else {}
        if timeout is not None:
            given["options"]["timeout"] = timeout
        return given
    more: dict[str, Any] = {"extra_headers": headers} if headers else {}
    return {**given, "model": step.model, **more, **({} if timeout is None else {"timeout": timeout})}


def is_same(value: Any, twin: Any) -> bool:
    """Tell whether an argument is still what its twin is, which no call has seen."""
    if isinstance(value, io.BytesIO):
        return value.getvalue() == twin.getvalue() and not value.closed
    return hasattr(value, "__next__") or bool(value == twin)


def pool_of(client: Any) -> list[str]:
    """Give the states of the connections that the client's pool holds, such as IDLE."""
    pool = client._client._transport._pool
    return sorted(each.info().split(", ")[-2] for each in pool.connections)


def seen_request(received: Any) -> Any:
    """Describe what the server was asked; of a form the boundary differs from time to time, but not its fields."""
    is_form = isinstance(received.body, bytes)
    headers = [(name, value) for name, value in seen_headers(received.headers) if name != "idempotency-key"]
    return received.method, received.path, headers, received.fields if is_form else received.body
