"""A TCP proxy that breaks connections on purpose: what lies between a client and its server on a bad day.

`ChaosProxy.use` puts faults (see `chaos.chaos_faults`) in force at once, `ChaosProxy.schedule` one after the other.
Chance is drawn once for each exchange, from the seed and the numbers of the connection and of the exchange on it: the
same traffic meets the same faults.

The proxy lives in the process that made it. A child forked from there holds copies of its sockets, and a connection
with a second holder need not end when the proxy closes it: let what forks be a host process (see `chaos.chaos_host`).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, Coroutine, Iterable, Sequence, TypeVar

from chaos.chaos_faults import Fault
from chaos.chaos_link import Exchange, Ledger, Link
from chaos.chaos_random import seeded

T = TypeVar("T")
Step = tuple[float, "Fault | Sequence[Fault] | None"]


class ChaosProxy:
    """Passes TCP connections on to a server, as badly as it is told to. A context manager.

    Args:
        target_host: Where the server is.
        target_port: Its port.
        seed: What chance is drawn from.
    """

    def __init__(self, target_host: str, target_port: int, seed: int = 0) -> None:
        self.seed = seed
        self._target = (target_host, target_port)
        self._faults: tuple[Fault, ...] = ()
        self._ledger = Ledger()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._errors: list[BaseException] = []
        self._reserved = _bound(0)  # never listens: it keeps the port ours while connections are refused
        self.port: int = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._door: socket.socket | None = None
        self._plan: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)

    def __enter__(self) -> ChaosProxy:
        self._thread.start()
        self._call(self._apply(()))
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._reserved.close()
        if self._errors:
            raise self._errors[0]

    def use(self, *faults: Fault) -> None:
        """Put these faults in force instead of those that are; none of them heals. Ends a schedule."""
        self._call(self._replace(None))
        self._call(self._apply(faults))

    def schedule(self, plan: Iterable[Step], jitter: float = 0.0) -> None:
        """Put faults in force when their time comes, in seconds from now, each off by up to `jitter` either way."""
        draw = seeded(self.seed, "schedule")
        steps = [(max(0.0, at + draw.uniform(-jitter, jitter)), _tuple(faults)) for at, faults in plan]
        self._call(self._replace(sorted(steps, key=lambda step: step[0])))

    def wait_for_schedule(self, timeout: float) -> None:
        """Return when the last step of the schedule is in force."""
        if self._plan is not None:
            self._call(asyncio.wait_for(asyncio.shield(self._plan), timeout), timeout + 10)

    def counts(self) -> dict[str, int]:
        """Give how many connections and exchanges there were, and how often each fault hit."""
        return dict(self._ledger.total)

    def exchanges(self) -> list[Exchange]:
        """Give the latest exchanges, oldest first, with what was done to each."""
        return list(self._ledger.exchanges)

    def open_connections(self) -> int:
        """Give how many connections are open now."""
        return len(self._links)

    def _call(self, work: Coroutine[Any, Any, T], timeout: float = 10.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    async def _apply(self, faults: tuple[Fault, ...]) -> None:
        refusals = [fault for fault in faults if fault.kind == "refuse"]
        self._faults = tuple(fault for fault in faults if fault not in refusals)
        if refusals:
            self._shut()
            if any(fault.amount for fault in refusals):
                await self._cut(reset=True)
            self._ledger.total["refuse"] += 1
        elif self._door is None:
            self._door = _bound(self.port)
            self._door.listen(1024)
            self._loop.add_reader(self._door, self._accept, self._door)

    def _shut(self) -> None:
        """Close the door: when this returns, connecting is refused."""
        if self._door is not None:
            self._loop.remove_reader(self._door)
            self._door.close()
            self._door = None

    def _accept(self, door: socket.socket) -> None:
        try:
            client, _ = door.accept()
        except OSError:
            return  # who knocked is gone
        client.setblocking(False)  # noqa: FBT003  (its only argument)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ledger.total["connections"] += 1
        link = Link(self._ledger.total["connections"], client, self.seed, lambda: self._faults, self._ledger)
        task = self._loop.create_task(link.run(self._target))
        self._links[task] = link
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._links.pop(task).close()
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._errors.append(error)

    async def _cut(self, *, reset: bool) -> None:
        for task, link in list(self._links.items()):
            link.reset = reset
            await _cancelled(task)

    async def _replace(self, steps: list[tuple[float, tuple[Fault, ...]]] | None) -> None:
        if self._plan is not None:
            await _cancelled(self._plan)
        self._plan = None if steps is None else asyncio.create_task(self._follow(steps))

    async def _follow(self, steps: list[tuple[float, tuple[Fault, ...]]]) -> None:
        start = self._loop.time()
        for at, faults in steps:
            await asyncio.sleep(start + at - self._loop.time())
            await self._apply(faults)

    async def _stop(self) -> None:
        await self._replace(None)
        self._shut()
        await self._cut(reset=False)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)  # noqa: FBT003  (its only argument)
    made.bind(("127.0.0.1", port))
    return made


def _tuple(faults: Fault | Sequence[Fault] | None) -> tuple[Fault, ...]:
    if faults is None:
        return ()
    return (faults,) if isinstance(faults, Fault) else tuple(faults)
