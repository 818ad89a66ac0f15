"""The pytest plugin for users' own tests, each time in a pytest of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parent.parent
APPLICATION = """
from layer_sdk import layer

@layer.session(attributes={"user.id": "user-001"})
def handle(question):
    with layer.action(kind="completion_prompt", attributes={"model.id": "m"}) as action:
        action.data = {"messages": [{"role": "user", "content": question}]}
    return answer(question)

@layer.action(kind="completion_output")
def answer(question):
    if not question:
        raise ValueError("no question")
    return "42", None, [{"name": "usage", "data": {"total_tokens": 3}}]
"""


@pytest.fixture(autouse=True)
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the plugin found as pip would have it found: by its entry point alone."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (declared,) = re.findall(r"^\[project\.entry-points\.pytest11\]\n(.*?)^\[", project, re.DOTALL | re.MULTILINE)
    folder = pytester.path / "installed" / "protectai_layer_sdk-1.0.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: protectai-layer-sdk\nVersion: 1.0.0\n")
    (folder / "entry_points.txt").write_text("[pytest11]\n" + declared.replace('"', ""))
    monkeypatch.setenv("PYTHONPATH", f"{folder.parent}:{ROOT}:{ROOT / 'generated'}")
    pytester.makepyfile(application=APPLICATION)


def run(pytester: pytest.Pytester, source: str, *words: str, conftest: str = "") -> pytest.RunResult:
    pytester.makepyfile(test_it=source)
    if conftest:
        pytester.makeconftest(conftest)
    options = ("-p", "no:cacheprovider", "-W", "error", *words)
    return pytester.runpytest_subprocess(*(options if "-n" in words else ("-p", "no:xdist", *options)), timeout=120)


def passed(result: pytest.RunResult, count: int) -> None:
    result.assert_outcomes(passed=count)
    assert 0 == result.ret


def test_gives_what_was_recorded_as_typed_values(pytester: pytest.Pytester) -> None:
    """Sessions have attributes and actions; actions have kind, times, attributes, data, error and scanners."""
    source = """
from datetime import datetime
import pytest
from application import handle
from layer_sdk import SessionActionKind

def test_answer(recorded):
    assert "42" == handle("?")[0]
    session = recorded.session()
    assert "user-001" == session.attributes["user.id"]
    assert "test" == session.attributes["environment"]
    assert ["completion_prompt", "completion_output"] == [each.kind for each in session.actions]
    assert session.actions == recorded.actions()
    prompt = recorded.action("completion_prompt")
    assert {"model.id": "m"} == prompt.attributes
    assert {"messages": [{"role": "user", "content": "?"}]} == prompt.data
    output = recorded.action(SessionActionKind.COMPLETION_OUTPUT)
    assert (None, session.session_id) == (output.error, output.session_id)
    assert {"total_tokens": 3} == output.scanners[0].data
    assert isinstance(output.start_time, datetime) and output.start_time <= output.end_time
    assert isinstance(session.start_time, datetime)

def test_error(recorded):
    with pytest.raises(ValueError):
        handle("")
    error = recorded.action("completion_output").error
    assert "no question" == error.message
    assert () == recorded.actions("embeddings")

def test_nothing(recorded):
    assert () == recorded.sessions() == recorded.actions()
"""
    passed(run(pytester, source), 3)


def test_tests_do_not_see_each_other(pytester: pytest.Pytester) -> None:
    """One server serves all tests; each sees its own, even in a session that two of them write to."""
    source = """
import pytest
from layer_sdk import layer
seen = []
SESSION = "2ed6657d-e927-568b-95e1-2665a8aea6a2"

@pytest.mark.parametrize("number", range(3))
def test_same(recorded, layer_server, number):
    seen.append(layer_server.url)
    layer.create_session(session_id=SESSION, wait=False)
    layer.append_action(SESSION, kind="completion_prompt", data={"n": number}, wait=False)
    with layer.session(session_id="thread-77", attributes={f"n{number}": "x"}):
        pass
    assert {"n": number} == recorded.action().data
    assert 2 == len(recorded.sessions()) and 1 == len(set(seen))
    mine, = [each for each in recorded.sessions() if each.session_id != SESSION]
    assert [f"n{number}"] == [name for name in mine.attributes if name[0] == "n"]
"""
    passed(run(pytester, source), 3)


def test_failure_shows_what_was_recorded(pytester: pytest.Pytester) -> None:
    """Who expects one action and gets another sees all that there is, and no line of the plugin's code."""
    source = """
from application import handle

def test_none(recorded):
    handle("who?")
    recorded.action("embeddings")

def test_two(recorded):
    handle("who?"), handle("how?")
    recorded.session()

def test_empty(recorded):
    recorded.session()
"""
    result = run(pytester, source)
    result.assert_outcomes(failed=3)
    told = result.stdout.str()
    assert "Failed: one embeddings was expected, and there are 0. This was recorded:" in told
    assert "  completion_prompt {'messages': [{'role': 'user', 'content': 'who?'}]}" in told
    assert "Failed: one session was expected, and there are 2." in told
    assert "nothing was recorded" in told
    assert "testing.py" not in told


def test_failure_says_what_was_lost(pytester: pytest.Pytester) -> None:
    """Where something was lost on the way, the message says so."""
    source = """
from layer_sdk import layer

def test_lost(recorded):
    layer.append_action("2ed6657d-e927-568b-95e1-2665a8aea6a2", kind="completion_prompt", wait=False)
    recorded.action()
"""
    conftest = """
import pytest

@pytest.fixture
def layer_options():
    return {"max_queue_bytes": 1}
"""
    result = run(pytester, source, conftest=conftest)
    result.assert_outcomes(failed=1)
    assert "not all of it arrived: {" in result.stdout.str()


def test_options_are_overridden(pytester: pytest.Pytester) -> None:
    """`layer_options` goes to `layer.init`; None leaves it to the application; another Layer can be waited for."""
    source = """
import pytest
from layer_sdk import Layer, layer

@pytest.fixture
def layer_options(request):
    return request.param

@pytest.mark.parametrize("layer_options", [{"application_id": "shop"}], indirect=True)
def test_given(recorded):
    layer.create_session()
    assert "shop" == recorded.session().application_id

@pytest.mark.parametrize("layer_options", [None], indirect=True)
def test_own(recorded, layer_server):
    layer.init(base_url=layer_server.url, application_id="own")
    layer.create_session(wait=False)
    assert "own" == recorded.session().application_id
    mine = Layer()
    mine.init(base_url=recorded.url, application_id="mine")
    recorded.watch(mine)
    mine.create_session(wait=False)
    assert ["own", "mine"] == [each.application_id for each in recorded.sessions()]
    mine.shutdown()
"""
    passed(run(pytester, source), 2)


def test_leaves_the_singleton_as_it_was(pytester: pytest.Pytester) -> None:
    """What was initialized before is initialized afterwards, with what it was watching; else it is not."""
    source = """
import openai
from layer_sdk import layer

def test_before():
    assert "<Layer: not initialized>" == repr(layer)

def test_within(recorded):
    assert "<Layer: application test-" in repr(layer)

def test_after(layer_server):
    assert "<Layer: not initialized>" == repr(layer)
    layer.init(base_url=layer_server.url, application_id="session-wide")
    assert "active" == layer.instrumentation_status()["openai"]["state"]

def test_within_again(recorded):
    assert "<Layer: application test-" in repr(layer)
    layer.create_session()
    recorded.session()

def test_after_again():
    assert "<Layer: application session-wide>" == repr(layer)
    assert "active" == layer.instrumentation_status()["openai"]["state"]
    layer.shutdown()
"""
    passed(run(pytester, source), 5)


def test_server_sets_nothing(pytester: pytest.Pytester) -> None:
    """`layer_server` alone leaves environment and singleton as they are."""
    source = """
import os
from layer_sdk import layer
before = dict(os.environ)

def test_server(layer_server):
    assert layer_server.url.startswith("http://127.0.0.1:")
    changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
    assert changed <= {"PYTEST_CURRENT_TEST"}
    assert "<Layer: not initialized>" == repr(layer)
"""
    passed(run(pytester, source), 1)


def test_async_tests(pytester: pytest.Pytester) -> None:
    """Async tests look at what was recorded as others do."""
    source = """
import pytest
from layer_sdk import layer

@pytest.fixture
def anyio_backend():
    return "asyncio"

@layer.action(kind="completion_output")
async def answer():
    return "42"

@pytest.mark.anyio
async def test_answer(recorded):
    async with layer.session():
        assert "42" == await answer()
    assert [{"role": "assistant", "content": "42"}] == recorded.action().data["messages"]
"""
    passed(run(pytester, source), 1)


def test_each_worker_of_xdist_has_its_own(pytester: pytest.Pytester) -> None:
    """With pytest-xdist each process has a server, and none sees what another records."""
    source = """
import pathlib
import pytest
from application import handle

@pytest.mark.parametrize("number", range(12))
def test_answer(recorded, layer_server, number):
    handle(str(number))
    assert 1 == len(recorded.sessions())
    pathlib.Path(f"url-{number}").write_text(layer_server.url)
"""
    passed(run(pytester, source, "-n", "2"), 12)
    assert 2 == len({path.read_text() for path in pytester.path.glob("url-*")})


HIDING = """
import sys

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("uvicorn", "starlette", "openapi_core", "jinja2", "yaml"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
"""


def test_page_shows_what_works(pytester: pytest.Pytester) -> None:
    """The Python blocks of docs/testing.md are files, and as files they pass."""
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n# (\S+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert page.count("```python") == len(blocks)
    for name, source in blocks:
        (pytester.path / name).write_text(source)
    passed(pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error", timeout=120), 5)


def test_missing_extra_is_told_by_the_fixture_alone(pytester: pytest.Pytester) -> None:
    """Without the packages of the devserver, tests that do not ask run; one that does says what to install."""
    source = """
def test_other():
    pass

def test_answer(recorded):
    pass
"""
    result = run(pytester, source, conftest=HIDING)
    result.assert_outcomes(passed=1, errors=1)
    told = result.stdout.str()
    assert 'pip install "protectai-layer-sdk[devserver]"' in told
    assert "Traceback" not in told


def test_plugin_loads_nothing_until_it_is_asked() -> None:
    """Who has the SDK installed and does not test with it pays for the import of the SDK's own first modules alone."""
    program = (
        "import sys, pytest\n"
        "import layer_sdk\n"
        "before = set(sys.modules)\n"
        "import layer_sdk.testing\n"
        "print(sorted(set(sys.modules) - before))\n"
        "print([name for name in ('httpx', 'requests', 'attr', 'starlette', 'click', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "generated:."},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: list[Any] = done.stdout.splitlines()
    assert ["['layer_sdk.testing']", "[]"] == found
