"""What is recorded, and how it is written to and read from the database.

Each function is a piece of work for the store: it refuses, if it must, before it writes. Texts of a client are kept as
JSON, which is plain ASCII, since not all that JSON can say can be stored as text (half a surrogate pair, for instance).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from . import _search, _summaries
from ._moments import now, written
from ._problems import Fault, Refusal
from ._summaries import Place, place_of

if TYPE_CHECKING:
    import sqlite3

    from ._digest import Digest
    from ._policies import Policies

_SESSION = (
    "SELECT number, id, application_id, attributes, start_time, end_time, created_at, action_count, error_count, "
    "token_count, began, ended, decision, violated, violated_itself, prompt FROM sessions"
)
_ACTION = "SELECT number, position, kind, body, received_at, creation, violated FROM actions WHERE session = ?"


@dataclass(frozen=True)
class Answer:
    """What an operation answers."""

    status: int
    body: bytes = b""


@dataclass(frozen=True)
class Call:
    """One request: what it is, in short, and the key that its client gave it."""

    fingerprint: bytes
    key: str | None = None


@dataclass(frozen=True)
class Action:
    """One action, as it was written."""

    kind: str
    body: str
    digest: Digest


@dataclass(frozen=True)
class Creation:
    """A session to create, or what is new of one that exists."""

    session_id: str | None
    application_id: str
    attributes: Mapping[str, str]
    start_time: str | None
    end_time: str | None
    actions: Sequence[Action]
    body: str


@dataclass(frozen=True)
class Session:
    """A recorded session."""

    number: int
    session_id: str
    application_id: str
    attributes: Mapping[str, str]
    start_time: str | None
    end_time: str | None
    created_at: str
    action_count: int
    error_count: int
    token_count: int
    began: float | None
    ended: float | None
    decision: str
    violated: frozenset[int]
    prompt: str


@dataclass(frozen=True)
class RecordedAction:
    """A recorded action, as it was written, and where it stands in its session."""

    number: int
    position: int
    kind: str
    body: str
    received_at: str
    creation: int | None
    violated: frozenset[int]


def create_session(
    connection: sqlite3.Connection, call: Call, creation: Creation, status: int, policies: Policies
) -> Answer:
    """Create a session, or merge what is new into the one that has the id."""
    stored = _stored_answer(connection, call)
    if stored:
        return stored
    session_id = creation.session_id or str(uuid.uuid4())
    place = place_of(connection, session_id)
    if place is None:
        place = _insert_session(connection, session_id, creation, policies)
        _record(connection, call, place, creation, policies)
    elif not _is_known(connection, call, place):
        place = _update_session(connection, session_id, creation, policies)
        _record(connection, call, place, creation, policies)
    return _keep_answer(connection, call, Answer(status, _json({"session_id": session_id})))


def append_action(
    connection: sqlite3.Connection, call: Call, session_id: str, action: Action, policies: Policies
) -> Answer:
    """Append an action to a session."""
    stored = _stored_answer(connection, call)
    if stored:
        return stored
    place = place_of(connection, session_id)
    if place is None:
        raise Refusal(404, f"There is no session {session_id}. Create it first.", [Fault("session_id", "is not known")])
    _insert_actions(connection, place, [action], policies)
    return _keep_answer(connection, call, Answer(202))


def create_application(connection: sqlite3.Connection, call: Call, name: str) -> Answer:
    """Create an application, or answer with the one that has the name."""
    stored = _stored_answer(connection, call)
    if stored:
        return stored
    found = connection.execute("SELECT id FROM applications WHERE name = ?", (json.dumps(name),)).fetchone()
    application_id = found[0] if found else str(uuid.uuid4())
    if not found:
        connection.execute("INSERT INTO applications (id, name) VALUES (?, ?)", (application_id, json.dumps(name)))
    return _keep_answer(connection, call, Answer(201, _json({"application_id": application_id})))


def list_applications(connection: sqlite3.Connection) -> Answer:
    """All applications, in the order in which they were created."""
    rows = connection.execute("SELECT id, name FROM applications ORDER BY number")
    return Answer(200, _json([{"id": row[0], "name": json.loads(row[1])} for row in rows]))


def find_session(connection: sqlite3.Connection, session_id: str) -> Session | None:
    """The session that has an id."""
    row = connection.execute(f"{_SESSION} WHERE id = ?", (session_id,)).fetchone()
    return _session(row) if row else None


def list_actions(connection: sqlite3.Connection, session: int, after: int = 0, limit: int = -1) -> list[RecordedAction]:
    """The actions of a session in recorded order, from the one that follows the position `after`."""
    rows = connection.execute(f"{_ACTION} AND position > ? ORDER BY position LIMIT ?", (session, after, limit))
    return [_action(row) for row in rows]


def find_action(connection: sqlite3.Connection, session: int, position: int) -> RecordedAction | None:
    """The action that stands at a position of a session, counted from 1."""
    row = connection.execute(f"{_ACTION} AND position = ?", (session, position)).fetchone()
    return _action(row) if row else None


def creation_body(connection: sqlite3.Connection, session: int, number: int) -> str | None:
    """The body of a request that created a session, or was merged into it."""
    row = connection.execute(
        "SELECT body FROM creations WHERE number = ? AND session = ?", (number, session)
    ).fetchone()
    return str(row[0]) if row else None


def list_creations(connection: sqlite3.Connection, session: int, limit: int) -> list[tuple[int, str]]:
    """The first creations of a session: each one's number, and when it was received."""
    rows = connection.execute(
        "SELECT number, received_at FROM creations WHERE session = ? ORDER BY number LIMIT ?", (session, limit)
    )
    return [(int(row[0]), str(row[1])) for row in rows]


def list_sessions(
    connection: sqlite3.Connection, limit: int, offset: int = 0, condition: str = "", values: Sequence[Any] = ()
) -> list[Session]:
    """Sessions, newest first."""
    rows = connection.execute(f"{_SESSION} {condition} ORDER BY number DESC LIMIT ? OFFSET ?", (*values, limit, offset))
    return [_session(row) for row in rows]


def count_all(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many sessions and how many actions there are."""
    row = connection.execute("SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM actions)").fetchone()
    return int(row[0]), int(row[1])


def _stored_answer(connection: sqlite3.Connection, call: Call) -> Answer | None:
    if call.key is None:
        return None
    row = connection.execute("SELECT fingerprint, status, body FROM answers WHERE key = ?", (call.key,)).fetchone()
    if row is None:
        return None
    if row[0] != call.fingerprint:
        fault = Fault("Idempotency-Key", "was used before, with another operation or another body")
        raise Refusal(422, "Each Idempotency-Key is good for one request and its retries.", [fault])
    return Answer(row[1], row[2])


def _keep_answer(connection: sqlite3.Connection, call: Call, answer: Answer) -> Answer:
    if call.key is not None:
        connection.execute(
            "INSERT INTO answers (key, fingerprint, status, body) VALUES (?, ?, ?, ?)",
            (call.key, call.fingerprint, answer.status, answer.body),
        )
    return answer


def _is_known(connection: sqlite3.Connection, call: Call, place: Place) -> bool:
    """Whether this very creation was recorded before."""
    row = connection.execute(
        "SELECT 1 FROM creations WHERE session = ? AND fingerprint = ?", (place.number, call.fingerprint)
    ).fetchone()
    return row is not None


def _insert_session(connection: sqlite3.Connection, session_id: str, creation: Creation, policies: Policies) -> Place:
    cursor = connection.execute(
        "INSERT INTO sessions (id, application_id, attributes, start_time, end_time, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            session_id,
            json.dumps(creation.application_id),
            json.dumps(creation.attributes),
            creation.start_time,
            creation.end_time,
            written(now()),
        ),
    )
    number = int(cursor.lastrowid or 0)
    said = _summaries.text_of_session(session_id, creation.application_id, creation.attributes)
    _search.add(connection, number, 0, said)
    _summaries.note_session(connection, Place(number, 0, frozenset(), frozenset()), creation.attributes, policies)
    return _existing(connection, session_id)


def _update_session(connection: sqlite3.Connection, session_id: str, creation: Creation, policies: Policies) -> Place:
    session = find_session(connection, session_id)
    if session is None:
        raise LookupError(session_id)
    attributes = {**session.attributes, **creation.attributes}
    connection.execute(
        "UPDATE sessions SET attributes = ?, start_time = coalesce(start_time, ?), end_time = coalesce(?, end_time) "
        "WHERE number = ?",
        (json.dumps(attributes), creation.start_time, creation.end_time, session.number),
    )
    if attributes != session.attributes:
        about = (session_id, session.application_id)
        before, after = (_summaries.text_of_session(*about, each) for each in (session.attributes, attributes))
        _search.replace(connection, session.number, before, after)
        _summaries.forget_attributes(connection, session.number, session.attributes)
        _summaries.note_session(connection, _existing(connection, session_id), attributes, policies)
    return _existing(connection, session_id)


def _existing(connection: sqlite3.Connection, session_id: str) -> Place:
    place = place_of(connection, session_id)
    if place is None:
        raise LookupError(session_id)
    return place


def _record(connection: sqlite3.Connection, call: Call, place: Place, creation: Creation, policies: Policies) -> None:
    """Write what a new session and a merge have in common."""
    cursor = connection.execute(
        "INSERT INTO creations (session, fingerprint, received_at, body) VALUES (?, ?, ?, ?)",
        (place.number, call.fingerprint, written(now()), creation.body),
    )
    _insert_actions(connection, place, creation.actions, policies, cursor.lastrowid)


def _insert_actions(
    connection: sqlite3.Connection,
    place: Place,
    actions: Sequence[Action],
    policies: Policies,
    creation: int | None = None,
) -> None:
    received_at = written(now())
    connection.executemany(
        "INSERT INTO actions (session, position, kind, body, received_at, creation, violated) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                place.number,
                position,
                action.kind,
                action.body,
                received_at,
                creation,
                _summaries.ids_text(action.digest.violated),
            )
            for position, action in enumerate(actions, place.action_count + 1)
        ],
    )
    kinds = [action.kind for action in actions]
    _summaries.note_actions(connection, place, kinds, [action.digest for action in actions], policies)


def _session(row: Sequence[Any]) -> Session:
    number, session_id, application_id, attributes, *plain, violated, violated_itself, prompt = row
    values: list[Any] = [number, session_id, json.loads(application_id), json.loads(attributes), *plain]
    values += [_summaries.ids_of(violated) | _summaries.ids_of(violated_itself), json.loads(prompt) if prompt else ""]
    return Session(*values)


def _action(row: Sequence[Any]) -> RecordedAction:
    values: list[Any] = [*row[:-1], _summaries.ids_of(row[-1])]
    return RecordedAction(*values)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")
