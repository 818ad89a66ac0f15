"""What the host programs of the process-life tests share: begin, record numbered actions, note each. Python 3.8."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

from chaos.chaos_guest import accepted
from layer_sdk import layer

URL = "LIFE_URL"
SPOOL = "LIFE_SPOOL"  # the folder of a spool, and its mode: "always:/folder"
FIRST = "LIFE_FIRST"  # what is added to this process's numbers, so that several share one server


def begin(**options: Any) -> None:
    """Start the SDK against the server of the test, with its log on stderr."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    mode, _, folder = os.environ.get(SPOOL, "").partition(":")
    spool = {"spool": mode, "spool_dir": folder} if mode else {}
    layer.init(**{"base_url": os.environ[URL], "application_id": "life", **spool, **options})


def act(number: int, session_id: str | None = None) -> None:
    """Record one action; without a session it has one of its own."""
    number += int(os.environ.get(FIRST, "0"))
    with layer.action(kind="embeddings", session_id=session_id) as action:
        action.data = {"key": str(number)}
    accepted.note(number)


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
