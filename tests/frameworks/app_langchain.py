"""Talks to OpenAI by LangChain and LangGraph."""

from __future__ import annotations

import asyncio
import os
from typing import Any, TypedDict

from ledger import Ledger, Talk, at_once, failure, opened
from pydantic import BaseModel

os.environ["LANGSMITH_TRACING"] = "false"

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore


class Person(BaseModel):
    name: str
    age: int


class State(TypedDict, total=False):
    left: str
    right: str


class Models:
    def __init__(self, ledger: Ledger) -> None:
        self._options: dict[str, Any] = {"base_url": ledger.openai, "api_key": "k", "max_retries": 0}
        self.echo = self.chat("echo")
        self.responses = self.chat("echo", use_responses_api=True)
        self.person = self.chat("json").with_structured_output(Person, method="json_schema")
        self.embeddings = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, **self._options)

    def chat(self, model: str, **options: Any) -> Any:
        return ChatOpenAI(model=model, **self._options, **options)

    def tools(self, talk: Talk, step: str) -> list[Any]:
        """Give two tools, each of which asks the model in its turn."""

        @tool  # type: ignore[untyped-decorator]
        def get_weather(city: str) -> str:
            """Give the weather."""
            self.echo.invoke(talk.prompt(f"{step}-weather"))
            return "sunny"

        @tool  # type: ignore[untyped-decorator]
        def get_time(zone: str) -> str:
            """Give the time."""
            self.echo.invoke(talk.prompt(f"{step}-time"))
            return "noon"

        return [get_weather, get_time]

    def graph(self, talk: Talk, step: str) -> Any:
        """Give a graph of two nodes that run at the same time."""
        graph = StateGraph(State)
        graph.add_node("left", lambda _: {"left": self.echo.invoke(talk.prompt(f"{step}-left")).content})
        graph.add_node("right", lambda _: {"right": self.echo.invoke(talk.prompt(f"{step}-right")).content})
        for name in ("left", "right"):
            graph.add_edge(START, name)
            graph.add_edge(name, END)
        return graph.compile()


def plain(models: Models, talk: Talk) -> None:
    models.echo.invoke(talk.prompt("plain"))
    assert "".join(chunk.content for chunk in models.echo.stream(talk.prompt("stream")))
    assert 36 == models.person.invoke(talk.prompt("structured")).age
    models.responses.invoke(talk.prompt("responses"))
    assert list(models.responses.stream(talk.prompt("responses-stream")))
    with failure():
        models.chat("err-400").invoke(talk.prompt("refused"))
    assert next(chunk for chunk in models.echo.stream(talk.prompt("left-early")) if chunk.content)


def agents(models: Models, talk: Talk) -> None:
    tools = models.tools(talk, "round")
    model = models.chat("tools").bind_tools(tools)
    messages: list[Any] = [HumanMessage(talk.prompt("round", times=2))]
    messages.append(model.invoke(messages))
    by_name = {each.name: each for each in tools}
    messages += [by_name[call["name"]].invoke(call) for call in messages[-1].tool_calls]
    assert not model.invoke(messages).tool_calls
    agent = create_agent(models.chat("tools"), models.tools(talk, "agent"))
    agent.invoke({"messages": [("user", talk.prompt("agent", times=2))]})
    models.graph(talk, "graph").invoke({})


def threads(models: Models, talk: Talk) -> None:
    models.echo.batch([talk.prompt(f"batch-{number}") for number in range(4)])
    sides = {side: RunnableLambda(lambda _, s=side: talk.prompt(f"parallel-{s}")) | models.echo for side in "ab"}
    RunnableParallel(sides).invoke({})


async def plain_async(models: Models, talk: Talk) -> None:
    await models.echo.ainvoke(talk.prompt("plain"))
    assert [chunk async for chunk in models.echo.astream(talk.prompt("stream"))]
    assert 36 == (await models.person.ainvoke(talk.prompt("structured"))).age
    await models.responses.ainvoke(talk.prompt("responses"))
    with failure():
        await models.chat("err-400").ainvoke(talk.prompt("refused"))
    await models.echo.abatch([talk.prompt(f"batch-{number}") for number in range(4)])
    in_thread = RunnableLambda(lambda step: models.echo.invoke(talk.prompt(step)))
    await in_thread.ainvoke("in-thread")


async def agents_async(models: Models, talk: Talk) -> None:
    agent = create_agent(models.chat("tools"), models.tools(talk, "agent"))
    await agent.ainvoke({"messages": [("user", talk.prompt("agent", times=2))]})
    streamed = agent.astream({"messages": [("user", talk.prompt("agent-stream", times=2))]}, stream_mode="messages")
    assert [each async for each in streamed]
    await models.graph(talk, "graph").ainvoke({})


def main() -> None:
    with opened() as ledger:
        models = Models(ledger)
        for key, program in {"plain": plain, "agents": agents, "threads": threads}.items():
            with ledger.session(key) as talk:
                program(models, talk)
        asyncio.run(at_once(ledger, models, plain_async, agents_async))
        with ledger.session("embeddings") as talk:
            models.embeddings.embed_query(talk.prompt("query", kind="embeddings"))
            # LangGraph's store asks for embeddings in a pool of threads that do not know the context.
            store = InMemoryStore(index={"embed": models.embeddings, "dims": 8})
            store.search(("notes",), query=ledger.elsewhere.prompt("store", kind="embeddings"))
        named = ledger.named("header")
        models.echo.invoke(named.prompt("plain"), extra_headers=named.headers)
        models.echo.invoke(ledger.outside.prompt("plain"))
        assert list(models.echo.stream(ledger.outside.prompt("stream")))


main()
