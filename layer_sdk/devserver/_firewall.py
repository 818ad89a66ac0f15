"""The firewall: what the policies lead to for the sessions that are recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Mapping

from . import _records
from ._summaries import ids_of, ids_text
from ._texts import texts_of_action

if TYPE_CHECKING:
    import sqlite3

    from ._policies import Policies, Policy
    from ._store import Store

_AT_ONCE = 200


@dataclass(frozen=True)
class Verdict:
    """What the firewall says of a session."""

    decision: str
    violated: tuple[Policy, ...] = ()


class Firewall:
    """Decides about sessions.

    Each action is judged when it is received, and what it violates is kept beside it. Where the policies are others
    than those that judged last, `judge_anew` goes once over all that is recorded, before anything else is done.
    """

    def __init__(self, store: Store, policies: Policies) -> None:
        self._store = store
        self.policies = policies

    async def verdict(self, session_id: str) -> Verdict:
        """Decide about everything that is recorded in a session so far."""
        return await self._store.run(partial(self._decide, session_id=session_id))

    def _decide(self, connection: sqlite3.Connection, session_id: str) -> Verdict:
        row = connection.execute(
            "SELECT decision, violated, violated_itself FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
        if row is None or row[0] == "no_data":
            return Verdict("no_data")
        return Verdict(row[0], self.policies.of(ids_of(row[1]) | ids_of(row[2])))


def judge_anew(connection: sqlite3.Connection, policies: Policies) -> None:
    """Judge all that is recorded, where other policies judged it."""
    fingerprint = policies.fingerprint()
    row = connection.execute("SELECT value FROM notes WHERE name = 'policies'").fetchone()
    if row and row[0] == fingerprint:
        return
    for number, *_ in connection.execute("SELECT number FROM sessions").fetchall():
        _judge_session(connection, number, policies)
    connection.execute("INSERT OR REPLACE INTO notes (name, value) VALUES ('policies', ?)", (fingerprint,))


def _judge_session(connection: sqlite3.Connection, number: int, policies: Policies) -> None:
    violated: frozenset[int] = frozenset()
    after, actions = 0, _records.list_actions(connection, number, 0, _AT_ONCE)
    while actions:
        for action in actions:
            found = policies.violated(action.kind, _texts_of(action.body))
            violated |= found
            if found != action.violated:
                connection.execute("UPDATE actions SET violated = ? WHERE number = ?", (ids_text(found), action.number))
        after = actions[-1].position
        actions = _records.list_actions(connection, number, after, _AT_ONCE)
    row = connection.execute("SELECT attributes FROM sessions WHERE number = ?", (number,)).fetchone()
    itself = policies.violated(None, list(json.loads(row[0]).values()))
    decision = policies.decision(violated | itself) if after else "no_data"
    connection.execute(
        "UPDATE sessions SET violated = ?, violated_itself = ?, decision = ? WHERE number = ?",
        (ids_text(violated), ids_text(itself), decision, number),
    )


def _texts_of(body: str) -> list[str]:
    try:
        action: Mapping[str, Any] = json.loads(body)
    except RecursionError:
        return [body]  # nested so deeply that it could only just be received
    return texts_of_action(action)
