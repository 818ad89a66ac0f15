"""Use an installed SDK against the Layer at the URL given, on any Python it supports: every door once.

Run by scripts/compat.py with the wheel and its declared dependencies alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any, Iterator
from urllib.request import urlopen
from uuid import UUID

from layer_api.api.sessions import create_session
from layer_sdk import LayerHTTPError, SessionActionKind, SessionRequest, layer


@layer.session(attributes={"user.id": "u"})
def converse(session_id: UUID | None = None) -> UUID | None:
    """Record a prompt and an answer that streams."""
    ask("Hello")
    "".join(stream())
    asyncio.run(embed())
    return session_id


@layer.action(kind=SessionActionKind.COMPLETION_PROMPT)
def ask(question: str) -> str:
    """Record a plain function."""
    return question


@layer.action(kind="completion_output")
def stream() -> Iterator[str]:
    """Record a generator."""
    yield "Good "
    yield "day"


@layer.action(kind="embeddings")
async def embed() -> list[str]:
    """Record a coroutine."""
    return ["text"]


def recorded(url: str, session_id: object) -> list[Any]:
    """Read what arrived."""
    with urlopen(f"{url}/dev/sessions/{session_id}", timeout=10) as response:
        return list(json.load(response)["actions"])


def main(url: str) -> None:
    """Use each door, and see that what was recorded arrived."""
    layer.init(base_url=url, application_name="smoke", environment="test")
    conversation = converse()
    assert layer.flush(10)
    contents = [json.dumps(action["data"]) for action in recorded(url, conversation)]
    assert ["Hello" in contents[0], "Good day" in contents[1], "text" in contents[2]] == [True] * 3, contents
    session_id = asyncio.run(layer.acreate_session())
    asyncio.run(layer.aappend_action(session_id, kind="moderation", data={"input": ["x"]}))
    assert len(recorded(url, session_id)) == 1
    created = create_session.sync_detailed(client=layer.raw, body=SessionRequest(application_id="raw"))
    assert created.status_code == 201
    assert refusal() == 404
    assert layer.stats()["dropped"] == {}
    layer.shutdown()
    missing_extra()


def refusal() -> int:
    """Append to a session that is not there."""
    try:
        layer.append_action(UUID(int=1), kind="embeddings")
    except LayerHTTPError as error:
        return int(error.status_code)
    return 0


def missing_extra() -> None:
    """See that the command line names the extras which are not installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-m", "layer_sdk", "dev"], stderr=subprocess.PIPE, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"protectai-layer-sdk[cli]" in done.stderr, done.stderr
    assert b"protectai-layer-sdk[devserver]" in done.stderr, done.stderr


if __name__ == "__main__":
    main(sys.argv[1])
