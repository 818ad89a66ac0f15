"""The calls that are measured, as an application makes them with the OpenAI client."""

from __future__ import annotations

import random
from typing import Any, Awaitable, Callable

from openai import AsyncOpenAI, OpenAI

VARIANTS = 64
Message = dict[str, str]
Options = dict[str, Any]


class Calls:
    """The calls by name; each takes its number in the block, and options that are given to the client.

    Args:
        url: Where the fake OpenAI answers.
        wrapped: Makes a watched client of a plain one.
    """

    def __init__(self, url: str, wrapped: Callable[[Any], Any]) -> None:
        options: dict[str, Any] = {"base_url": f"{url}/v1", "api_key": "bench", "max_retries": 0}
        self._client, self._async_client = wrapped(OpenAI(**options)), wrapped(AsyncOpenAI(**options))
        # Texts differ from call to call, or compression would find a single one in a batch.
        self._texts = {
            f"chat_{size}": [conversation(seed, messages, length) for seed in range(VARIANTS)]
            for size, messages, length in (("1", 1, 1024), ("10", 5, 2048), ("32", 16, 2048), ("100", 50, 2048))
        }

    def named(self, name: str) -> Callable[[int, Options], Any]:
        """Find a call that blocks."""
        if name in self._texts:
            return lambda number, options: self._chat(self._text(name, number), options)
        return {"stream": self._stream, "embeddings": self._embeddings}[name]

    def awaited(self, name: str) -> Callable[[int, Options], Awaitable[object]]:
        """Find a call that is awaited; there are chats alone."""

        async def chat(number: int, options: Options) -> object:
            create = self._async_client.chat.completions.create
            answer = await create(model="gpt-4o-mini", messages=self._text(name, number), **options)
            return answer.choices[0].message.content

        return chat

    def _text(self, name: str, number: int) -> list[Message]:
        return self._texts[name][number % VARIANTS]

    def _chat(self, messages: list[Message], options: Options) -> object:
        answer = self._client.chat.completions.create(model="gpt-4o-mini", messages=messages, **options)
        return answer.choices[0].message.content

    def _stream(self, number: int, options: Options) -> object:
        messages = self._text("chat_1", number)
        create = self._client.chat.completions.create
        answer = create(model="gpt-4o-mini", messages=messages, stream=True, **options)
        return [chunk.choices[0].delta.content for chunk in answer]

    def _embeddings(self, number: int, options: Options) -> object:
        text = self._text("chat_1", number)[0]["content"]
        answer = self._client.embeddings.create(model="text-embedding-3-small", input=text, **options)
        return answer.data[0].embedding


def conversation(seed: int, messages: int, length: int) -> list[Message]:
    """Make up messages of that length."""
    chance = random.Random(seed)  # noqa: S311 (words, not secrets)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(1000)]
    texts = [" ".join(chance.choices(words, k=length // 3))[:length] for _ in range(messages)]
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]
