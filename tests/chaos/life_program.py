"""What the host programs of the process-life tests share: begin, record numbered actions, note each. Python 3.8."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any, Callable
from uuid import UUID

from chaos.chaos_guest import accepted
from layer_sdk import layer

URL = "LIFE_URL"
SPOOL = "LIFE_SPOOL"  # the folder of a spool, and its mode: "always:/folder"
FIRST = "LIFE_FIRST"  # what is added to this process's numbers, so that several share one server
LATER = "LIFE_LATER"  # has a worker put actions into words, where there is one


def begin(**options: Any) -> None:
    """Start the SDK against the server of the test, with its log on stderr."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    mode, _, folder = os.environ.get(SPOOL, "").partition(":")
    spool = {"spool": mode, "spool_dir": folder} if mode else {}
    layer.init(**{"base_url": os.environ[URL], "application_id": "life", **spool, **options})


def act(number: int, session_id: str | None = None) -> None:
    """Record one action; without a session it has one of its own."""
    number += int(os.environ.get(FIRST, "0"))
    if os.environ.get(LATER):
        tell_later(Words(number), session_id)
    else:
        with layer.action(kind="embeddings", session_id=session_id) as action:
            action.data = {"key": str(number)}
    accepted.note(number)


class Words:
    """An action that the process that recorded it puts into words, and no other."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._pid = os.getpid()

    def __call__(self) -> list[dict[str, Any]]:
        """Give its fields."""
        if self._pid != os.getpid():
            tell(f"foreign {self._number}")
        return [{"kind": "embeddings", "data": {"key": str(self._number)}}]


def tell_later(words: Callable[[], list[dict[str, Any]]], session_id: str | None = None) -> None:
    """Record what this puts into words; without a session it has one of its own."""
    if session_id is None:
        with layer.session() as found:
            session_id = found
    if layer._parts is not None:
        layer._parts.recorder.append_later(UUID(session_id), 100, words)


def act_many(count: int, first: int = 0, lanes: int = 5) -> None:
    """Record actions of several sessions in turn."""
    sessions = []
    for _ in range(lanes):
        with layer.session() as session_id:
            sessions.append(session_id)
    for number in range(first, first + count):
        act(number, sessions[number % lanes])


def tell(text: str) -> None:
    """Write a line to stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_drop(reason: str, session_id: str, count: int) -> None:
    """Be an `on_drop` that writes down what was lost."""
    tell(f"dropped {reason} {count}")


class Clock:
    """Tells how many seconds passed since it was started."""

    def __init__(self) -> None:
        self._start = 0.0

    def start(self) -> None:
        """Count from now."""
        self._start = time.monotonic()

    def tell(self) -> None:
        """Write to stdout how long it took."""
        tell(f"took {time.monotonic() - self._start:.3f}")
