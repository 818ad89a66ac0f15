"""What frameworks ask OpenAI is recorded once each, in the session of its context. They live in .envs/frameworks."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping
from uuid import uuid4

import pytest
import requests

from openai_sdk.loopback_openai import LoopbackOpenAI

if TYPE_CHECKING:
    from layer_sdk.devserver import Server
    from openai_sdk.loopback_openai import Received

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PROGRAMS = sorted(program.stem[4:] for program in HERE.glob("app_*.py"))
PROMPT = re.compile(r"\[[\w-]+/[\w-]+\]")
CHAT = "/chat/completions"

pytestmark = pytest.mark.frameworks


@dataclass(frozen=True)
class Run:
    """What came of a program.

    Attributes:
        account: What it says that it did; see ledger.py.
        served: The requests that OpenAI got.
        recorded: The actions that Layer got, each with its session: None if the program named no such session.
    """

    account: Mapping[str, Any]
    served: list[Received]
    recorded: list[tuple[str | None, str, Mapping[str, Any]]]

    def calls(self, kind: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Give the calls that the program made; one that was made twice comes twice."""
        for call in self.account["calls"]:
            yield from [call] * (call["times"] if kind in (None, call["kind"]) else 0)

    def actions(self, *kinds: str) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
        """Give the actions of some kinds, each with its session."""
        yield from ((named, action) for named, _, action in self.recorded if action["kind"] in kinds)


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    """The name of a program."""
    return str(request.param)


@pytest.fixture(scope="module", params=["init-last", "init-first"])
def run(
    request: pytest.FixtureRequest, program: str, devserver: Server, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Run the program in its environment, as an application of its own; `init` comes after its imports, or before."""
    application_id, files = str(uuid4()), [HERE / f"app_{program}.py"]
    if request.param == "init-first":
        files.insert(0, HERE / "early.py")
    with LoopbackOpenAI() as openai:
        arguments = [*map(str, files), openai.base_url, devserver.url, application_id]
        account = play(program, arguments, tmp_path_factory.mktemp("home"))
    sessions = {call["session_id"] for call in account["calls"]}
    recorded = [
        (session_id if session_id in sessions else None, session_id, action)
        for session_id, action in read_actions(devserver.url, application_id)
    ]
    return Run(account, openai.requests, recorded)


def play(name: str, arguments: Iterable[str], home: Path) -> Mapping[str, Any]:
    """Run a program in the environment of that name; its account."""
    done = subprocess.run(
        [str(ROOT / ".envs" / "frameworks" / name / "bin" / "python"), *arguments],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    account: Mapping[str, Any] = json.loads(done.stdout)
    return account


def read_actions(layer_url: str, application_id: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Read what Layer has of an application: its actions, each with its session."""
    for session in read(f"{layer_url}/dev/sessions?limit=1000000")["sessions"]:
        if session["application_id"] == application_id:
            url = f"{layer_url}/dev/sessions/{session['session_id']}"
            yield from ((session["session_id"], action) for action in read(url)["actions"])


def read(url: str) -> Any:
    response = requests.get(url, timeout=10)
    response.raise_for_status()
    return response.json()


def prompt_of(data: object) -> str:
    """Give the prompt in a request or an action: the one thing that a program says like this."""
    (prompt,) = set(PROMPT.findall(json.dumps(data)))
    return str(prompt)


def test_a_program_says_what_openai_hears(run: Run) -> None:
    """As many requests carry a prompt as the program says: what else is compared with its account may rely on it."""
    assert Counter(call["prompt"] for call in run.calls()) == Counter(prompt_of(each.body) for each in run.served)


def test_each_request_is_recorded_once_in_its_session(run: Run) -> None:
    """Each request to OpenAI is one prompt in the session of its context, and nowhere else."""
    expected = Counter((call["session_id"], call["kind"], call["prompt"]) for call in run.calls())
    found = run.actions("completion_prompt", "embeddings")
    assert expected == Counter((named, action["kind"], prompt_of(action["data"])) for named, action in found)


def test_each_answer_is_recorded_once_in_its_session(run: Run) -> None:
    """Each answer of a model is one output in the session of its prompt; errors are those of what was refused."""
    asked = Counter(call["session_id"] for call in run.calls("completion_prompt"))
    assert asked == Counter(named for named, _ in run.actions("completion_output"))
    refused = Counter(call["session_id"] for call in run.calls() if call["prompt"].endswith("refused]"))
    assert refused == Counter(named for named, _, action in run.recorded if action.get("error"))


def test_what_is_recorded_is_what_was_said(run: Run) -> None:
    """The messages are those that OpenAI got, and an answer that repeats a prompt stands in the prompt's session."""
    sent = Counter(json.dumps(each.body["messages"], sort_keys=True) for each in run.served if CHAT in each.path)
    prompts = [action for _, action in run.actions("completion_prompt")]
    chats = [action["data"]["messages"] for action in prompts if action["attributes"]["openai.endpoint"] == CHAT]
    assert sent == Counter(json.dumps(messages, sort_keys=True) for messages in chats)
    sessions = {call["prompt"]: call["session_id"] for call in run.calls()}
    for named, action in run.actions("completion_output"):
        for prompt in PROMPT.findall(json.dumps(action["data"])):
            assert sessions[prompt] == named


def test_calls_of_tools_are_recorded_in_their_session(run: Run) -> None:
    """A request that has no results of tools yet is answered by calls of both tools."""
    asked = Counter(named for named, action in run.actions("completion_prompt") if wants_tools(action))
    assert asked == Counter(named for named, _ in run.actions("completion_tool_call"))
    for _, action in run.actions("completion_tool_call"):
        assert ["get_weather", "get_time"] == [tool["name"] for tool in action["data"]["tools"]]


def wants_tools(prompt: Mapping[str, Any]) -> bool:
    return (prompt["attributes"]["model.id"], prompt["data"]["messages"][-1]["role"]) == ("tools", "user")


def test_each_request_outside_of_a_session_has_one_of_its_own(run: Run) -> None:
    """What is asked outside of any session is recorded in sessions of one prompt each."""
    asked = Counter(
        session_id
        for named, session_id, action in run.recorded
        if named is None and action["kind"] in ("completion_prompt", "embeddings")
    )
    assert [1] * sum(call["session_id"] is None for call in run.calls()) == list(asked.values())


def test_nothing_of_layer_reaches_openai(run: Run) -> None:
    """No request to OpenAI has a header of Layer's, not even where it named the session."""
    assert [] == [name for each in run.served for name in each.headers if "layer" in name]


def test_nothing_is_lost_and_nothing_leaves_this_machine(run: Run) -> None:
    """All that was recorded has arrived, the SDK had nothing to log, and the framework reached for no other server."""
    stats = run.account["stats"]
    assert (True, {}, stats["accepted"]) == (run.account["flushed"], stats["dropped"], stats["sent"])
    assert ([], []) == (run.account["logged"], run.account["denied"])
