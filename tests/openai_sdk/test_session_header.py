"""The header by which a call names its session: it decides, and OpenAI never gets to see it."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any, Callable

import pytest

from openai_sdk import ways
from openai_sdk.expected import HELLO, STREAM, Fields

if TYPE_CHECKING:
    from openai_sdk.conftest import Host, Requests

openai: Any = pytest.importorskip("openai")
models: Any = pytest.importorskip("openai._models")
omit: Any = pytest.importorskip("openai._types").Omit

NAME, OTHER = "X-Layer-Session-Id", "Layer-Session-Id"
BODY: Fields = {"model": "gpt-4o", "messages": HELLO}
CALL = ["completion_prompt", "completion_output"]
KINDS = pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])


def kinds(actions: list[Fields]) -> list[str]:
    return [action["kind"] for action in actions]


def sent(requests: Requests) -> list[str]:
    """List the names of all that was sent of the header."""
    return [name for received in requests() for name in received.headers if name.endswith("layer-session-id")]


# ---- where it stands, what it is called, what it holds


@pytest.mark.parametrize("name", [NAME, NAME.lower(), NAME.upper(), OTHER, OTHER.lower()])
@pytest.mark.parametrize("place", ["call", "client", "copy"])
def test_header(place: str, name: str, host: Host, openai_requests: Requests) -> None:
    """A header of the call or of the client names the session, by both names and in any case."""
    session_id = host.layer.create_session()
    client, headers = host.client("OpenAI"), {name: session_id}
    if place != "call":
        client = client.copy(default_headers=headers)
    if place == "copy":
        client = client.with_options(timeout=10).with_options(max_retries=1)
    with host.layer.session() as current:
        client.chat.completions.create(**BODY, extra_headers=headers if place == "call" else None)
    assert CALL == kinds(host.told(session_id))
    assert [] == host.told(current)
    assert [] == sent(openai_requests)


@KINDS
@pytest.mark.parametrize("form", [uuid.UUID, str.upper, str.encode, "  {} ".format], ids=lambda form: form.__name__)
def test_form(form: Callable[[str], Any], kind: str, host: Host, openai_requests: Requests) -> None:
    """The id may be a UUID, in any case, bytes, or text with blanks around it."""
    session_id = host.layer.create_session()
    host.run(send(host, kind, {NAME: form(session_id)}))
    assert CALL == kinds(host.told(session_id))
    assert [] == sent(openai_requests)


async def send(host: Host, kind: str, headers: Fields, **more: Any) -> Any:
    """Make a call with these headers."""
    return await ways.now(host.client(kind).chat.completions.create(**{**BODY, **more}, extra_headers=headers))


@pytest.mark.parametrize("way", ["with_raw_response", "with_streaming_response", "stream"])
def test_other_calls(way: str, host: Host, openai_requests: Requests) -> None:
    """The header is heeded and taken off however the answer is wanted."""
    session_id = host.layer.create_session()
    completions, headers = host.client("OpenAI").chat.completions, {NAME: session_id}
    if way == "with_raw_response":
        completions.with_raw_response.create(**BODY, extra_headers=headers)
    elif way == "stream":
        list(completions.create(**BODY, **STREAM, extra_headers=headers))
    else:
        with completions.with_streaming_response.create(**BODY, extra_headers=headers) as response:
            response.read()
    assert CALL == kinds(host.told(session_id))
    assert [] == sent(openai_requests)


# ---- what wins


def test_precedence(host: Host) -> None:
    """The call's header wins over the client's, and that over the current session."""
    of_call, of_client = host.layer.create_session(), host.layer.create_session()
    client = host.client("OpenAI").copy(default_headers={NAME.lower(): of_client})
    with host.layer.session() as current:
        client.chat.completions.create(**BODY, extra_headers={NAME: of_call})
        client.embeddings.create(model="embed", input="one")
        host.client("OpenAI").moderations.create(input="fine")
    assert [CALL, ["embeddings"], ["moderation"]] == [kinds(host.told(each)) for each in (of_call, of_client, current)]


def test_both_names(host: Host, openai_requests: Requests) -> None:
    """Of the two names the longer one wins."""
    first, second = host.layer.create_session(), host.layer.create_session()
    host.run(send(host, "OpenAI", {OTHER: second, NAME: first}))
    assert [CALL, []] == [kinds(host.told(each)) for each in (first, second)]
    assert [] == sent(openai_requests)


@pytest.mark.parametrize("value", [omit(), None, "", "  "], ids=["Omit", "None", "empty", "blank"])
def test_no_header(value: object, host: Host, openai_requests: Requests) -> None:
    """A header that is omitted, or empty, is none: neither the client's counts nor is it sent."""
    of_client = host.layer.create_session()
    client = host.client("OpenAI").copy(default_headers={NAME: of_client})
    with host.layer.session() as current:
        client.chat.completions.create(**BODY, extra_headers={NAME: value})
    assert [CALL, []] == [kinds(host.told(each)) for each in (current, of_client)]
    assert [] == sent(openai_requests)


def test_natural_key(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    """An id that is no UUID is a natural key: the same session each time, begun once, with one warning."""
    key = f"conversation {uuid.uuid4()}"
    with caplog.at_level(logging.WARNING, "layer_sdk"):
        for kind in ("OpenAI", "AsyncOpenAI", "OpenAI"):
            host.run(send(host, kind, {NAME: key}))
    assert 3 * CALL == kinds(host.told(host.layer.session_id_for(key)))
    assert ["A session id that is no version 5 UUID was taken as a natural key; see layer.session_id_for"] == [
        record.getMessage() for record in caplog.records
    ]


# ---- what it leaves as it was


@KINDS
@pytest.mark.parametrize("model", ["gpt-4o", "err-400"])
def test_headers_of_the_host(model: str, kind: str, host: Host, openai_requests: Requests) -> None:
    """Neither the dict of the call nor the headers of the client are changed, and others are sent."""
    own, standing = {NAME: host.layer.create_session(), "X-Mine": "1"}, {OTHER: "c", "X-Ours": "2"}
    client = host.client(kind).copy(default_headers=standing)
    before = dict(client._custom_headers)
    call = ways.whole if model == "gpt-4o" else ways.failing(ways.whole)
    host.run(call(lambda: client.chat.completions.create(model=model, messages=HELLO, extra_headers=own)))
    assert {"X-Mine", NAME} == set(own)
    assert {"X-Ours": "2", OTHER: "c"} == standing
    assert before == dict(client._custom_headers)
    (received,) = openai_requests()
    assert ("1", "2") == (received.headers["x-mine"], received.headers["x-ours"])
    assert [] == sent(openai_requests)


@KINDS
def test_other_endpoints(kind: str, host: Host, openai_requests: Requests) -> None:
    """Of calls that are not recorded the header is taken off as well."""
    session_id = host.layer.create_session()
    client = host.client(kind)

    async def program() -> None:
        await ways.read(await ways.now(client.models.list(extra_headers={NAME: session_id})))
        copy = client.with_options(default_headers={NAME: session_id})
        await ways.now(copy.models.retrieve("gpt-4o"))
        await ways.failing(ways.whole)(lambda: copy.post("/nowhere", cast_to=object, body={}))

    host.run(program())
    assert [] == host.told(session_id)
    assert 3 == len(openai_requests())
    assert [] == sent(openai_requests)


@KINDS
@pytest.mark.parametrize("model", ["gpt-4o", "err-400"])
def test_options_used_again(model: str, kind: str, host: Host, openai_requests: Requests) -> None:
    """Options of a request that the host made itself are after the call as they were, and good for another one."""
    session_id = host.layer.create_session()
    headers, parser = {NAME: session_id, "X-Mine": "1"}, lambda answer: answer
    options = models.FinalRequestOptions.construct(
        method="post", url="/chat/completions", json_data={**BODY, "model": model}, headers=headers, post_parser=parser
    )
    held = options.headers
    request, cast = host.client(kind).request, openai.types.chat.ChatCompletion
    way = ways.whole if model == "gpt-4o" else ways.failing(ways.whole)
    for call in (lambda: request(cast, options), lambda: request(cast_to=cast, options=options)):
        host.run(way(call))
        assert held is options.headers
        assert headers == held
        assert parser is options.post_parser
    assert 2 * CALL == kinds(host.told(session_id))
    assert ["1", "1"] == [received.headers["x-mine"] for received in openai_requests()]
    assert [] == sent(openai_requests)


def test_options_of_another_endpoint_used_again(host: Host, openai_requests: Requests) -> None:
    """So are the options of a request that is not recorded."""
    headers = {NAME: host.layer.create_session()}
    options = models.FinalRequestOptions.construct(method="get", url="/models", headers=headers)
    held = options.headers
    for _ in range(2):
        host.client("OpenAI").request(object, options)
        assert held is options.headers
        assert headers == held
    assert [] == sent(openai_requests)
