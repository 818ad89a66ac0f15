"""The matrix of clients: Azure's, the module's own functions, copies, and requests by hand."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest

from openai_sdk import ways
from openai_sdk.expected import (
    CHAT,
    CHAT_FACTS,
    HELLO,
    KNOWS_REQUEST_ID,
    STREAM,
    WHOLE,
    Fields,
    Row,
    answers,
    asks,
    facts,
    parameters,
    said,
    usage_of_chat,
)

if TYPE_CHECKING:
    from openai_sdk.conftest import Check, Host, MakeClient
    from openai_sdk.expected import Expect
    from openai_sdk.loopback_openai import LoopbackOpenAI

openai: Any = pytest.importorskip("openai")

CREATE, RAW = "chat.completions.create", "chat.completions.with_raw_response.create"
BODY: Fields = {"model": "gpt-4o", "messages": HELLO}
KINDS = pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])


def says(end: str | None = None, *, request_id: bool = KNOWS_REQUEST_ID) -> Expect:
    """Expect the usual answer."""

    def expect(body: Fields) -> list[Fields]:
        known = {**CHAT_FACTS, "finish_reasons": ["stop"]}
        attributes = facts(CHAT, body, end=end, request_id=request_id or end is not None, **known)
        answer = answers(attributes, said(WHOLE), usage=usage_of_chat() if end is None else None)
        return [asks(CHAT, body, HELLO), answer]

    return expect


def embeds(body: Fields) -> list[Fields]:
    """Expect embeddings."""
    answer = facts("/embeddings", body, request_id=KNOWS_REQUEST_ID)
    size = {"embeddings.count": 1, "embeddings.dimensions": 8}
    action = {
        "kind": "embeddings",
        "attributes": {**parameters("/embeddings", body), **answer, **size},
        "data": {"input": [body["input"]]},
        "scanners": [{"name": "usage", "data": {"prompt_tokens": 12, "total_tokens": 12}}],
    }
    return [action]


AZURE = [
    Row("plain", CREATE, BODY, ways.whole, says()),
    Row("stream", CREATE, {**BODY, "model": "azure", **STREAM}, ways.to_the_end, says("complete")),
    Row("raw", RAW, BODY, ways.parsed, says(request_id=True)),
    Row("embeddings", "embeddings.create", {"model": "embed", "input": "one"}, ways.whole, embeds),
]


@pytest.mark.parametrize("kind", ["AzureOpenAI", "AsyncAzureOpenAI"])
@pytest.mark.parametrize("row", AZURE, ids=lambda row: row.name)
def test_azure(row: Row, kind: str, check: Check) -> None:
    """Calls of Azure's clients are on record as all others are."""
    check(row, kind)


def test_azure_deployment(make_client: MakeClient, host: Host) -> None:
    """A client that is made for one of Azure's deployments is watched as well."""
    azure = make_client("AzureOpenAI", azure_deployment="mine")
    with host.layer.session() as session_id:
        azure.chat.completions.create(**BODY)
    assert says()(BODY) == host.told(session_id)


def test_module(host: Host, openai_server: LoopbackOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of the module itself are watched."""
    for name, value in {"_client": None, "api_key": "k", "base_url": f"{openai_server.base_url}/"}.items():
        monkeypatch.setattr(openai, name, value)
    with host.layer.session() as session_id:
        openai.chat.completions.create(**BODY)
    openai._client.close()
    assert says()(BODY) == host.told(session_id)


@KINDS
def test_address_of_its_own(kind: str, host: Host, openai_server: LoopbackOpenAI) -> None:
    """Of a client whose class says by itself where it sends, that is on record."""
    own: Any = getattr(openai, kind)
    elsewhere = property(lambda self: own.base_url.fget(self).copy_with(host="localhost"))
    client = type("Client", (own,), {"base_url": elsewhere})(
        api_key="k", base_url=f"{openai_server.base_url}/", max_retries=0
    )

    async def program() -> str:
        with host.layer.session() as session_id:
            await ways.now(client.chat.completions.create(**BODY))
        await ways.now(client.close())
        return session_id

    assert ["localhost"] * 2 == [each["attributes"]["openai.host"] for each in host.told(host.run(program()))]


@KINDS
def test_copies(kind: str, host: Host) -> None:
    """Copies of a client are watched."""
    client = host.client(kind).with_options(timeout=10).with_options(max_retries=1)

    async def program() -> str:
        with host.layer.session() as session_id:
            await ways.now(client.chat.completions.create(**BODY))
        return session_id

    assert says()(BODY) == host.told(host.run(program()))


def of_httpx(client: Any) -> type:
    """Give the class of the responses that this version is made of."""
    module = next(base.__module__ for base in type(client._client).__mro__ if base.__module__.startswith("httpx"))
    response: type = importlib.import_module(module.partition(".")[0]).Response
    return response


@KINDS
@pytest.mark.parametrize("url", ["/chat/completions", "chat/completions?beta=true", "{base_url}/chat/completions"])
@pytest.mark.parametrize(
    ("cast", "request_id"),
    [(lambda _: openai.types.chat.ChatCompletion, KNOWS_REQUEST_ID), (lambda _: object, False), (of_httpx, True)],
    ids=["model", "object", "response"],
)
def test_post(cast: Callable[[Any], type], request_id: bool, url: str, kind: str, host: Host) -> None:  # noqa: FBT001  (a case)
    """A request that is put together by hand is on record, wherever it says to go and whatever it wants to have."""
    client = host.client(kind)
    post = partial(client.post, url.format(base_url=str(client.base_url).rstrip("/")), cast_to=cast(client), body=BODY)

    async def program() -> str:
        with host.layer.session() as session_id:
            await ways.now(post())
        return session_id

    assert says(request_id=request_id)(BODY) == host.told(host.run(program()))
