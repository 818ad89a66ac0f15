"""Talks to OpenAI by LlamaIndex."""

from __future__ import annotations

import asyncio
from typing import Any

from ledger import Ledger, Talk, at_once, failure, opened
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI, OpenAIResponses
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


class Models:
    def __init__(self, ledger: Ledger) -> None:
        self._options: dict[str, Any] = {"api_base": ledger.openai, "api_key": "k", "max_retries": 0}
        self.echo = self.chat("echo")
        self.person = self.chat("json").as_structured_llm(Person)
        self.responses = OpenAIResponses(model="gpt-4o", **self._options)
        self.embeddings = OpenAIEmbedding(**self._options)

    def chat(self, model: str, **options: Any) -> OpenAI:
        """Give a model that LlamaIndex knows, by a name that the server knows."""
        return OpenAI(model="gpt-4o", additional_kwargs={"model": model}, **self._options, **options)

    def tools(self, talk: Talk, step: str) -> list[FunctionTool]:
        """Give two tools, each of which asks the model in its turn."""

        def get_weather(city: str) -> str:
            """Give the weather."""
            self.echo.complete(talk.prompt(f"{step}-weather"))
            return "sunny"

        def get_time(zone: str) -> str:
            """Give the time."""
            self.echo.complete(talk.prompt(f"{step}-time"))
            return "noon"

        return [FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(get_time)]


def said(talk: Talk, step: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=talk.prompt(step))]


def plain(models: Models, talk: Talk) -> None:
    models.echo.complete(talk.prompt("complete"))
    models.echo.chat(said(talk, "chat"))
    assert list(models.echo.stream_complete(talk.prompt("stream-complete")))
    assert list(models.echo.stream_chat(said(talk, "stream-chat")))
    assert 36 == models.person.complete(talk.prompt("structured")).raw.age
    models.responses.complete(talk.prompt("responses"))
    assert list(models.responses.stream_complete(talk.prompt("responses-stream")))
    with failure():
        models.chat("err-400").complete(talk.prompt("refused"))
    assert next(chunk for chunk in models.echo.stream_complete(talk.prompt("left-early")) if chunk.delta)
    models.embeddings.get_text_embedding(talk.prompt("embeddings", kind="embeddings"))


def threads(models: Models, talk: Talk) -> None:
    """Have a thread of the chat engine read the stream."""
    engine = SimpleChatEngine.from_defaults(llm=models.echo)
    assert "".join(engine.stream_chat(talk.prompt("engine")).response_gen)


async def plain_async(models: Models, talk: Talk) -> None:
    await models.echo.acomplete(talk.prompt("complete"))
    await models.echo.achat(said(talk, "chat"))
    assert [each async for each in await models.echo.astream_complete(talk.prompt("stream-complete"))]
    assert [each async for each in await models.echo.astream_chat(said(talk, "stream-chat"))]
    prompt = PromptTemplate(talk.prompt("structured"))
    assert 36 == (await models.chat("json").astructured_predict(Person, prompt)).age
    await models.responses.acomplete(talk.prompt("responses"))
    with failure():
        await models.chat("err-400").acomplete(talk.prompt("refused"))
    engine = SimpleChatEngine.from_defaults(llm=models.echo)
    answer = await engine.astream_chat(talk.prompt("engine"))
    assert [each async for each in answer.async_response_gen()]
    await models.embeddings.aget_text_embedding(talk.prompt("embeddings", kind="embeddings"))


async def agents_async(models: Models, talk: Talk) -> None:
    """Have a workflow run the agent, and threads its tools."""
    for streaming in (True, False):
        step = f"agent-{streaming}"
        agent = FunctionAgent(tools=models.tools(talk, step), llm=models.chat("tools"), streaming=streaming)
        await agent.run(talk.prompt(step, times=2))


def main() -> None:
    with opened() as ledger:
        models = Models(ledger)
        with ledger.session("plain") as talk:
            plain(models, talk)
        with ledger.session("threads") as talk:
            threads(models, talk)
        with ledger.session("tools") as talk:
            models.chat("tools").predict_and_call(
                models.tools(talk, "call"), talk.prompt("call"), allow_parallel_tool_calls=True
            )
        asyncio.run(at_once(ledger, models, plain_async, agents_async))
        named = ledger.named("header")
        models.chat("echo", default_headers=named.headers).complete(named.prompt("plain"))
        models.echo.complete(ledger.outside.prompt("plain"))
        assert list(models.echo.stream_complete(ledger.outside.prompt("stream")))


main()
