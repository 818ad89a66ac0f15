"""A request over a connection that a pool has kept, without what urllib3 and http.client do to write and to read it.

That is most of what a request costs. Where a pool, its connection and both packages are as they come out of the box,
the same bytes go out in one piece, and an answer of the common kind, a short one of a told length, is read here. For
all else urllib3 does the request over a socket that takes what was sent as sent, gives what came once more and raises
what was raised: so it is always urllib3 that says what a status, an odd header, a timeout or a cut means.
"""

from __future__ import annotations

import io
import logging
import re
from functools import lru_cache
from typing import Any, Iterator, Mapping, NamedTuple, Protocol, Sequence

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import SKIP_HEADER, Timeout
from urllib3.util.retry import Retry

from ._secrets import Secret
from ._shipped import is_plain_connection, is_plain_pool

Headers = Secret["dict[str, tuple[str, str]]"]  # as they are spelled, and their values, by lower-cased name

_log = logging.getLogger("urllib3.connectionpool")  # where urllib3 tells of each request

NEEDED_HEADERS = {"accept-encoding", "user-agent"}  # urllib3 adds those that are not there
BODILESS_ANSWERS = {"CONNECT", "HEAD"}
BUFFER = io.DEFAULT_BUFFER_SIZE  # http.client reads as much at first

_WORDS = rb"[!-~][ -~]*(?<! )"
_common_head = re.compile(
    rb"HTTP/1\.1 (20[0-2]) (" + _WORDS + rb")\r\n((?:[A-Za-z0-9-]+: " + _WORDS + rb"\r\n){1,50})\r\n"
).fullmatch
_common_length = re.compile(r"[0-9]{1,6}").fullmatch
# Headers of an answer that have it mean something else, or somebody do something.
MEANINGFUL = {"content-encoding", "retry-after", "set-cookie", "set-cookie2", "transfer-encoding"}


class Request(Protocol):
    """What is asked here of a request."""

    method: str
    body: bytes | None


class Fields(Mapping[str, str]):
    """The headers of an answer, found however they are spelled; requests' own dict of them takes longer to fill.

    Args:
        names: As the server spells them.
        values: By lower-cased name.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: Sequence[str], values: Mapping[str, str]) -> None:
        self._names = names
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Received(NamedTuple):
    """An answer that was read to its end."""

    status: int
    reason: str
    headers: Fields
    content: bytes


class _Head(NamedTuple):
    status: int
    reason: str
    headers: Fields
    length: int


class _Attempt:
    """A request over a connection's socket. Afterwards, in the socket's place, it has the same happen once more.

    Args:
        connection: Of urllib3.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket = connection.sock
        self._received = b""
        self._sending: OSError | None = None
        self._receiving: OSError | None = None

    def answer(self, message: Secret[bytes], limits: Any) -> Received | None:
        """Send the request and read the answer; None where it is not of the common kind, or there is none."""
        return self._answer() if self._send(message, limits) else None

    def _send(self, message: Secret[bytes], limits: Any) -> bool:
        try:
            self._wait_for(limits.connect_timeout)
            self._connection.send(message.reveal())
            self._wait_for(limits.read_timeout)
        except OSError as error:
            self._sending = error
        return self._sending is None

    def _wait_for(self, seconds: float | None) -> None:
        if self._socket.gettimeout() != seconds:
            self._socket.settimeout(seconds)

    def _answer(self) -> Received | None:
        begin = self._received.find(b"\r\n\r\n") + 4 if self._receive(BUFFER) else 0
        head = _head_of(self._received[:begin])
        if head is None:
            return None
        end = begin + head.length
        while len(self._received) < end:
            if not self._receive(end - len(self._received)):
                return None
        if len(self._received) > end:
            return None
        return Received(head.status, head.reason, head.headers, self._received[begin:])

    def _receive(self, size: int) -> bool:
        try:
            received = self._socket.recv(size)
        except OSError as error:
            self._receiving = error
            return False
        self._received += received
        return bool(received)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def sendall(self, data: Any) -> None:
        """Take what was sent as sent."""
        del data  # in a traceback it would be seen
        error, self._sending = self._sending, None
        if error is not None:
            raise error

    def makefile(self, *_: Any) -> io.BufferedReader:
        """Give what came in, and what comes in from now on; the connection has its socket again."""
        self._connection.sock = self._socket
        return io.BufferedReader(_Stream(self._socket.makefile("rb", buffering=0), self._received, self._receiving))


class _Stream(io.RawIOBase):
    """What came in from a socket, and what comes in from now on."""

    def __init__(self, rest: Any, received: bytes, error: OSError | None) -> None:
        super().__init__()
        self._rest = rest
        self._received = received
        self._error = error

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._rest.fileno())

    def readinto(self, buffer: Any) -> int | None:
        if self._received:
            part, self._received = self._received[: len(buffer)], self._received[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)
        error, self._error = self._error, None
        if error is not None:
            raise error
        count: int | None = self._rest.readinto(buffer)
        return count

    def close(self) -> None:
        super().close()
        self._rest.close()


class _Resuming:
    """All that a pool is, but that its next request has its connection already."""

    __slots__ = ("_connection", "_whole")

    def resume(self, pool: Any, connection: Any) -> Any:
        """Stand for a pool."""
        self.__dict__ = vars(pool)  # type: ignore[misc]  # the pools have one
        self._whole = pool  # it closes its connections as soon as nobody has it any more
        self._connection = connection
        return self

    def _get_conn(self, *arguments: Any, **options: Any) -> Any:
        connection, self._connection = self._connection, None
        return self._whole._get_conn(*arguments, **options) if connection is None else connection  # noqa: SLF001  (there is no public way)


# Errors have the names of these classes in their words.
RESUMING: dict[type, Any] = {
    kind: type(kind.__name__, (_Resuming, kind), {"__slots__": ()})
    for kind in (HTTPConnectionPool, HTTPSConnectionPool)
}


def ask(pool: Any, path: str, asking: Request, headers: Headers, how: tuple[Any, Any]) -> Any:
    """Send a request and read its answer, if there is a connection, and if the answer is of the common kind.

    Args:
        pool: Of urllib3.
        path: Of the request's URL, with the query.
        asking: The request.
        headers: All that are sent, but for `Host`.
        how: The retries and the timeout, as urllib3 has them.

    Returns:
        What was received; else a pool whose `urlopen`, called at once for this request, does the rest.
    """
    retries, limits = how
    if not is_plain_pool(pool) or not _is_common(asking, headers, retries, limits):
        return pool
    connection = pool._get_conn()  # noqa: SLF001  (there is no public way)
    try:
        if is_plain_connection(connection):
            attempt = _Attempt(connection)
            found = attempt.answer(_written(connection, path, asking, headers), limits)
            if found is not None and not retries.is_retry(asking.method, found.status, False):  # noqa: FBT003  (an owner's class may have other names)
                pool.num_requests += 1
                pool._put_conn(connection)  # noqa: SLF001  (there is no public way)
                return found
            connection.sock = attempt
    except BaseException:
        connection.close()
        pool._put_conn(None)  # noqa: SLF001  (there is no public way)
        raise
    resuming = RESUMING[type(pool)]
    return resuming.__new__(resuming).resume(pool, connection)


def _is_common(asking: Request, headers: Headers, retries: Any, limits: Any) -> bool:
    return (
        headers.reveal().keys() >= NEEDED_HEADERS
        and "cookie" not in headers.reveal()
        and SKIP_HEADER not in [value for _, value in headers.reveal().values()]
        and asking.method not in BODILESS_ANSWERS
        and isinstance(retries, Retry)
        and type(limits) is Timeout
        and not _log.isEnabledFor(logging.DEBUG)
    )


def _written(connection: Any, path: str, asking: Request, headers: Headers) -> Secret[bytes]:
    host, port = connection.host, connection.port
    begin = f"{asking.method} {path} HTTP/1.1\r\nHost: {host}" + ("" if port == connection.default_port else f":{port}")
    lines = Secret([f"{name}: {value}" for name, value in headers.reveal().values()])
    return Secret("\r\n".join([begin, *lines.reveal(), "\r\n"]).encode("ascii") + (asking.body or b""))


@lru_cache(maxsize=32)  # but for the time, and a number that some servers give it, one is as another
def _head_of(written: bytes) -> _Head | None:
    """Read the head of an answer; None where it is not of the common kind."""
    match = _common_head(written)
    if match is None:
        return None
    fields = [line.split(": ", 1) for line in match[3].decode("ascii").splitlines()]
    values = {name.lower(): value for name, value in fields}
    length = values.get("content-length", "")
    is_common = (
        len(values) == len(fields)
        and values.keys().isdisjoint(MEANINGFUL)
        and values.get("connection", "keep-alive").lower() == "keep-alive"
        and _common_length(length) is not None
    )
    if not is_common:
        return None
    headers = Fields([name for name, _ in fields], values)
    return _Head(int(match[1]), match[2].decode("ascii"), headers, int(length))
