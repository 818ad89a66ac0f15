"""Talks to OpenAI by pydantic-ai."""

from __future__ import annotations

import asyncio
from typing import Any

from ledger import Ledger, Talk, at_once, failure, opened
from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, Embedder, ModelRequest, ModelSettings, NativeOutput
from pydantic_ai.direct import model_request_sync
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider


class Person(BaseModel):
    name: str
    age: int


class Models:
    def __init__(self, ledger: Ledger) -> None:
        self.provider = OpenAIProvider(base_url=ledger.openai, api_key="k")
        self.client = OpenAI(base_url=ledger.openai, api_key="k", max_retries=0)
        self.echo = self.agent("echo")
        self.person = self.agent("json", output_type=NativeOutput(Person))
        self.responses = Agent(OpenAIResponsesModel("echo", provider=self.provider))
        self.embedder = Embedder(OpenAIEmbeddingModel("embed", provider=self.provider))

    def chat(self, model: str) -> Any:
        return OpenAIChatModel(model, provider=self.provider)

    def agent(self, model: str, **options: Any) -> Any:
        return Agent(self.chat(model), **options)

    def with_tools(self, talk: Talk, step: str) -> Any:
        """Give an agent with a tool that runs in a thread, and one that is a coroutine; both ask in their turn."""
        agent = self.agent("tools")

        def get_weather(city: str) -> str:
            said = [{"role": "user", "content": talk.prompt(f"{step}-weather")}]
            self.client.chat.completions.create(model="echo", messages=said)
            return "sunny"

        async def get_time(zone: str) -> str:
            await self.echo.run(talk.prompt(f"{step}-time"))
            return "noon"

        agent.tool_plain(get_weather)
        agent.tool_plain(get_time)
        return agent


def plain(models: Models, talk: Talk) -> None:
    models.echo.run_sync(talk.prompt("plain"))
    assert list(models.echo.run_stream_sync(talk.prompt("stream")).stream_text())
    assert 36 == models.person.run_sync(talk.prompt("structured")).output.age
    models.responses.run_sync(talk.prompt("responses"))
    assert list(models.responses.run_stream_sync(talk.prompt("responses-stream")).stream_text())
    model_request_sync(models.chat("echo"), [ModelRequest.user_text_prompt(talk.prompt("direct"))])
    with failure():
        models.agent("err-400").run_sync(talk.prompt("refused"))
    models.with_tools(talk, "agent").run_sync(talk.prompt("agent", times=2))
    models.embedder.embed_query_sync(talk.prompt("embeddings", kind="embeddings"))


async def plain_async(models: Models, talk: Talk) -> None:
    await models.echo.run(talk.prompt("plain"))
    async with models.echo.run_stream(talk.prompt("stream")) as result:
        assert [each async for each in result.stream_text()]
    async with models.echo.run_stream(talk.prompt("left-early")) as result:
        async for _ in result.stream_text():
            break
    with failure():
        await models.agent("err-400").run(talk.prompt("refused"))
    assert 36 == (await models.person.run(talk.prompt("structured"))).output.age
    async with models.person.run_stream(talk.prompt("structured-stream")) as result:
        assert [each async for each in result.stream_output()]
    await models.responses.run(talk.prompt("responses"))
    async with models.responses.run_stream(talk.prompt("responses-stream")) as result:
        assert [each async for each in result.stream_text()]
    await models.embedder.embed_query(talk.prompt("embeddings", kind="embeddings"))


async def agents_async(models: Models, talk: Talk) -> None:
    await models.with_tools(talk, "agent").run(talk.prompt("agent", times=2))
    async with models.with_tools(talk, "stream").run_stream(talk.prompt("stream-agent", times=2)) as result:
        assert [each async for each in result.stream_text()]
    async with models.with_tools(talk, "iter").iter(talk.prompt("iter-agent", times=2)) as run:
        assert [node async for node in run]


def main() -> None:
    with opened() as ledger:
        models = Models(ledger)
        with ledger.session("plain") as talk:
            plain(models, talk)
        asyncio.run(at_once(ledger, Models(ledger), plain_async, agents_async))
        named = ledger.named("header")
        models.echo.run_sync(named.prompt("plain"), model_settings=ModelSettings(extra_headers=named.headers))
        models.echo.run_sync(ledger.outside.prompt("plain"))
        assert list(models.echo.run_stream_sync(ledger.outside.prompt("stream")).stream_text())


main()
