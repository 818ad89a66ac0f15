"""Runs a Python program as a host process, strikes it down at a random moment, and knows what it had accepted by then.

Each host process leads a session of its own and stays a zombie until `ChaosHost.close`, so that its id cannot come to
mean another process in between.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Callable, Mapping, Sequence

from chaos.chaos_guest import CAPACITY, FOLDER, GUARD, NUMBER_BITS
from chaos.chaos_random import seeded

TESTS = Path(__file__).resolve().parent.parent
SITE = "from chaos.chaos_guest import watch\nwatch()\n"
TICK = 0.002
START = 30.0  # seconds that an interpreter may take to start and to import the SDK, on a busy machine


class ChaosHost:
    """A host process. A context manager; starts at once.

    Args:
        program: A program's text, or the path of its file.
        folder: Where its files go: its text, its output, what it accepted.
        python: The interpreter.
        arguments: What the program finds in `sys.argv`.
        environment: Variables to set beside those of this process.
        paths: Folders to import from, besides the harness.
        seed: What the moments of strikes are drawn from.
        guard: Seconds after which the process, and each that it forks, ends itself and shows its stacks.
        capacity: How many numbers each process may note.
    """

    def __init__(
        self,
        program: str | Path,
        folder: Path,
        *,
        python: str | Path = sys.executable,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        paths: Sequence[str | Path] = (),
        seed: int = 0,
        guard: float = 60.0,
        capacity: int = 1 << 18,
    ) -> None:
        self.seed = seed
        self.folder = folder
        self._draw = seeded(seed, "host")
        self._accepted = folder / "accepted"
        self._accepted.mkdir(parents=True)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SITE)
        settings = {FOLDER: str(self._accepted), CAPACITY: str(capacity), GUARD: str(guard)}
        search = os.pathsep.join(str(path) for path in (folder / "site", TESTS, *paths))
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            self._process = subprocess.Popen(
                [str(python), str(self._file(program)), *arguments],
                env={
                    **os.environ,
                    **(environment or {}),
                    **settings,
                    "PYTHONPATH": search,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def __enter__(self) -> ChaosHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill what is left of the process and of those that it started, and let go of it."""
        if self._process.returncode is None:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    @property
    def pid(self) -> int:
        """Its process, and the group of all that it started."""
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return (self.folder / "stdout").read_text("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """What it has complained about so far."""
        return (self.folder / "stderr").read_text("utf-8", "replace")

    def tell(self, line: str) -> None:
        """Write a line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def accepted(self, session: int = 0) -> list[int]:
        """Give the numbers noted for a session, process by process, in the order of noting."""
        return self.accepted_by_session().get(session, [])

    def accepted_by_session(self) -> dict[int, list[int]]:
        """Give all noted numbers."""
        found: dict[int, list[int]] = {}
        for value in self._noted():
            session, number = divmod(value - 1, 1 << NUMBER_BITS)
            found.setdefault(session, []).append(number)
        return found

    def wait_accepted(self, count: int, timeout: float = START) -> None:
        """Return when so many numbers are noted; fail if the process ends before or it takes too long."""
        self._until(lambda: len(self._noted()) >= count, timeout, f"note {count} numbers")

    def wait_printed(self, text: str, timeout: float = START) -> None:
        """Return when this stands in its stdout; fail if the process ends before or it takes too long."""
        self._until(lambda: text in self.stdout, timeout, f"print {text!r}")

    def send(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone, not to those it started. One that has ended does not mind."""
        if self.status() is None:
            os.kill(self.pid, number)

    def strike(self, number: int = signal.SIGKILL, low: float = 0.02, high: float = 0.15, after: int = 1) -> float:
        """Send a signal at a random moment after so many numbers were noted, and give how long that was after them."""
        self.wait_accepted(after)
        pause = self._draw.uniform(low, high)
        time.sleep(pause)
        self.send(number)
        return pause

    def status(self) -> int | None:
        """Give how it ended, as `subprocess` does: -9 after SIGKILL. None while it runs."""
        if self._process.returncode is not None:
            return self._process.returncode
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def wait(self, timeout: float) -> int:
        """Give how it ended; if it does not within so many seconds, show where its threads are, and fail."""
        end = time.monotonic() + timeout
        while (status := self.status()) is None:
            if time.monotonic() > end:
                self._expose()
                raise AssertionError(self._report(f"has not ended within {timeout} s"))
            time.sleep(TICK)
        return status

    def assert_exit(self, within: float, status: int = 0) -> float:
        """Fail unless it ends so within so many seconds from now; give how many it took."""
        start = time.monotonic()
        found = self.wait(within)
        if found != status:
            raise AssertionError(self._report(f"ended with {found} instead of {status}"))
        return time.monotonic() - start

    def _file(self, program: str | Path) -> Path:
        if isinstance(program, Path):
            return program
        file = self.folder / "program.py"
        file.write_text(program, "utf-8")
        return file

    def _noted(self) -> list[int]:
        noted: list[int] = []
        for file in sorted(self._accepted.iterdir(), key=lambda path: int(path.name)):
            content = file.read_bytes().rstrip(b"\0")
            slots = array("Q", content + b"\0" * (-len(content) % 8))
            noted.extend(slot for slot in slots if slot)  # a thread may have died between taking and filling a slot
        return noted

    def _until(self, is_so: Callable[[], bool], timeout: float, what: str) -> None:
        end = time.monotonic() + timeout
        while not is_so():
            if self.status() is not None and not is_so():
                raise AssertionError(self._report(f"ended with {self.status()} before it could {what}"))
            if time.monotonic() > end:
                raise AssertionError(self._report(f"did not {what} within {timeout} s"))
            time.sleep(TICK)

    def _expose(self) -> None:
        """Have the stacks of all threads written to stderr, wait until that is quiet again, then kill."""
        before = now = len(self.stderr)
        self.send(signal.SIGUSR1)
        for _ in range(50):
            time.sleep(0.05)
            last, now = now, len(self.stderr)
            if last == now > before:
                break
        self.send(signal.SIGKILL)

    def _report(self, what: str) -> str:
        return f"the host {what} (seed {self.seed}); its stderr:\n{self.stderr[-8000:]}"
