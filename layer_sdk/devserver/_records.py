"""What is recorded, and how it is written to and read from the database.

Each function is a piece of work for the store: it refuses, if it must, before it writes. Texts of a client are kept as
JSON, which is plain ASCII, since not all that JSON can say can be stored as text (half a surrogate pair, for instance).
"""

from __future__ import annotations

import datetime
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ._problems import Fault, Refusal

if TYPE_CHECKING:
    import sqlite3

_ONE_SESSION = (
    "SELECT number, id, application_id, attributes, start_time, end_time, created_at FROM sessions WHERE id = ?"
)


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


@dataclass(frozen=True)
class Creation:
    """A session to create, or what is new of one that exists."""

    session_id: str | None
    application_id: str
    attributes: Mapping[str, str]
    start_time: str | None
    end_time: str | None
    actions: Sequence[Action]


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


@dataclass(frozen=True)
class RecordedAction:
    """A recorded action, as it was written."""

    number: int
    kind: str
    body: str
    received_at: str


def create_session(connection: sqlite3.Connection, call: Call, creation: Creation, status: int) -> Answer:
    """Create a session, or merge what is new into the one that has the id."""
    stored = _stored_answer(connection, call)
    if stored:
        return stored
    session_id = creation.session_id or str(uuid.uuid4())
    session = find_session(connection, session_id)
    if session is None:
        _record(connection, call, _insert_session(connection, session_id, creation), creation)
    elif not _is_known(connection, call, session):
        _update_session(connection, session, creation)
        _record(connection, call, session.number, creation)
    return _keep_answer(connection, call, Answer(status, _json({"session_id": session_id})))


def append_action(connection: sqlite3.Connection, call: Call, session_id: str, action: Action) -> Answer:
    """Append an action to a session."""
    stored = _stored_answer(connection, call)
    if stored:
        return stored
    session = connection.execute("SELECT number FROM sessions WHERE id = ?", (session_id,)).fetchone()
    if session is None:
        raise Refusal(404, f"There is no session {session_id}. Create it first.", [Fault("session_id", "is not known")])
    _insert_actions(connection, session[0], [action])
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
    row = connection.execute(_ONE_SESSION, (session_id,)).fetchone()
    return _session(row) if row else None


def list_actions(
    connection: sqlite3.Connection, session: int, after: int = 0, limit: int = -1, offset: int = 0
) -> list[RecordedAction]:
    """The actions of a session in recorded order, from the one that follows the number `after`."""
    rows = connection.execute(
        "SELECT number, kind, body, received_at FROM actions WHERE session = ? AND number > ? "
        "ORDER BY number LIMIT ? OFFSET ?",
        (session, after, limit, offset),
    )
    return [RecordedAction(*row) for row in rows]


def count_actions(connection: sqlite3.Connection, session: int) -> int:
    """How many actions a session has."""
    return int(connection.execute("SELECT count(*) FROM actions WHERE session = ?", (session,)).fetchone()[0])


def list_sessions(connection: sqlite3.Connection, limit: int, offset: int) -> list[Session]:
    """Sessions, newest first."""
    rows = connection.execute(
        "SELECT number, id, application_id, attributes, start_time, end_time, created_at FROM sessions "
        "ORDER BY number DESC LIMIT ? OFFSET ?",
        (limit, offset),
    )
    return [_session(row) for row in rows]


def count_all(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many sessions and how many actions there are."""
    row = connection.execute("SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM actions)").fetchone()
    return int(row[0]), int(row[1])


def first_prompt(connection: sqlite3.Connection, session: int) -> str | None:
    """The first prompt of a session, as the action was written."""
    row = connection.execute(
        "SELECT body FROM actions WHERE session = ? AND kind = 'completion_prompt' ORDER BY number LIMIT 1", (session,)
    ).fetchone()
    return str(row[0]) if row else None


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


def _is_known(connection: sqlite3.Connection, call: Call, session: Session) -> bool:
    """Whether this very creation was recorded before."""
    row = connection.execute(
        "SELECT 1 FROM creations WHERE session = ? AND fingerprint = ?", (session.number, call.fingerprint)
    ).fetchone()
    return row is not None


def _insert_session(connection: sqlite3.Connection, session_id: str, creation: Creation) -> int:
    cursor = connection.execute(
        "INSERT INTO sessions (id, application_id, attributes, start_time, end_time, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            session_id,
            json.dumps(creation.application_id),
            json.dumps(creation.attributes),
            creation.start_time,
            creation.end_time,
            _now(),
        ),
    )
    return int(cursor.lastrowid or 0)


def _update_session(connection: sqlite3.Connection, session: Session, creation: Creation) -> None:
    attributes = {**session.attributes, **creation.attributes}
    connection.execute(
        "UPDATE sessions SET attributes = ?, start_time = coalesce(start_time, ?), end_time = coalesce(?, end_time) "
        "WHERE number = ?",
        (json.dumps(attributes), creation.start_time, creation.end_time, session.number),
    )


def _record(connection: sqlite3.Connection, call: Call, session: int, creation: Creation) -> None:
    """Write what a new session and a merge have in common."""
    connection.execute("INSERT INTO creations (session, fingerprint) VALUES (?, ?)", (session, call.fingerprint))
    _insert_actions(connection, session, creation.actions)


def _insert_actions(connection: sqlite3.Connection, session: int, actions: Sequence[Action]) -> None:
    now = _now()
    connection.executemany(
        "INSERT INTO actions (session, kind, body, received_at) VALUES (?, ?, ?, ?)",
        [(session, action.kind, action.body, now) for action in actions],
    )


def _session(row: Sequence[Any]) -> Session:
    return Session(row[0], row[1], json.loads(row[2]), json.loads(row[3]), *row[4:])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")
