"""What the fake Layer does with a request: refuse it, carry it out, and remember it. Knows nothing of sockets."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from dataclasses import fields, replace
from typing import Any, Mapping, NamedTuple

from chaos.chaos_random import seeded
from chaos.fake_layer_state import (
    APPEND,
    CREATE,
    DROP_AFTER_READ,
    DROP_BEFORE_READ,
    EVERY,
    HALF_BODY,
    LIST,
    NAME,
    OTHER,
    RESET,
    Asked,
    Outcome,
    Record,
    Seen,
    Switches,
)


class RefusedError(Exception):
    """A request is answered with this status instead of being carried out."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Request(NamedTuple):
    """A request that has come in full."""

    operation: str
    session: str  # from the path of an append, from the body of a create
    key: str
    content: Any
    actions: list[Any]


def route(method: str, path: str) -> tuple[str, str]:
    """Give the operation, and the session that the path names."""
    parts = path.partition("?")[0].strip("/").split("/")
    if method == "POST" and len(parts) == 4 and parts[:2] == ["v1", "sessions"] and parts[3] == "actions":
        return APPEND, parts[2]
    found = {("POST", "v1/sessions"): CREATE, ("GET", "v1/applications"): LIST, ("POST", "v1/applications"): NAME}
    return found.get((method, "/".join(parts)), OTHER), ""


def read(operation: str, session: str, key: str, body: bytes) -> Request:
    """Make sense of a body. What makes none is left for `State.carry_out` to refuse."""
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = None
    actions: list[Any] = []
    if operation == APPEND:
        actions = [content]
    elif operation == CREATE and isinstance(content, dict):
        session = content.setdefault("session_id", str(uuid.uuid4()))
        actions = content.get("actions") or []
    return Request(operation, session, key, content, actions)


class State:
    """What the fake Layer has, and how it behaves.

    Args:
        seed: What chance is drawn from.
    """

    def __init__(self, seed: int) -> None:
        self.switches = Switches()
        self.record = Record()
        self.distinct: set[tuple[str, str]] = set()
        self._draw = seeded(seed, "fake layer")
        self._known: set[str] = set()
        self._scripts: dict[str, list[Outcome | None]] = {}
        self._answers: dict[str, tuple[int, Any]] = {}
        self._in_flight: Counter[str] = Counter()
        self._applications = [{"id": str(uuid.uuid5(uuid.NAMESPACE_URL, "fake")), "name": "fake"}]

    def switch(self, changes: Mapping[str, Any]) -> None:
        """Change some switches. A script starts from its beginning when it is given."""
        unknown = set(changes) - {each.name for each in fields(Switches)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        self.switches = replace(self.switches, **changes)
        if "script" in changes:
            self._scripts = {operation: list(outcomes) for operation, outcomes in changes["script"].items()}

    def forget(self) -> None:
        """Know no session any more; what was accepted stays on record."""
        self._known.clear()

    def fate(self, operation: str) -> Outcome | None:
        """Decide what a request meets, whatever it deserves: the script's next outcome, or what chance says."""
        script = self._scripts.get(operation if operation in self._scripts else EVERY)
        if script:
            return script.pop(0)
        chances = self.switches.chances.get(operation, self.switches.chances.get(EVERY, {}))
        for outcome, chance in (*chances.items(), *self._faults()):
            if chance and self._draw.random() < chance:
                return outcome
        return None

    def _faults(self) -> list[tuple[str, float]]:
        chosen = self.switches
        return [
            (DROP_AFTER_READ, chosen.drop_after_read),
            (DROP_BEFORE_READ, chosen.drop_before_read),
            (HALF_BODY, chosen.half_body),
            (RESET, chosen.reset),
        ]

    def delay(self, operation: str) -> float:
        """Give how long to wait before answering."""
        delay = self.switches.delay
        return delay.get(operation, delay.get(EVERY, 0.0)) if isinstance(delay, Mapping) else delay

    def admit(self, authorization: str, size: int) -> None:
        """Refuse a request without the right token, and one that is too large."""
        if self.switches.reject:
            raise RefusedError(self.switches.reject, "no token will do")
        wanted = self.switches.token
        tokens = [wanted] if isinstance(wanted, str) else wanted
        if tokens is not None and authorization not in [f"Bearer {token}" for token in tokens]:
            raise RefusedError(401, "the token is missing or wrong")
        if self.switches.max_body is not None and size > self.switches.max_body:
            raise RefusedError(413, f"{size} bytes are more than {self.switches.max_body}")

    def begin(self, session: str) -> None:
        """Note that a request of this session is being answered from now on."""
        self._in_flight[session] += 1
        if self._in_flight[session] > self.record.most_in_flight.get(session, 0):
            self.record.most_in_flight[session] = self._in_flight[session]

    def end(self, session: str) -> None:
        """Note that a request of this session was answered, or is not waited for any more."""
        self._in_flight[session] -= 1

    def note(self, asked: Asked) -> None:
        """Put a request on record."""
        self.record.counts[asked.operation, asked.outcome] += 1
        self.record.requests.append(asked)

    def note_key(self, key: str, body: bytes) -> None:
        """Put an Idempotency-Key on record, with what came along."""
        times, bodies = self.record.idempotency.get(key, (0, frozenset[str]()))
        self.record.idempotency[key] = Seen(times + 1, bodies | {hashlib.sha256(body).hexdigest()})

    def carry_out(self, request: Request) -> tuple[int, Any]:
        """Do what a request asks for, and give the status and content of the answer."""
        if self.switches.duplicate_detection and request.key in self._answers:
            return self._answers[request.key]
        work = {CREATE: self._create, APPEND: self._append, LIST: self._list, NAME: self._name}.get(request.operation)
        if work is None:
            raise RefusedError(404, "no such operation")
        answer = work(request)
        if request.key:
            self._answers[request.key] = answer
        return answer

    def _create(self, request: Request) -> tuple[int, Any]:
        if not isinstance(request.content, dict) or not isinstance(request.content.get("application_id"), str):
            raise RefusedError(422, "a session wants an application_id")
        self._inspect(request.actions)
        session = self._own_id(request.session)
        if session in self._known and self.switches.existing == "conflict":
            raise RefusedError(409, "the session exists")
        if self.switches.existing == "overwrite":
            self.record.sessions.pop(session, None)
        self._known.add(session)
        self._accept(session, request.actions)
        return 201, {"session_id": session}

    def _append(self, request: Request) -> tuple[int, Any]:
        self._inspect(request.actions)
        if request.session not in self._known:
            if self.switches.unknown_session:
                raise RefusedError(404, "no such session")
            self._known.add(request.session)
        self._accept(request.session, request.actions)
        return 202, {"accepted": len(request.actions)}

    def _list(self, _: Request) -> tuple[int, Any]:
        return 200, self._applications

    def _name(self, request: Request) -> tuple[int, Any]:
        if not isinstance(request.content, dict) or not isinstance(request.content.get("name"), str):
            raise RefusedError(422, "an application wants a name")
        made = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, request.content["name"])), "name": request.content["name"]}
        if made not in self._applications:
            self._applications.append(made)
        return 201, {"application_id": made["id"]}

    def _own_id(self, session: str) -> str:
        override = self.switches.id_override
        if isinstance(override, str):
            return override
        return str(uuid.uuid5(uuid.NAMESPACE_URL, session)) if override else session

    def _inspect(self, actions: list[Any]) -> None:
        if not all(isinstance(action, dict) and isinstance(action.get("kind"), str) for action in actions):
            raise RefusedError(422, "an action wants a kind")
        if self.switches.poison and any(_object(action, "data").get("poison") is True for action in actions):
            raise RefusedError(self.switches.poison, "an action is poison")

    def _accept(self, session: str, actions: list[Any]) -> None:
        keys = self.record.sessions.setdefault(session, [])
        for action in actions:
            key = str(_object(action, "data").get("key", _object(action, "attributes").get("key", "")))
            keys.append(key)
            if key:
                self.distinct.add((session, key))


def _object(action: Any, name: str) -> dict[str, Any]:
    found = action.get(name)
    return found if isinstance(found, dict) else {}
