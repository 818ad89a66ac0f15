"""A fake Layer in a process of its own: fast, in memory, switchable while traffic runs, and it remembers everything.

It is no second devserver: it checks next to nothing of what it is sent. What it is for is faults, and to tell
afterwards what arrived, how often, in which order, and how much of it at once.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from chaos.fake_layer_state import Asked, Outcome, Record, Seen

TESTS = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # for an answer over the control channel; a snapshot of a long soak is large


class Disorder(NamedTuple):
    """An action that was accepted for the first time after one that comes later."""

    session: str
    earlier: str
    later: str


class FakeLayer:
    """Runs the fake Layer and talks to it. A context manager; thread-safe.

    Args:
        seed: What chance is drawn from.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.host = "127.0.0.1"
        self.port = 0
        self._lock = threading.Lock()
        self._channel: Any = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> FakeLayer:
        self._channel, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-m", "chaos.fake_layer_process", str(theirs.fileno())],
                env={**os.environ, "PYTHONPATH": str(TESTS)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.port = int(self._answer())
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the control channel, which the process takes for the end."""
        self._channel.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid if self._process else 0

    def switch(self, **changes: Any) -> None:
        """Change some of the `Switches`; the others stay as they are."""
        self._ask("switch", changes)

    def reset(self, seed: int | None = None) -> None:
        """Put all switches back, close all connections, and forget everything."""
        self.seed = self.seed if seed is None else seed
        self._ask("reset", self.seed)

    def forget(self) -> None:
        """Know none of the sessions any more; what was accepted stays on record."""
        self._ask("forget")

    def snapshot(self) -> Record:
        """Give everything that happened since the last reset."""
        record = self._ask("snapshot")
        assert isinstance(record, Record)
        return record

    def errors(self) -> list[str]:
        """Give the mistakes that the fake itself made."""
        return list(self._ask("errors"))

    def count(self) -> int:
        """Give how many actions with different keys were accepted, by session."""
        return int(self._ask("count"))

    def wait_for(self, count: int, timeout: float) -> None:
        """Return when so many actions were accepted (each counts once), and fail if that takes too long."""
        end = time.monotonic() + timeout
        while (found := self.count()) < count:
            if time.monotonic() > end:
                outcomes = dict(self.snapshot().counts)
                raise AssertionError(f"{found} of {count} actions within {timeout} s (seed {self.seed}): {outcomes}")
            time.sleep(0.005)

    def keys(self) -> list[str]:
        """Give the keys of all accepted actions, session by session."""
        return [key for keys in self.keys_by_session().values() for key in keys]

    def keys_by_session(self) -> dict[str, list[str]]:
        """Give the keys of each session's accepted actions, in order."""
        return self.snapshot().sessions

    def duplicates(self) -> dict[tuple[str, str], int]:
        """Give session, key and number of the actions that were accepted more than once."""
        return {
            (session, key): times
            for session, keys in self.keys_by_session().items()
            for key, times in Counter(keys).items()
            if key and times > 1
        }

    def order_violations(self) -> list[Disorder]:
        """Give the actions that came for the first time after a later one; later says the number at a key's end."""
        return [found for session, keys in self.keys_by_session().items() for found in _disorder(session, keys)]

    def idempotency_keys(self) -> dict[str, Seen]:
        """Give how often each Idempotency-Key came, and the sha256 of each body that came with it."""
        return self.snapshot().idempotency

    def changed_bodies(self) -> dict[str, Seen]:
        """Give the Idempotency-Keys that came with more than one body."""
        return {key: seen for key, seen in self.idempotency_keys().items() if len(seen.bodies) > 1}

    def requests(self, operation: str | None = None, outcome: Outcome | None = None) -> list[Asked]:
        """Give the requests that ended, those of an operation or with an outcome if one is named."""
        found = self.snapshot().requests
        return [
            each
            for each in found
            if operation in (None, each.operation) and (outcome is None or outcome == each.outcome)
        ]

    def most_in_flight(self) -> int:
        """Give how many requests of one session were being answered at once, at the most."""
        return max(self.snapshot().most_in_flight.values(), default=0)

    def _ask(self, name: str, argument: object = None) -> Any:
        with self._lock:
            self._channel.send((name, argument))
            return self._answer()

    def _answer(self) -> Any:
        if not self._channel.poll(PATIENCE):
            raise AssertionError(f"the fake Layer has not answered for {PATIENCE} s")
        error, value = self._channel.recv()
        if error is not None:
            raise ValueError(error)
        return value


def _disorder(session: str, keys: list[str]) -> list[Disorder]:
    found, last, highest = [], "", -1
    for key in dict.fromkeys(keys):
        number = _number(key)
        if number is None:
            continue
        if number < highest:
            found.append(Disorder(session, key, last))
        else:
            last, highest = key, number
    return found


def _number(key: str) -> int | None:
    digits = re.search(r"\d+$", key)
    return int(digits[0]) if digits else None
