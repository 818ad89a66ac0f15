"""A process with an OpenAI client, plain or instrumented: makes calls in blocks when told to, and says what they took.

Run by openai_calls.py in the environment of a peer. Orders come as lines of JSON on the standard input, answers go out
the same way; the process ends with the input.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import sys
import time
from importlib.metadata import version
from typing import Any, Awaitable, Callable

from openai import AsyncOpenAI, OpenAI

VARIANTS = 64
Message = dict[str, str]


class Calls:
    """The calls that are measured; each takes its number in the block."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"base_url": f"{url}/v1", "api_key": "bench", "max_retries": 0}
        self._client, self._async_client = OpenAI(**options), AsyncOpenAI(**options)
        self._loop = asyncio.new_event_loop()
        # Texts differ from call to call, or compression would find a single one in a batch.
        self._short = [conversation(seed, messages=1, length=1024) for seed in range(VARIANTS)]
        self._long = [conversation(seed, messages=16, length=2048) for seed in range(VARIANTS)]

        self._named: dict[str, Callable[[int], Any]] = {
            "chat_short": lambda number: self._chat(self._short[number % VARIANTS]),
            "chat_long": lambda number: self._chat(self._long[number % VARIANTS]),
            "chat_async": self._chat_async,
            "stream": self._stream,
            "embeddings": self._embeddings,
        }

    def _chat(self, messages: list[Message]) -> str:
        answer = self._client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        return str(answer.choices[0].message.content)

    async def _chat_async(self, number: int) -> object:
        messages = self._short[number % VARIANTS]
        answer = await self._async_client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        return answer.choices[0].message.content

    def _stream(self, number: int) -> object:
        messages = self._short[number % VARIANTS]
        answer = self._client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        return [chunk.choices[0].delta.content for chunk in answer]

    def _embeddings(self, number: int) -> object:
        text = self._short[number % VARIANTS][0]["content"]
        return self._client.embeddings.create(model="text-embedding-3-small", input=text).data[0].embedding

    def timed(self, name: str, calls: int) -> list[int]:
        """Make the calls; the nanoseconds that each took."""
        call = self._named[name]
        if asyncio.iscoroutinefunction(call):
            return self._loop.run_until_complete(timed_async(call, calls))
        times = []
        for number in range(calls):
            began = time.perf_counter_ns()
            call(number)
            times.append(time.perf_counter_ns() - began)
        return times


async def timed_async(call: Callable[[int], Awaitable[object]], calls: int) -> list[int]:
    """Make the calls one after another; the nanoseconds that each took."""
    times = []
    for number in range(calls):
        began = time.perf_counter_ns()
        await call(number)
        times.append(time.perf_counter_ns() - began)
    return times


def conversation(seed: int, *, messages: int, length: int) -> list[Message]:
    """Make up messages of that length."""
    chance = random.Random(seed)  # noqa: S311 (words, not secrets)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(1000)]
    texts = [" ".join(chance.choices(words, k=length // 3))[:length] for _ in range(messages)]
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


def block(calls: Calls, flush: Callable[[], object], name: str, count: int) -> dict[str, Any]:
    """Make a block of calls, and let all that they set off come to its end; the processor's time is that of both."""
    began = time.process_time_ns()
    times = calls.timed(name, count)
    flush()
    return {"times": times, "cpu": time.process_time_ns() - began}


def main() -> None:
    """Start what instruments, then follow orders."""
    peer, openai_url, sink_url = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a peer prints is no answer
    module = importlib.import_module(f"peers.{peer}")
    flush = module.start(f"{sink_url}/{peer}")
    calls = Calls(openai_url)
    print(json.dumps({name: version(name) for name in module.PACKAGES}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(block(calls, flush, *json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
