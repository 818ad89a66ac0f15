"""What type checkers are to infer of users' code. `mypy --strict` reads this file, nothing runs it.

`assert_type` says what must come out; a `type: ignore` says what must be refused, and is an error where it is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from uuid import UUID

from typing_extensions import assert_type

from layer_api.api.applications import list_applications
from layer_api.client import Client
from layer_sdk import (
    APIKey,
    AuthProvider,
    BearerToken,
    FirewallLookupDecision,
    FirewallSessionLookupResponse,
    Layer,
    LayerHTTPError,
    OIDCClientCredentials,
    SessionActionError,
    SessionActionKind,
    SessionActionScanner,
    layer,
)
from layer_sdk._recording import Action
from layer_sdk.schemas import Application

if TYPE_CHECKING:
    import requests

__all__ = [
    "check_arguments",
    "check_async_blocks",
    "check_async_methods",
    "check_blocks",
    "check_callables",
    "check_coroutines",
    "check_errors",
    "check_explicit_calls",
    "check_functions",
    "check_methods",
    "check_providers",
    "check_raw_clients",
    "check_twins",
]

PROMPT = SessionActionKind.COMPLETION_PROMPT


# ---- decorators keep the type of what they decorate


@layer.session(attributes={"user.id": "user-001"})
def handle(question: str, session_id: UUID | None = None) -> str:
    return f"{question} {session_id}"


@layer.action(kind=PROMPT, attributes={"model.id": "gpt-4o-mini", "temperature": 0.2})
def prompt(question: str, *, times: int = 1) -> list[str]:
    return [question] * times


@layer.action(kind="completion_output")
def with_scanners(question: str) -> tuple[dict[str, str], None, list[SessionActionScanner]]:
    return {"said": question}, None, [SessionActionScanner(name="usage", data={"total_tokens": 9})]


@layer.session()
@layer.action(kind="completion_output")
async def answer(question: str) -> int:
    return len(question)


@layer.action(kind="completion_output")
def words(question: str) -> Generator[str, int, bool]:
    sent = yield question
    return sent > 1


@layer.session()
def lines(question: str) -> Iterator[str]:
    yield question


@layer.session()
async def stream(question: str) -> AsyncGenerator[str, int]:
    yield question


@layer.action(kind="completion_output")
async def chunks(question: str) -> AsyncIterator[bytes]:
    yield question.encode()


@layer.session()
def needs_session(session_id: UUID) -> None:
    assert_type(session_id, UUID)


def check_functions() -> None:
    assert_type(handle("?"), str)
    assert_type(handle("?", UUID(int=0)), str)
    assert_type(prompt("?", times=2), list[str])
    assert_type(with_scanners("?"), tuple[dict[str, str], None, list[SessionActionScanner]])
    assert_type(words("?"), Generator[str, int, bool])
    assert_type(lines("?"), Iterator[str])
    assert_type(stream("?"), AsyncGenerator[str, int])
    assert_type(chunks("?"), AsyncIterator[bytes])
    handle(1)  # type: ignore[arg-type]
    handle("?", "not a UUID")  # type: ignore[arg-type]
    prompt("?", 2)  # type: ignore[call-arg]
    prompt("?", lines=2)  # type: ignore[call-arg]
    stream(1)  # type: ignore[arg-type]
    # The type is kept, so a parameter that the decorator would fill in needs a default to be left out.
    needs_session()  # type: ignore[call-arg]


async def check_coroutines() -> None:
    assert_type(await answer("?"), int)
    assert_type([word async for word in stream("?")], list[str])
    async for chunk in chunks("?"):
        assert_type(chunk, bytes)
    await answer(1)  # type: ignore[arg-type]
    await prompt("?")  # type: ignore[misc]


class Agent:
    @layer.session()
    def method(self, question: str) -> str:
        return question

    @layer.action(kind=PROMPT)
    async def coroutine(self, question: str) -> bytes:
        return question.encode()

    @staticmethod
    @layer.action(kind=PROMPT)
    def static(question: str) -> float:
        return float(question)

    @classmethod
    @layer.action(kind=PROMPT)
    def of(cls, question: str) -> Agent:
        return cls()

    @property
    @layer.action(kind=PROMPT)
    def last(self) -> int:
        return 1

    def __call__(self, question: str) -> complex:
        return complex(question)


def check_methods(agent: Agent) -> None:
    assert_type(agent.method("?"), str)
    assert_type(Agent.static("?"), float)
    assert_type(Agent.of("?"), Agent)
    assert_type(agent.last, int)
    assert_type(layer.action(kind=PROMPT)(agent)("1j"), complex)
    assert_type(layer.action(kind=PROMPT)(agent.method)("?"), str)
    agent.method()  # type: ignore[call-arg]
    Agent.static(1)  # type: ignore[arg-type]
    layer.action(kind=PROMPT)(agent)(1)  # type: ignore[arg-type]


async def check_async_methods(agent: Agent) -> None:
    assert_type(await agent.coroutine("?"), bytes)


def check_callables(plain: Callable[[int], str], waiting: Callable[[int], Awaitable[str]]) -> None:
    assert_type(layer.session()(plain), Callable[[int], str])
    assert_type(layer.action(kind=PROMPT)(waiting), Callable[[int], Awaitable[str]])
    layer.session()(1)  # type: ignore[type-var]
    layer.action(kind=PROMPT)("text")  # type: ignore[type-var]


# ---- context managers


def check_blocks() -> int:
    with layer.session(attributes={"user.id": "user-001"}) as session_id, layer.action(kind=PROMPT) as action:
        assert_type(session_id, str)
        assert_type(action, Action)
        assert_type(action.session_id, str)
        assert_type(action.attributes, dict[str, Any])
        action.data = {"messages": []}
        action.error = ValueError("went wrong")
        str(action.session)  # type: ignore[attr-defined]
        return 1
    # A block that could swallow exceptions would make mypy ask for a value here.


async def check_async_blocks() -> int:
    async with layer.session() as session_id, layer.action(kind="moderation", session_id=session_id) as action:
        assert_type(session_id, str)
        assert_type(action, Action)
        return 1


def check_arguments() -> None:
    layer.session(session_id=UUID(int=0))
    layer.session(session_id="thread-77", attributes={"user.id": "user-001"})
    layer.action(kind=PROMPT, session_id=UUID(int=0))
    layer.action()  # type: ignore[call-arg]
    layer.action(kind=1)  # type: ignore[arg-type]
    layer.action("moderation")  # type: ignore[call-arg]
    layer.session("thread-77")  # type: ignore[call-arg]
    layer.session(attributes=["user.id"])  # type: ignore[arg-type]
    layer.session(session_id=7)  # type: ignore[arg-type]
    layer.session(attribute={})  # type: ignore[call-arg]


@layer.session  # type: ignore[call-arg, arg-type]
def without_parentheses() -> None:
    pass


# ---- explicit calls and their awaitable twins


def check_explicit_calls() -> None:
    session_id = layer.create_session(
        attributes={"user.id": "user-001"}, start_time="2026-03-02T09:30:00Z", actions=[{"kind": "moderation"}]
    )
    assert_type(session_id, str)
    layer.append_action(session_id, kind=PROMPT, data={"input": []}, error=ValueError())
    layer.append_action(UUID(session_id), kind="moderation", error=SessionActionError(message="refused"))
    assert_type(layer.list_applications(), list[Application])
    assert_type(layer.get_applications_by_name(), dict[str, str])
    assert_type(layer.create_application("support-assistant"), str)
    assert_type(layer.session_id_for("thread-77"), str)
    assert_type(layer.flush(1.0), bool)
    assert_type(layer.stats(), dict[str, Any])
    found = layer.firewall_session_lookup(session_id)
    assert_type(found, FirewallSessionLookupResponse)
    assert_type(found.decision, FirewallLookupDecision)
    layer.create_session(attributes={"user.id": 7})  # type: ignore[dict-item]
    layer.append_action(session_id)  # type: ignore[call-arg]
    layer.append_action(7, kind=PROMPT)  # type: ignore[arg-type]
    layer.append_action(session_id, kind=PROMPT, error=7)  # type: ignore[arg-type]
    Layer().init(base_url="https://layer.example.com", applicationid="a")  # type: ignore[call-arg]
    Layer().init("https://layer.example.com")  # type: ignore[call-arg]


async def check_twins() -> None:
    session_id = await layer.acreate_session(attributes={"user.id": "user-001"})
    assert_type(session_id, str)
    assert_type(await layer.afirewall_session_lookup(session_id), FirewallSessionLookupResponse)
    await layer.aappend_action(session_id, kind=PROMPT, data={"input": []})
    await layer.acreate_session(attributes={"user.id": 7})  # type: ignore[dict-item]
    await layer.aappend_action(session_id)  # type: ignore[call-arg]
    await layer.create_session()  # type: ignore[misc]


def check_errors(error: LayerHTTPError) -> None:
    assert_type(error.status_code, int)
    assert_type(error.response_data, str)
    assert_type(error.request_id, str | None)


# ---- credentials


class Ticket(AuthProvider):
    def get_headers(self) -> dict[str, str]:
        return {"X-Ticket": "t-1"}

    def invalidate(self) -> None:
        pass


class TicketThatIsTold(Ticket):
    def invalidate(self, refused: Mapping[str, str] | None = None) -> None:
        pass


def check_providers(session: requests.Session) -> None:
    providers: list[AuthProvider] = [
        Ticket(),
        TicketThatIsTold(),
        BearerToken("t"),
        BearerToken(lambda: "t", allow_insecure=True),
        APIKey("X-API-Key", lambda: "k"),
        OIDCClientCredentials(client_secret=lambda: "s", http_session=session, extra_parameters={"resource": "r"}),
        OIDCClientCredentials(client_secret_file=Path("s"), client_auth="private_key_jwt", private_key_file="k"),
    ]
    assert_type(providers[0].get_headers(), dict[str, str])
    Layer().init(auth_provider=providers[0])
    OIDCClientCredentials("https://sso.example.com")  # type: ignore[call-arg]
    OIDCClientCredentials(client_secret=b"s")  # type: ignore[arg-type]
    BearerToken()  # type: ignore[call-arg]
    APIKey("X-API-Key")  # type: ignore[call-arg]
    AuthProvider()  # type: ignore[abstract]


# ---- raw clients


async def check_raw_clients() -> None:
    assert_type(layer.raw, Client)
    assert_type(layer.raw_async, Client)
    assert_type(layer.raw_firewall, Client)
    answered = list_applications.sync_detailed(client=layer.raw)
    awaited = await list_applications.asyncio_detailed(client=layer.raw_async)
    assert_type(answered.parsed, Any | list[Application] | None)
    assert_type(awaited.parsed, Any | list[Application] | None)
    list_applications.sync_detailed(client=layer)  # type: ignore[arg-type]
