"""The processes that are measured: a peer's, and a plain one in the same environment beside it."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from environments import FOLDER, interpreter, variables

WORKER = Path(__file__).with_name("openai_worker.py")


class Servers(NamedTuple):
    """Where the fake OpenAI and the sink answer."""

    openai: str
    sink: str


class Order(NamedTuple):
    """A block of calls.

    Attributes:
        call: Its name in `Calls`.
        calls: How many.
        tasks: How many tasks share them; 0 where they are not awaited.
        threads: How many threads share them; 0 for the main one alone.
        session: `one` around all of them, `each` in one of its own, or empty.
        is_flushed: Whether what they set off is waited for.
        seconds: Those after which no further call is begun.
    """

    call: str
    calls: int
    tasks: int = 0
    threads: int = 0
    session: str = ""
    is_flushed: bool = True
    seconds: float = 60


class Block(NamedTuple):
    """Calls made: the nanoseconds of each, of all, of the flush after it, and of the processor until that was done."""

    times: list[int]
    failed: int
    wall: int
    flush: int
    cpu: int
    memory: int
    peak: int
    threads: int

    @property
    def wall_each(self) -> float:
        """Microseconds a call, from its beginning to its end: the median, what a rare long one takes is in the p99."""
        return statistics.median(self.times) / 1000

    @property
    def cpu_each(self) -> float:
        """Microseconds of the processor a call."""
        return self.cpu / len(self.times) / 1000


class Worker:
    """A client in a process of its own, instrumented by a peer (`none` for a plain one), in some peer's environment."""

    def __init__(self, environment: str, peer: str, servers: Servers) -> None:
        command = [interpreter(environment), str(WORKER), peer, *servers]
        self._log = FOLDER / f"{peer}.log"
        with self._log.open("ab") as log:  # where a terminal would be slower with some than with others
            self._process = subprocess.Popen(
                command,
                cwd=tempfile.gettempdir(),
                env=variables(environment, peer),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.made = 0
        self.versions: dict[str, str] = {}

    def begun(self) -> None:
        """Wait until it is ready."""
        self.versions = self._answer()

    def end(self, timeout: float = 60) -> float:
        """End the process, by the end of its input; the seconds that it takes, at most those given."""
        began = time.perf_counter()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return time.perf_counter() - began

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A worker ended, see {self._log}: {self._process.args!r}")
        return json.loads(line)

    def block(self, order: Order) -> Block:
        """Have a block of calls made."""
        assert self._process.stdin is not None
        print(json.dumps(order._asdict()), file=self._process.stdin, flush=True)
        block = Block(**self._answer())
        self.made += len(block.times)
        return block


class Pair(NamedTuple):
    """A peer beside the plain client in its environment."""

    plain: Worker
    peer: Worker

    def take(self, order: Order, *, peer_first: bool) -> tuple[Block, Block]:
        """Take a block of each, now one first, now the other; the plain one's, and the peer's."""
        blocks = {worker: worker.block(order) for worker in (self[::-1] if peer_first else self)}
        return blocks[self.plain], blocks[self.peer]


@contextmanager
def pairs_of(peers: list[str], servers: Servers) -> Iterator[dict[str, Pair]]:
    """Start the two processes of each peer, and end them."""
    with ExitStack() as stack:
        pairs = {}
        for peer in peers:
            pairs[peer] = Pair(Worker(peer, "none", servers), Worker(peer, peer, servers))
            for worker in pairs[peer]:
                stack.callback(worker.end)
                worker.begun()
        yield pairs


def ended_together(workers: dict[str, Worker], timeout: float) -> dict[str, float]:
    """End processes that have nothing to do but to wait, all at once; the seconds that each takes."""
    took: dict[str, float] = {}

    def end(name: str, worker: Worker) -> None:
        took[name] = worker.end(timeout)

    threads = [threading.Thread(target=end, args=item) for item in workers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took
