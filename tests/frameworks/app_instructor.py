"""Talks to OpenAI by instructor."""

from __future__ import annotations

import asyncio
from typing import Any, Iterator

import instructor
from ledger import Ledger, Talk, at_once, failure, opened
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, field_validator


class Person(BaseModel):
    name: str
    age: int


def doubted() -> type[BaseModel]:
    """Make a model that takes no answer but the second, so that instructor asks again."""
    answers: Iterator[int] = iter(range(2))

    class Doubted(BaseModel):
        name: str
        age: int

        @field_validator("name")
        @classmethod
        def check(cls, name: str) -> str:
            if next(answers) == 0:
                raise ValueError("not the first answer")
            return name

    return Doubted


def said(text: str, model: str = "json") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def plain(client: instructor.Instructor, talk: Talk, mode: str) -> None:
    assert 36 == client.create(response_model=Person, **said(talk.prompt(f"{mode}-plain"))).age
    person, completion = client.create_with_completion(response_model=Person, **said(talk.prompt(f"{mode}-with")))
    assert (36, "json") == (person.age, completion.model)
    partial = client.create_partial(response_model=Person, **said(talk.prompt(f"{mode}-stream")))
    assert 36 == list(partial)[-1].age
    with failure():
        client.create(response_model=Person, max_retries=1, **said(talk.prompt(f"{mode}-refused"), "err-400"))
    assert client.create(response_model=doubted(), max_retries=2, **said(talk.prompt(f"{mode}-again", times=2)))


async def plain_async(client: instructor.AsyncInstructor, talk: Talk) -> None:
    assert 36 == (await client.create(response_model=Person, **said(talk.prompt("plain")))).age
    partial = client.create_partial(response_model=Person, **said(talk.prompt("stream")))
    assert 36 == [each async for each in partial][-1].age
    with failure():
        await client.create(response_model=Person, max_retries=1, **said(talk.prompt("refused"), "err-400"))
    asked = said(talk.prompt("again", times=2))
    assert await client.create(response_model=doubted(), max_retries=2, **asked)


async def two_sessions(ledger: Ledger, options: dict[str, Any]) -> None:
    client = instructor.from_openai(AsyncOpenAI(**options), mode=instructor.Mode.JSON)  # of this event loop
    await at_once(ledger, client, plain_async)


def main() -> None:
    with opened() as ledger:
        options: dict[str, Any] = {"base_url": ledger.openai, "api_key": "k", "max_retries": 0}
        clients = {
            mode: instructor.from_openai(OpenAI(**options), mode=instructor.Mode[mode])
            for mode in ("JSON", "JSON_SCHEMA", "MD_JSON")
        }
        for mode, client in clients.items():
            with ledger.session(mode) as talk:
                plain(client, talk, mode)
        asyncio.run(two_sessions(ledger, options))
        client, named = clients["JSON"], ledger.named("header")
        client.create(response_model=Person, extra_headers=named.headers, **said(named.prompt("plain")))
        client.create(response_model=Person, **said(ledger.outside.prompt("plain")))
        assert list(client.create_partial(response_model=Person, **said(ledger.outside.prompt("stream"))))


main()
