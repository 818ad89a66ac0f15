"""Talks to OpenAI by the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    input_guardrail,
    set_tracing_disabled,
)
from ledger import Ledger, Talk, at_once, failure, opened
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


class Models:
    def __init__(self, ledger: Ledger) -> None:
        options: dict[str, Any] = {"base_url": ledger.openai, "api_key": "k", "max_retries": 0}
        self._client = AsyncOpenAI(**options)
        self._plain = OpenAI(**options)

    def agent(self, model: str, *, responses: bool = False, **options: Any) -> Any:
        kind = OpenAIResponsesModel if responses else OpenAIChatCompletionsModel
        return Agent(name=model, model=kind(model, self._client), **options)

    def with_tools(self, talk: Talk, step: str, *, responses: bool = False) -> Any:
        """Give an agent with a tool that runs in a thread, and one that is a coroutine; both ask in their turn."""

        def get_weather(city: str) -> str:
            said = [{"role": "user", "content": talk.prompt(f"{step}-weather")}]
            self._plain.chat.completions.create(model="echo", messages=said)
            return "sunny"

        async def get_time(zone: str) -> str:
            await Runner.run(self.agent("echo"), talk.prompt(f"{step}-time"))
            return "noon"

        tools = [function_tool(get_weather), function_tool(get_time)]
        return self.agent("tools", responses=responses, tools=tools)

    def guarded(self, talk: Talk, step: str) -> Any:
        """Give an agent with a guardrail that asks the model while the agent does."""

        async def check(context: Any, agent: Any, said: Any) -> Any:
            await Runner.run(self.agent("echo"), talk.prompt(f"{step}-guardrail"))
            return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

        return self.agent("echo", input_guardrails=[input_guardrail(check)])


def plain(models: Models, talk: Talk) -> None:
    Runner.run_sync(models.agent("echo"), talk.prompt("plain"))
    assert 36 == Runner.run_sync(models.agent("json", output_type=Person), talk.prompt("structured")).final_output.age
    Runner.run_sync(models.agent("echo", responses=True), talk.prompt("responses"))
    with failure():
        Runner.run_sync(models.agent("err-400"), talk.prompt("refused"))
    Runner.run_sync(models.with_tools(talk, "agent"), talk.prompt("agent", times=2))
    Runner.run_sync(models.guarded(talk, "guarded"), talk.prompt("guarded"))


async def stream(agent: Any, prompt: str) -> None:
    result = Runner.run_streamed(agent, prompt)
    assert [event async for event in result.stream_events()]


async def plain_async(models: Models, talk: Talk) -> None:
    await Runner.run(models.agent("echo"), talk.prompt("plain"))
    person = await Runner.run(models.agent("json", output_type=Person), talk.prompt("structured"))
    assert 36 == person.final_output.age
    await stream(models.agent("echo"), talk.prompt("stream"))
    for responses in (True, False):
        with failure():
            await stream(models.agent("err-400", responses=responses), talk.prompt(f"{responses}-refused"))
    await stream(models.agent("echo", responses=True), talk.prompt("responses-stream"))
    await Runner.run(models.guarded(talk, "guarded"), talk.prompt("guarded"))
    await stream(models.guarded(talk, "guarded-stream"), talk.prompt("guarded-stream"))


async def agents_async(models: Models, talk: Talk) -> None:
    for responses in (False, True):
        for run in (Runner.run, stream):
            step = f"agent-{run.__name__}-{responses}"
            agent: Any = models.with_tools(talk, step, responses=responses)
            await run(agent, talk.prompt(step, times=2))


def main() -> None:
    set_tracing_disabled(disabled=True)
    with opened() as ledger:
        models = Models(ledger)
        with ledger.session("plain") as talk:
            plain(models, talk)
        named = ledger.named("header")
        with_header = models.agent("echo", model_settings=ModelSettings(extra_headers=named.headers))
        Runner.run_sync(with_header, named.prompt("plain"))
        Runner.run_sync(models.agent("echo"), ledger.outside.prompt("plain"))
        asyncio.run(at_once(ledger, Models(ledger), plain_async, agents_async))
        asyncio.run(stream(Models(ledger).agent("echo"), ledger.outside.prompt("stream")))


main()
