"""A Layer that sessions are recorded in, over the API that every application uses."""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple

import httpx

from layer_sdk._facade import Layer
from layer_sdk.exceptions import LayerSDKException

from ._canonical import Members, text_of, value_of, write
from ._lines import FormatError

if TYPE_CHECKING:
    from ._lines import Line

# What a request that creates a session takes along; what is left is appended, one by one.
MOST_ACTIONS = 200
MOST_BYTES = 1024 * 1024
SPACE = uuid.UUID("5a0c8a5c-8f5e-5a3e-9d8b-0c4b6a4e6f10")
EXCERPT = 300
# These say something of the way to the server or of the server, and not of what was sent.
OF_THE_SERVER = frozenset({401, 403, 408, 425, 429})
AGAIN = "Then run the same command again: what has arrived is not recorded twice."


class StoppedError(RuntimeError):
    """Nothing more can be sent; the message says why and what to do."""


class RefusedError(RuntimeError):
    """The server takes all but this."""


class Refused(NamedTuple):
    """A session that the server did not take, or not all of it."""

    number: int
    session_id: str
    reason: str


class Target:
    """A Layer that is written to, with the settings of `Layer.init`: arguments, else the environment.

    Args:
        layer: An initialized `Layer`.
    """

    def __init__(self, layer: Layer) -> None:
        self._client = layer.raw.get_httpx_client()

    def create(self, session: Members, actions: list[str]) -> str:
        """Create a session with its first actions; the id that counts."""
        wanted = value_of(session.get("session_id"))
        members = [member for member in session if member[0] != "session_id"]
        own_id = _version_5(wanted)
        whole = write(Members([*members, ("session_id", text_of(own_id))]))
        body = f'{whole[:-1]},"actions":[{",".join(actions)}]}}' if actions else whole
        answer = self._post("/v1/sessions", body, f"{own_id} 0")
        try:
            return str(answer.json()["session_id"])
        except (ValueError, KeyError, TypeError):
            return own_id

    def append(self, session_id: str, action: str, position: int) -> None:
        """Append an action; its position makes its key another one than that of an equal action."""
        self._post(f"/v1/sessions/{session_id}/actions", action, f"{session_id} {position}")

    def _post(self, path: str, body: str, place: str) -> httpx.Response:
        content = body.encode("utf-8")
        headers = {"Content-Type": "application/json", "Idempotency-Key": _key(place, content)}
        try:
            answer = self._client.request("POST", path, content=content, headers=headers)
        except (LayerSDKException, httpx.HTTPError) as error:
            raise StoppedError(f"Layer can not be reached: {error}. See `layer-sdk doctor`. {AGAIN}") from error
        if answer.is_success:
            return answer
        said = f"{answer.status_code} {answer.text[:EXCERPT]}"
        if answer.status_code >= 500 or answer.status_code in OF_THE_SERVER or answer.is_redirect:
            raise StoppedError(f"Layer answered {said}. See `layer-sdk doctor`. {AGAIN}")
        raise RefusedError(said)


@contextmanager
def target(base_url: str | None) -> Iterator[Target]:
    """Give the Layer that the settings name.

    Raises:
        LayerSDKException: If a setting is missing or cannot be used.
    """
    from layer_sdk.auth import OIDCClientCredentials

    provider = OIDCClientCredentials() if any(name.startswith("LAYER_OIDC_") for name in os.environ) else None
    layer = Layer()
    # The sessions bring their application along; nothing is recorded here, so no provider need be watched.
    layer.init(
        base_url=base_url,
        application_id="import",
        auth_provider=provider,
        delivery="inline",
        disable_instrumentations=["openai"],
    )
    try:
        yield Target(layer)
    finally:
        layer.shutdown(0)


class Import:
    """Sessions on their way from lines into a Layer.

    Args:
        to: The Layer.
        application: The application that they are to belong to, in place of the one that they bring along.
        tell: Called with how many actions were dealt with, and of how many.
    """

    def __init__(self, to: Target, application: str | None, tell: Callable[[int, int], None]) -> None:
        self._to = to
        self._application = application
        self._tell = tell
        self._total = 0
        self._seen = 0
        self.sessions = 0
        self.actions = 0
        self.refused: list[Refused] = []
        self.renamed: list[tuple[str, str]] = []

    def run(self, lines: Iterator[Line]) -> None:
        """Record all that the lines say.

        Raises:
            FormatError: If a line is not what it should be. The sessions before it have been recorded.
            StoppedError: If nothing more can be sent.
        """
        for line in lines:
            if line.kind == "header":
                self._total = line.actions
                continue
            # No generator: one that delegates to it would close it where a request fails.
            actions = map(self._action, islice(lines, line.actions))
            try:
                self._session(line, actions)
            except RefusedError as error:
                session_id = str(value_of(line.node.get("session_id")))
                self.refused.append(Refused(line.number, session_id, str(error)))
            for _ in actions:
                pass  # what belongs to a session that was refused

    def _session(self, line: Line, actions: Iterator[str]) -> None:
        session = self._checked(line)
        first, left = _first(actions)
        session_id = self._to.create(session, first)
        wanted = value_of(session.get("session_id"))
        if session_id != wanted:
            self.renamed.append((str(wanted), session_id))
        self.actions += len(first)
        for position, action in enumerate(_chained(left, actions), len(first)):
            self._to.append(session_id, action, position)
            self.actions += 1
        self.sessions += 1

    def _checked(self, line: Line) -> Members:
        try:
            uuid.UUID(str(value_of(line.node.get("session_id"))))
        except ValueError:
            raise FormatError(line.number, 'the session has no "session_id" that is a UUID') from None
        if self._application is None:
            return line.node
        others = [member for member in line.node if member[0] != "application_id"]
        return Members([*others, ("application_id", text_of(self._application))])

    def _action(self, line: Line) -> str:
        self._seen += 1
        self._tell(self._seen, self._total)
        return write(line.node)


def _first(actions: Iterator[str]) -> tuple[list[str], list[str]]:
    """Take as many actions as one request may have; the one that was one too many."""
    taken: list[str] = []
    size = 0
    for action in actions:
        size += len(action)
        if taken and size > MOST_BYTES:
            return taken, [action]
        taken.append(action)
        if len(taken) == MOST_ACTIONS:
            break
    return taken, []


def _chained(left: list[str], actions: Iterator[str]) -> Iterator[str]:
    yield from left
    yield from actions


def _version_5(session_id: Any) -> str:
    """Give the id, or where it is of a kind that the API takes from nobody, one that is made of it."""
    given = uuid.UUID(session_id)
    return str(given if given.version == 5 else uuid.uuid5(SPACE, str(given)))


def _key(place: str, content: bytes) -> str:
    return str(uuid.uuid5(SPACE, f"{place} {hashlib.sha256(content).hexdigest()}"))
