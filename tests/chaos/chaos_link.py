"""One connection through the proxy: two pumps, and the fault that its present exchange has met."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from chaos.chaos_random import seeded

if TYPE_CHECKING:
    from chaos.chaos_faults import Fault

CHUNK = 65536
HISTORY = 100_000
OTHERS = frozenset({"latency", "bandwidth"})  # they add up; of the rest one hits an exchange at the most


@dataclass
class Exchange:
    """A request, its response, and what became of them.

    Attributes:
        connection: The connection's number, from 1.
        number: The exchange's number on its connection, from 1; 0 for a connection that was not even read from.
        did: What the proxy did to it.
        sent: Bytes passed on to the server.
        received: Bytes passed back to the client.
    """

    connection: int
    number: int
    did: list[str] = field(default_factory=list)
    sent: int = 0
    received: int = 0


class Ledger:
    """What the proxy counted: connections, exchanges and each kind of deed; and the latest exchanges, oldest first."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.exchanges: deque[Exchange] = deque(maxlen=HISTORY)


class EndedError(Exception):
    """The proxy ends a connection, kindly or with a reset."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__(reset)
        self.reset = reset


class Link:
    """Passes bytes between one client and the server until a side, or a fault, ends it.

    Args:
        number: The connection's number, from 1.
        client: The client's socket.
        seed: What chance is drawn from.
        faults: Gives the faults that are in force.
        ledger: Where to write down what was done.
    """

    def __init__(
        self,
        number: int,
        client: socket.socket,
        seed: int,
        faults: Callable[[], Sequence[Fault]],
        ledger: Ledger,
    ) -> None:
        self.number = number
        self.reset = False
        self._client = client
        self._server = socket.socket()
        self._server.setblocking(False)  # noqa: FBT003  (its only argument)
        self._loop = asyncio.get_running_loop()
        self._seed = seed
        self._faults = faults
        self._ledger = ledger
        self._exchange = Exchange(number, 0)
        self._escaped: tuple[Fault, ...] = ()
        self._is_answered = True
        self._hits: dict[str, float] = {}

    async def run(self, target: tuple[str, int]) -> None:
        """Serve the connection to its end. `close` has to follow, even where this did not get to run."""
        try:
            await self._fall_in()
            await self._connect(target)
            await self._pump()
        except EndedError as error:
            self.reset = error.reset
        except OSError:
            self.reset = True  # one side broke; let the other know

    def close(self) -> None:
        """Close both sockets."""
        for each in (self._client, self._server):
            _close(each, reset=self.reset)

    async def _fall_in(self) -> None:
        """Stay unread for ever, if there is a black hole: who has connected is not to see a single byte taken."""
        self._escaped = tuple(fault for fault in self._faults() if fault.kind == "black_hole")
        if self._draw(self._escaped):
            self._ledger.exchanges.append(self._exchange)
            await self._vanish()

    async def _connect(self, target: tuple[str, int]) -> None:
        try:
            await self._loop.sock_connect(self._server, target)
        except OSError:
            self._ledger.exchanges.append(self._exchange)
            self._did("no_server")
            raise
        self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def _pump(self) -> None:
        up, down = asyncio.create_task(self._up()), asyncio.create_task(self._down())
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            up.cancel()
            down.cancel()
            ends = await asyncio.gather(up, down, return_exceptions=True)
        errors = sorted(
            (end for end in ends if isinstance(end, Exception)), key=lambda end: type(end) is not EndedError
        )
        if errors:
            raise errors[0]

    async def _up(self) -> None:
        while data := await self._loop.sock_recv(self._client, CHUNK):
            if "slow_close" in self._hits and self._is_answered:
                continue
            if self._is_answered:
                await self._begin()
            await self._pass(self._server, data)
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_WR)

    async def _down(self) -> None:
        while data := await self._loop.sock_recv(self._server, CHUNK):
            self._is_answered = True
            if "swallow_response" in self._hits:
                raise self._end("swallow_response")
            if "half_response" in self._hits:
                await self._pass(self._client, data[: _half(data)])
                raise self._end("half_response")
            await self._pass(self._client, data)
            if "slow_close" in self._hits:
                raise await self._linger()
        raise EndedError

    async def _begin(self) -> None:
        """Meet fate: the first bytes of a request have come."""
        self._exchange = Exchange(self.number, self._exchange.number + 1)
        self._ledger.total["exchanges"] += 1
        self._ledger.exchanges.append(self._exchange)
        escaped = self._escaped if self._exchange.number == 1 else ()  # no second chance for these
        self._hits = self._draw(fault for fault in self._faults() if fault not in escaped)
        self._is_answered = False
        if "latency" in self._hits:
            self._did("latency")
            await asyncio.sleep(self._hits["latency"])
        if "black_hole" in self._hits:
            await self._vanish()

    def _draw(self, faults: Iterable[Fault]) -> dict[str, float]:
        """Decide which of the faults hit this exchange, and how hard."""
        draw = seeded(self._seed, self.number, self._exchange.number)
        hits: dict[str, float] = {}
        for fault in faults:
            hit, amount = draw.random() < fault.probability, fault.amount + draw.uniform(-fault.jitter, fault.jitter)
            if hit and (fault.kind in OTHERS or OTHERS.issuperset(hits)):
                hits[fault.kind] = max(0.0, amount)
        return hits

    async def _pass(self, to: socket.socket, data: bytes) -> None:
        """Send on, as fast and as far as the faults allow."""
        room = len(data)
        if "reset_after" in self._hits:
            room = int(self._hits["reset_after"]) - self._exchange.sent - self._exchange.received
        await self._send(to, data[: max(0, room)])
        if room < len(data):
            raise self._end("reset_after", reset=True)

    async def _send(self, to: socket.socket, data: bytes) -> None:
        rate = self._hits.get("bandwidth", 0.0)
        step = max(1, int(rate / 20)) if rate else max(1, len(data))
        if rate:
            self._did("bandwidth")
        for start in range(0, len(data), step):
            part = data[start : start + step]
            await self._loop.sock_sendall(to, part)
            if to is self._server:
                self._exchange.sent += len(part)
            else:
                self._exchange.received += len(part)
            if rate:
                await asyncio.sleep(len(part) / rate)

    async def _linger(self) -> EndedError:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rest(), self._hits["slow_close"])
        return self._end("slow_close")

    async def _rest(self) -> None:
        while data := await self._loop.sock_recv(self._server, CHUNK):
            await self._pass(self._client, data)

    async def _vanish(self) -> None:
        self._did("black_hole")
        await self._loop.create_future()

    def _end(self, what: str, *, reset: bool = False) -> EndedError:
        self._did(what)
        return EndedError(reset=reset)

    def _did(self, what: str) -> None:
        if what not in self._exchange.did:
            self._exchange.did.append(what)
            self._ledger.total[what] += 1


def _half(response: bytes) -> int:
    head = response.find(b"\r\n\r\n") + 4
    return head + (len(response) - head) // 2 if 4 <= head < len(response) else len(response) // 2


def _close(which: socket.socket, *, reset: bool) -> None:
    with suppress(OSError):
        if reset:
            which.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            which.shutdown(socket.SHUT_RDWR)
    which.close()
