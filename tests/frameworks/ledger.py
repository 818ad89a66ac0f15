"""What a program of these tests says to OpenAI, noted as it is said: each prompt carries the session it belongs to."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Awaitable, Callable, Iterator

from layer_sdk import layer


@dataclass(frozen=True)
class Call:
    """A prompt, and how it is sent.

    Attributes:
        prompt: What tells it from all others of the program.
        session_id: The session that it belongs to; None if it is to have one of its own.
        times: How many requests carry it.
        kind: The kind of the action that has it.
    """

    prompt: str
    session_id: str | None
    times: int
    kind: str


class Talk:
    """A session of the program, or what is said outside of any.

    Args:
        calls: Where calls are noted.
        key: Its name.
        session_id: Its session, if it has one.
    """

    def __init__(self, calls: list[Call], key: str, session_id: str | None) -> None:
        self._calls = calls
        self._key = key
        self.session_id = session_id

    def prompt(self, step: str, times: int = 1, kind: str = "completion_prompt") -> str:
        """Note that a prompt will be sent that often, and give its text."""
        text = f"[{self._key}/{step}]"
        self._calls.append(Call(text, self.session_id, times, kind))
        return text

    @property
    def headers(self) -> dict[str, str]:
        """The header that names the session, where no context does."""
        return {"X-Layer-Session-Id": str(self.session_id)}


class Ledger:
    """Begins the SDK in a program of these tests, and keeps what the program says.

    Attributes:
        openai: The base URL of OpenAI.
        outside: For what is said outside of any session.
        elsewhere: For what loses its session on the way through the framework.
    """

    def __init__(self, openai: str, layer_url: str, application_id: str) -> None:
        self.openai = openai
        self._calls: list[Call] = []
        self._denied: list[str] = []
        self._logged = _Logged()
        self.outside = Talk(self._calls, "outside", None)
        self.elsewhere = Talk(self._calls, "elsewhere", None)
        _stay_here(self._denied)
        logging.getLogger("layer_sdk").addHandler(self._logged)
        if not layer.stats():  # see early.py
            layer.init(base_url=layer_url, application_id=application_id)

    @contextmanager
    def session(self, key: str) -> Iterator[Talk]:
        """Make a session the current one."""
        with layer.session(session_id=layer.session_id_for(key)) as session_id:
            yield Talk(self._calls, key, session_id)

    def named(self, key: str) -> Talk:
        """Give a session that is not the current one: a header is to name it."""
        return Talk(self._calls, key, layer.session_id_for(key))

    def close(self) -> None:
        """Deliver what is recorded, and print the account."""
        account = {"calls": [asdict(call) for call in self._calls], "flushed": layer.flush(30)}
        account.update(stats=layer.stats(), denied=self._denied, logged=self._logged.lines)
        layer.shutdown(5)
        sys.stdout.write(json.dumps(account) + "\n")


class _Logged(logging.Handler):
    """Keeps what the SDK logs: it does so where something goes wrong."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


async def at_once(ledger: Ledger, models: Any, *programs: Callable[[Any, Talk], Awaitable[None]]) -> None:
    """Run programs one after the other in a session, and at the same time in another one."""

    async def in_session(key: str) -> None:
        with ledger.session(key) as talk:
            for program in programs:
                await program(models, talk)

    await asyncio.gather(*(in_session(key) for key in ("async-1", "async-2")))


@contextmanager
def failure() -> Iterator[None]:
    """Expect that OpenAI refuses what is asked for, and that the framework says so."""
    said = ""
    try:
        yield
    except Exception as error:  # noqa: BLE001  (each framework has an exception of its own, or openai's)
        said = f"{error} {error.__cause__}"
    assert "temperature is too high" in said


@contextmanager
def opened() -> Iterator[Ledger]:
    """Begin with what the command line says: the base URLs of OpenAI and of Layer, and the application's id."""
    ledger = Ledger(*sys.argv[1:4])
    yield ledger
    ledger.close()


def _stay_here(denied: list[str]) -> None:
    """Deny, and note, whatever would leave this machine."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        host = _host(event, arguments)
        if host is not None and not _is_here(host):
            denied.append(host)
            raise PermissionError(f"the program wanted to reach {host}")

    sys.addaudithook(audit)


def _host(event: str, arguments: tuple[Any, ...]) -> str | None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
        return host.decode() if isinstance(host, bytes) else host
    if event in ("socket.connect", "socket.sendto") and arguments[0].family != socket.AF_UNIX:
        return str(arguments[1][0])
    return None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
