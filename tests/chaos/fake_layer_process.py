"""The process in which the fake Layer runs: HTTP/1.1 on plain sockets, and a control channel to the test."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
import time
import traceback
from contextlib import suppress
from http import HTTPStatus
from multiprocessing.connection import Connection as Channel
from typing import Any, NamedTuple

from chaos.fake_layer_rules import RefusedError, Request, State, read, route
from chaos.fake_layer_state import DROP_AFTER_READ, DROP_BEFORE_READ, GONE, HALF_BODY, RESET, Asked, Outcome

CHUNK = 262_144
MAX_HEAD = 65_536
REASONS = {status.value: status.phrase for status in HTTPStatus}


class Head(NamedTuple):
    """What a request says before its body."""

    operation: str
    session: str
    headers: dict[str, str]

    @property
    def length(self) -> int:
        """How many bytes the body has."""
        return int(self.headers.get("content-length", "0"))


def parse(head: bytes) -> Head:
    """Take the lines before a body apart."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    return Head(*route(method, path), {name.lower(): value.strip() for name, _, value in pairs})


def render(status: int, content: Any, retry_after: object) -> tuple[bytes, bytes]:
    """Give the head and the body of an answer."""
    body = b"" if status in (204, 304) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unheard-of')}", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    if retry_after is not None and status >= 300:
        lines.append(f"Retry-After: {retry_after}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), body


class Connection:
    """Answers the requests of one connection, one after the other.

    Args:
        number: Its number, from 1.
        sock: Its socket.
        state: What to answer from.
    """

    def __init__(self, number: int, sock: socket.socket, state: State) -> None:
        self._number = number
        self._sock = sock
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._flying: str | None = None  # the session of the request that is being answered

    async def run(self) -> None:
        """Serve until a side, or a fault, ends it. `close` has to follow."""
        with suppress(OSError, EOFError):
            while await self._exchange():
                pass

    def close(self) -> None:
        """Close the socket, so that the client sees an end even where something else holds a copy."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    async def _exchange(self) -> bool:
        head = parse(await self._head())
        fate = self._state.fate(head.operation)
        if fate in (DROP_BEFORE_READ, RESET):
            if fate == RESET:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._sock.close()
            self._note(head, None, fate, time.monotonic(), 0)
            return False
        body = await self._take(head.length)
        key = head.headers.get("idempotency-key", "")
        if key:
            self._state.note_key(key, body)
        return await self._respond(head, read(head.operation, head.session, key, body), fate, len(body))

    async def _respond(self, head: Head, request: Request, fate: Outcome | None, size: int) -> bool:
        began = time.monotonic()
        await asyncio.sleep(0)  # let those that gave up go before this one counts as being answered,
        self._flying = request.session
        self._state.begin(request.session)
        try:
            await asyncio.sleep(0)  # and let those that came with this one be seen beside it
            status, content = self._answer(head, request, fate, size)
            delay = self._state.delay(head.operation)
            if delay and not await self._wait(delay):
                status, fate = 0, GONE
        finally:
            self._land()
        self._note(head, request, fate if isinstance(fate, str) else status, began, size)
        if fate in (GONE, DROP_AFTER_READ):
            return False
        start, body = render(status, content, self._state.switches.retry_after)
        await self._loop.sock_sendall(self._sock, start + (body[: len(body) // 2] if fate == HALF_BODY else body))
        return fate != HALF_BODY and head.headers.get("connection", "").lower() != "close"

    def _answer(self, head: Head, request: Request, fate: Outcome | None, size: int) -> tuple[int, Any]:
        """Give status and content; the fake's own mistakes are a 500, and for the test to see."""
        try:
            return self._carry_out(head, request, fate, size)
        except RefusedError as error:
            return error.status, {"detail": str(error)}
        except Exception:  # noqa: BLE001  (the test is told)
            self._state.record.errors.append(traceback.format_exc())
            return 500, {"detail": "a mistake of the fake"}

    def _carry_out(self, head: Head, request: Request, fate: Outcome | None, size: int) -> tuple[int, Any]:
        """Carry the request out, unless it, or fate, says otherwise."""
        if "transfer-encoding" in head.headers:
            raise RefusedError(411, "a body wants a Content-Length")
        self._state.admit(head.headers.get("authorization", ""), size)
        if isinstance(fate, int) and fate >= 300:
            if self._state.switches.carry_out_failures:
                self._state.carry_out(request)
            raise RefusedError(fate, "as it was told")
        status, content = self._state.carry_out(request)
        return (fate if isinstance(fate, int) else status), content

    def _note(self, head: Head, request: Request | None, outcome: Outcome, began: float, size: int) -> None:
        self._state.note(
            Asked(
                head.operation,
                request.session if request else head.session,
                head.headers.get("idempotency-key", ""),
                outcome,
                began,
                time.monotonic(),
                len(request.actions) if request else 0,
                size,
                self._number,
                head.headers.get("authorization", ""),
            )
        )

    async def _wait(self, delay: float) -> bool:
        """Wait before answering; False as soon as the client is gone."""
        gone = self._loop.create_future()
        self._loop.add_reader(self._sock, self._listen, gone)
        try:
            await asyncio.wait({gone}, timeout=delay)
        finally:
            self._loop.remove_reader(self._sock)
        return not gone.done()

    def _listen(self, gone: asyncio.Future[None]) -> None:
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._buffer += data
        if not data and not gone.done():
            self._land()  # at once: the same client may be back already, over another connection
            gone.set_result(None)

    def _land(self) -> None:
        if self._flying is not None:
            self._state.end(self._flying)
            self._flying = None

    async def _head(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise EOFError
            await self._receive()
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        return head

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._receive()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _receive(self) -> None:
        data = await self._loop.sock_recv(self._sock, CHUNK)
        if not data:
            raise EOFError
        self._buffer += data


class Server:
    """Accepts connections and does what the test says over the control channel.

    Args:
        channel: The control channel. When its other end is gone, so is the server.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._state = State(0)
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._stopped = asyncio.Event()
        self._commands: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def run(self) -> None:
        """Serve until told to stop."""
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as door:
            door.setblocking(False)  # noqa: FBT003  (its only argument)
            loop.add_reader(self._channel.fileno(), self._hear)
            self._channel.send((None, door.getsockname()[1]))
            loop.add_reader(door, self._accept, door)
            tasks = [asyncio.create_task(work) for work in (self._obey(), self._mind_parent())]
            await self._stopped.wait()
            loop.remove_reader(self._channel.fileno())
            loop.remove_reader(door)
            for task in tasks:
                await _cancelled(task)
            await self._disconnect()

    def _accept(self, door: socket.socket) -> None:
        try:
            sock, _ = door.accept()
        except OSError:
            return  # who knocked is gone
        sock.setblocking(False)  # noqa: FBT003  (its only argument)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        record = self._state.record
        record.connections += 1
        record.open_connections += 1
        record.max_open_connections = max(record.max_open_connections, record.open_connections)
        connection = Connection(record.connections, sock, self._state)
        task = asyncio.get_running_loop().create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._connections.pop(task).close()
        self._state.record.open_connections -= 1
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._state.record.errors.append("".join(traceback.format_exception(error)))

    async def _disconnect(self) -> None:
        for task in list(self._connections):
            await _cancelled(task)

    async def _mind_parent(self) -> None:
        """End with the test process, even if a child of its keeps the channel open."""
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110  (no event tells)
            await asyncio.sleep(1)
        self._stopped.set()

    def _hear(self) -> None:
        try:
            self._commands.put_nowait(self._channel.recv())
        except (EOFError, OSError):
            self._stopped.set()

    async def _obey(self) -> None:
        """Carry out the commands in order, and answer each with an error or None, and a value."""
        while True:
            name, argument = await self._commands.get()
            try:
                self._channel.send((None, await self._command(name, argument)))
            except OSError:
                self._stopped.set()
            except Exception as error:  # noqa: BLE001  (it is raised in the test)
                self._channel.send((str(error), None))

    async def _command(self, name: str, argument: Any) -> Any:
        if name == "switch":
            return self._state.switch(argument)
        if name == "snapshot":
            return self._state.record
        if name == "errors":
            return self._state.record.errors
        if name == "count":
            return len(self._state.distinct)
        if name == "forget":
            return self._state.forget()
        if name == "reset":
            await self._disconnect()
            self._state = State(argument)
            return None
        raise ValueError(f"no such command: {name}")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def main(fileno: int) -> None:
    """Serve the test at the other end of this socket."""
    with Channel(fileno) as channel:
        await Server(channel).run()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
