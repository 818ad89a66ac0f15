"""Streams that are open when a process ends or forks: what was heard is on record, once."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Callable

import pytest

from openai_sdk.expected import LEFT, WHOLE, Fields

if TYPE_CHECKING:
    from layer_sdk.devserver import Server
    from openai_sdk.loopback_openai import LoopbackOpenAI

Said = list[tuple[Any, "str | None"]]
Program = Callable[[str], "dict[str, Said]"]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

ASKED = ("hello there", None)
BEGIN = """
import gc, os, sys
from openai import OpenAI
from layer_sdk import layer

def begin(name):
    with layer.session() as session_id:
        messages = [{"role": "user", "content": "hello there"}]
        stream = OpenAI().chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    for _ in range(4):
        next(stream)
    print(name, session_id, sep=":", flush=True)
    return stream

"""


@pytest.fixture
def program(
    devserver: Server, openai_server: LoopbackOpenAI, recorded: Callable[[str], Fields], monkeypatch: pytest.MonkeyPatch
) -> Program:
    """Run a program that opens streams, and reads of each the first three words, in a session that it gives a name."""
    environ = {
        "LAYER_BASE_URL": devserver.url,
        "LAYER_APPLICATION_ID": "my-application",
        "OPENAI_BASE_URL": openai_server.base_url,
        "OPENAI_API_KEY": "k",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def run(source: str) -> dict[str, Said]:
        command = [sys.executable, "-c", BEGIN + source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "ignored" not in done.stderr, done.stderr
        sessions = dict(line.split(":") for line in done.stdout.splitlines())
        return {name: said(recorded(session_id)["actions"]) for name, session_id in sessions.items()}

    return run


def said(actions: list[Fields]) -> Said:
    """Give the text of each action, and how its stream ended."""
    return [(each["data"]["messages"][0]["content"], each["attributes"].get("stream.end")) for each in actions]


ENDS = {"end": "pass", "exit": "sys.exit(3)", "error": "1 / 0", "cycle": "stream.mine = stream"}
EACH_ENDS = f"""
layer.init()
list(begin("before"))  # loads once what the children need
layer.shutdown()
gc.freeze()  # what a child does not look through it need not copy
for delivery in ("background", "inline"):
    for name, end in {ENDS!r}.items():
        if os.fork() == 0:
            layer.init(delivery=delivery)
            stream = begin(f"{{name}}, {{delivery}}")
            exec(end)
            sys.exit()
        os.wait()
"""


def test_end_of_the_program(program: Program) -> None:
    """However a program ends, what was heard of a stream that is open then is on record, with either delivery."""
    names = [f"{name}, {delivery}" for delivery in ("background", "inline") for name in ENDS]
    expected = {name: [ASKED, (LEFT, "shutdown")] for name in names}
    assert {"before": [ASKED, (WHOLE, "complete")], **expected} == program(EACH_ENDS)


# What the child does, and then the parent.
FORKS = {
    "child ends": ("pass", "list(stream)"),
    "child lets go": ("del stream; gc.collect()", "list(stream)"),
    "child closes": ("stream.response.close()", "list(stream)"),
    "child shuts down": ("layer.shutdown()", "list(stream)"),
    "child begins anew": ("layer.shutdown(); layer.init(); del stream", "list(stream)"),
    "parent closes": ("del stream", "stream.close()"),
}
EACH_FORKS = f"""
layer.init()
gc.freeze()  # what a child does not look through it need not copy
for name, (child, parent) in {FORKS!r}.items():
    stream = begin(name)
    if os.fork() == 0:
        exec(child)
        sys.exit()
    os.wait()
    exec(parent)
"""


def test_fork(program: Program) -> None:
    """A stream that was open when the process forked is on record once, by the process that opened it."""
    expected = {name: [ASKED, (WHOLE, "complete")] for name in FORKS}
    expected["parent closes"] = [ASKED, (LEFT, "closed")]
    assert expected == program(EACH_FORKS)
