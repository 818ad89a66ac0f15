"""Answers are kept as they came, and read later: each is on record where it belongs, and nothing of them stays."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, cast

import pytest

from layer_sdk._ids import Unnamed, id_of
from layer_sdk.instrumentation import _patch
from layer_sdk.instrumentation._base import Target
from layer_sdk.instrumentation._snapshot import weighed_snapshot
from layer_sdk.instrumentation.openai import _background, _observer
from openai_sdk import ways
from openai_sdk.conftest import address
from openai_sdk.expected import HELLO, STREAM

if TYPE_CHECKING:
    from layer_sdk import Layer
    from openai_sdk.conftest import Host, SharedClient
    from openai_sdk.loopback_openai import LoopbackOpenAI

BODY: dict[str, Any] = {"model": "gpt-4o", "messages": HELLO}
MODELS = ("azure", "choices-null", "error-200", "json", "reasoning", "refusal")


@pytest.fixture
def client(shared_client: SharedClient) -> Any:
    """The `OpenAI` that all tests share."""
    return shared_client("OpenAI")


def expecting(client: Any) -> dict[int, list[Any]]:
    """Give who expects an answer."""
    begin = vars(type(client).request)[_patch.MARK].begin
    return begin.__self__._expecting  # type: ignore[no-any-return]


def answer_of(recorded: dict[str, Any]) -> dict[str, Any]:
    """Give what is known of the answer of a session's only call."""
    (answer,) = [each for each in recorded["actions"] if each["kind"] == "completion_output"]
    return dict(answer["attributes"])


def asked_with(
    client: Any, body: dict[str, Any] | None, session_id: str, headers: dict[str, str] | None = None, **more: Any
) -> Any:
    """Ask with this very object, as who makes a request's options by hand does; `client.post` copies it."""
    openai = pytest.importorskip("openai")
    headers = {"X-Layer-Session-Id": session_id, **(headers or {})}
    options = openai._models.FinalRequestOptions.construct(
        method="post", url="/chat/completions", headers=headers, **more
    )
    options.json_data = body
    return client.request(openai.types.chat.ChatCompletion, options)


def test_one_body_for_several_calls_at_once(
    client: Any, watched: Layer, recorded: Callable[[object], dict[str, Any]], openai_server: LoopbackOpenAI
) -> None:
    """Calls that share the very object that they ask with, and overlap, have each its own answer on record."""
    body = {"model": "slow", "messages": HELLO}
    ids = [watched.create_session() for _ in range(8)]
    waiting = len(openai_server.requests)

    def ask(number: int) -> str:
        return str(asked_with(client, body, ids[number], extra_json={"user": str(number)}).id)

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        while len(openai_server.requests) < waiting + 8:
            threading.Event().wait(0.001)
        openai_server.release()
        answers = [each.result(20) for each in asked]
    assert 8 == len(set(answers))
    assert watched.flush(20)
    assert answers == [answer_of(recorded(session_id))["model.completion_id"] for session_id in ids]
    assert {} == expecting(client)


@pytest.mark.parametrize("beside", [{}, {"X-Stainless-Raw-Response": "true"}], ids=["parsed", "raw"])
def test_call_that_fails_beside_others_with_its_body(
    client: Any,
    watched: Layer,
    recorded: Callable[[object], dict[str, Any]],
    openai_server: LoopbackOpenAI,
    beside: dict[str, str],
) -> None:
    """What others are answered meanwhile is no answer of a call that asks with the same object and has none."""
    openai = pytest.importorskip("openai")
    session_id, waiting = watched.create_session(), len(openai_server.requests)

    def ask_in_vain() -> None:
        with pytest.raises(openai.APITimeoutError):
            asked_with(client, BODY, session_id, extra_json={"model": "slow"}, timeout=1.0)

    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    while len(openai_server.requests) == waiting:
        asking.join(0.001)
    asked_with(client, BODY, watched.create_session(), beside)
    asking.join(20)
    openai_server.release()
    assert watched.flush(20)
    assert "model.completion_id" not in answer_of(recorded(session_id))


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
@pytest.mark.parametrize("most", [0, 10**9], ids=["read off the object", "kept as it came"])
def test_both_ways_say_the_same(
    monkeypatch: pytest.MonkeyPatch, host: Host, kind: str, most: int, seen: dict[str, Any]
) -> None:
    """What is too long to be read in one go is read off the object that is made of it, to the same words."""
    monkeypatch.setattr(_observer, "MOST_TEXT", most)
    client = host.client(kind)
    calls: list[Callable[[], Any]] = [
        lambda: client.chat.completions.create(**BODY),
        *[partial(client.chat.completions.create, **{**BODY, "model": model}) for model in MODELS],
        lambda: client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello"),
        lambda: client.moderations.create(input="hello"),
    ]

    async def program(call: Callable[[], Any]) -> str:
        with host.layer.session() as session_id:
            await ways.now(call())
        return session_id

    for call in calls:  # of a class that is met for the first time, an answer is read off the object
        host.run(program(call))
    read: list[object] = []

    def weigh(answer: object) -> tuple[object, int]:
        read.append(answer)
        return weighed_snapshot(answer)

    monkeypatch.setattr(_observer, "weighed_snapshot", weigh)
    told = [host.told(host.run(program(call))) for call in calls]
    assert (all(told), len(calls) * (not most)) == (True, len(read))
    assert seen.setdefault(kind, told) == told


def test_calls_without_a_body_are_not_mistaken_for_each_other(
    client: Any, watched: Layer, recorded: Callable[[object], dict[str, Any]], openai_server: LoopbackOpenAI
) -> None:
    """What stands for no body is the same object for all of them, those that fetch something included."""
    openai = pytest.importorskip("openai")
    if not hasattr(client, "responses"):
        pytest.skip("there is no responses yet")
    fetched = client.responses.create(model="gpt-4o", input="hello").id
    session_id, waiting = watched.create_session(), len(openai_server.requests)

    def ask_in_vain() -> None:
        with pytest.raises(openai.APITimeoutError):
            asked_with(client, None, session_id, extra_json={"model": "slow", "messages": HELLO}, timeout=1.0)

    asking = threading.Thread(target=ask_in_vain)
    asking.start()
    while len(openai_server.requests) == waiting:
        asking.join(0.001)
    client.responses.retrieve(fetched)
    asking.join(20)
    openai_server.release()
    assert watched.flush(20)
    assert "model.completion_id" not in answer_of(recorded(session_id))


def test_client_of_the_host_s_own_makes_what_is_recorded(
    openai_server: LoopbackOpenAI, watched: Layer, recorded: Callable[[object], dict[str, Any]]
) -> None:
    """What it gives the host is on record, rather than what came."""
    openai = pytest.importorskip("openai")

    class Gateway(openai.OpenAI):  # type: ignore[misc, name-defined]
        def _process_response_data(self, *, data: Any, cast_to: Any, response: Any) -> Any:
            return super()._process_response_data(data={**data, "id": "mine"}, cast_to=cast_to, response=response)

    with Gateway(api_key="k", **address(openai_server, "OpenAI")) as mine, watched.session() as session_id:
        for _ in range(2):
            assert "mine" == mine.chat.completions.create(**BODY).id
    assert watched.flush(20)
    answers = [each for each in recorded(session_id)["actions"] if each["kind"] == "completion_output"]
    assert ["mine", "mine"] == [each["attributes"]["model.completion_id"] for each in answers]


def test_answers_of_the_host_s_own_classes_are_read_off_them() -> None:
    """A class of its own may make of an answer what it likes."""
    openai = pytest.importorskip("openai")
    pydantic = pytest.importorskip("pydantic")
    own = pydantic.create_model("Own")
    kinds = (openai.types.chat.ChatCompletion, own, str)
    assert [True, False, False] == [_observer._own[kind] for kind in kinds]


def test_long_answer_that_a_helper_fails_on_is_recorded(
    monkeypatch: pytest.MonkeyPatch, client: Any, watched: Layer, recorded: Callable[[object], dict[str, Any]]
) -> None:
    """There is nothing else to read it off."""
    pydantic = pytest.importorskip("pydantic")
    parse = getattr(client.chat.completions, "parse", None)
    if parse is None:
        pytest.skip("there is no chat.completions.parse yet")
    monkeypatch.setattr(_observer, "MOST_TEXT", 0)
    with watched.session() as session_id, pytest.raises(pydantic.ValidationError):
        parse(**BODY, response_format=pydantic.create_model("Own", number=(int, ...)))
    assert watched.flush(20)
    assert "model.completion_id" in answer_of(recorded(session_id))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": "\u00e9"}'.encode("latin-1"), {"a": "\u00e9"}),
        (b"{", "{"),
        (b'{"a": ' + b"[" * 480 + b"]" * 480 + b', "b": 1}', None),
        (b"[" * 100_000, None),
    ],
    ids=["latin-1", "no JSON", "deep", "too deep"],
)
def test_odd_answers_are_read(content: bytes, expected: object) -> None:
    """Whatever came is read, as far as it can be."""
    found = _observer._read(content)
    assert expected is None or expected == found


def test_session_is_named_before_a_fork_can_part_it() -> None:
    """Where an answer belongs that is fetched later, perhaps by a child, is known by then."""
    session = Unnamed()
    _background._remember("resp_1", (Target(None, cast("Any", None), session, is_new=True),))
    (target,) = _background._answers.pop("resp_1") or ()
    assert (id_of(session), False) == (target.session, target.is_new)


def test_fields_that_are_null_are_left_out() -> None:
    """As they are of objects: they stand for what was not said."""
    assert {"b": {"d": 0}, "e": [{}]} == _observer._read(b'{"a": null, "b": {"c": null, "d": 0}, "e": [{"f": null}]}')


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What has been recorded, by the kind of client."""
    return {}


@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
def test_nobody_is_expected_for_ever(host: Host, kind: str) -> None:
    """Whether a call is answered, fails, is a stream or is not recorded, nothing of it is remembered."""
    openai = pytest.importorskip("openai")
    client = host.client(kind)

    async def program() -> None:
        await ways.now(client.chat.completions.create(**BODY))
        for _ in range(3):
            with pytest.raises(openai.APIStatusError):
                await ways.now(client.chat.completions.create(**{**BODY, "model": "html-500"}))
        with suppress(openai.APIStatusError):
            await ways.now(client.files.list())
        stream = await ways.now(client.chat.completions.create(**BODY, **STREAM))
        await ways.now(stream.close())
        del stream

    host.run(program())
    gc.collect()
    assert {} == expecting(client)
