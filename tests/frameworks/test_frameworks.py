"""What frameworks ask OpenAI is recorded once each, in the session of its context. They live in .envs/frameworks."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping
from uuid import uuid4

import pytest
import requests

if TYPE_CHECKING:
    from layer_sdk.devserver import Server
    from openai.loopback_openai import LoopbackOpenAI  # see tests/openai/conftest.py
else:
    from loopback_openai import LoopbackOpenAI

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(Path(__file__).parent.glob("app_*.py"))
PROMPT = re.compile(r"\[[\w-]+/[\w-]+\]")
ASKED = ("completion_prompt", "embeddings")

pytestmark = pytest.mark.frameworks


@dataclass(frozen=True)
class Run:
    """What came of a program.

    Attributes:
        account: What it says that it did.
        served: The requests that OpenAI got: prompt and headers.
        recorded: The actions that Layer got, by session.
    """

    account: Mapping[str, Any]
    served: list[tuple[str, Mapping[str, str]]]
    recorded: Mapping[str, list[Mapping[str, Any]]]

    def calls(self) -> Iterator[Mapping[str, Any]]:
        """Give the calls that the program made; one that was made twice comes twice."""
        for call in self.account["calls"]:
            yield from [call] * call["times"]

    def sessions(self) -> set[str]:
        """Give the sessions that the program named."""
        return {call["session_id"] for call in self.calls()} - {None}

    def named(self, session_id: str) -> str | None:
        """Give the session, or None if it is none that the program named."""
        return session_id if session_id in self.sessions() else None

    def actions(self, *kinds: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Give the actions of some kinds, each with its session."""
        for session_id, actions in self.recorded.items():
            yield from ((session_id, action) for action in actions if action["kind"] in kinds)


@pytest.fixture(scope="module", params=[program.stem[4:] for program in PROGRAMS])
def run(request: pytest.FixtureRequest, devserver: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the program of a framework in its environment, as an application of its own."""
    application_id = str(uuid4())
    with LoopbackOpenAI() as openai:
        account = play(request.param, openai.base_url, devserver.url, application_id, tmp_path_factory.mktemp("home"))
        served = [(prompt_of(each.body), each.headers) for each in openai.requests]
    return Run(account, served, recorded(devserver.url, application_id))


def play(name: str, openai: str, layer_url: str, application_id: str, home: Path) -> Mapping[str, Any]:
    """Run a program; its account."""
    python, program = ROOT / ".envs/frameworks" / name / "bin/python", Path(__file__).with_name(f"app_{name}.py")
    done = subprocess.run(
        [python, program, openai, layer_url, application_id],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    account: Mapping[str, Any] = json.loads(done.stdout)
    return account


def recorded(layer_url: str, application_id: str) -> dict[str, list[Mapping[str, Any]]]:
    """Read what Layer has of an application: the actions of each session."""
    listed = read(f"{layer_url}/dev/sessions?limit=1000000")["sessions"]
    ids = [session["session_id"] for session in listed if session["application_id"] == application_id]
    return {each: read(f"{layer_url}/dev/sessions/{each}")["actions"] for each in ids}


def read(url: str) -> Any:
    response = requests.get(url, timeout=10)
    response.raise_for_status()
    return response.json()


def prompt_of(data: object) -> str:
    """Give the prompt of a request or an action: the one thing that a program says like this."""
    (prompt,) = set(PROMPT.findall(json.dumps(data)))
    return str(prompt)


def test_a_program_says_what_openai_hears(run: Run) -> None:
    """As many requests carry a prompt as the program says: what else is compared with its account may rely on it."""
    assert Counter(call["prompt"] for call in run.calls()) == Counter(prompt for prompt, _ in run.served)


def test_each_request_is_recorded_once_in_its_session(run: Run) -> None:
    """Each request to OpenAI is one prompt in the session of its context, and nowhere else."""
    expected = Counter((call["session_id"], call["kind"], call["prompt"]) for call in run.calls())
    found = Counter(
        (run.named(session_id), action["kind"], prompt_of(action["data"])) for session_id, action in run.actions(*ASKED)
    )
    assert expected == found


def test_each_answer_is_recorded_once_in_its_session(run: Run) -> None:
    """Each answer of a model is one output in the session of its prompt, and none is an error."""
    asked = Counter(call["session_id"] for call in run.calls() if call["kind"] == "completion_prompt")
    assert asked == Counter(run.named(session_id) for session_id, _ in run.actions("completion_output"))
    assert [] == [action for _, action in run.actions(*ASKED, "completion_output") if action["error"]]


def test_each_request_outside_of_a_session_has_one_of_its_own(run: Run) -> None:
    """What is asked outside of any session is recorded in sessions of one prompt each."""
    alone = Counter(session_id for session_id, _ in run.actions(*ASKED) if not run.named(session_id))
    assert [1] * sum(call["session_id"] is None for call in run.calls()) == list(alone.values())


def test_nothing_of_layer_reaches_openai(run: Run) -> None:
    """No request to OpenAI has a header of Layer's, not even where it named the session."""
    assert [] == [name for _, headers in run.served for name in headers if "layer" in name.lower()]


def test_nothing_is_lost_and_nothing_leaves_this_machine(run: Run) -> None:
    """All that was recorded has arrived, and the framework called nobody but OpenAI and Layer."""
    stats = run.account["stats"]
    assert (True, {}, stats["accepted"]) == (run.account["flushed"], stats["dropped"], stats["sent"])
    assert [] == run.account["denied"]
