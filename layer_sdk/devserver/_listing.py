"""The list of sessions, one page of it at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _records

if TYPE_CHECKING:
    import sqlite3

    from ._filters import Filter
    from ._records import Session

A_PAGE = 50
# Counting further would take longer the more there is, and nobody needs to know.
_MOST_COUNTED = 1000


@dataclass(frozen=True)
class Listing:
    """One page of the list: its sessions, and where the pages before and after it begin."""

    sessions: tuple[Session, ...]
    names: dict[str, str]
    newer: int | None
    older: int | None
    count: int
    is_all: bool
    total: int


def read(connection: sqlite3.Connection, chosen: Filter, before: int | None, after: int | None) -> Listing:
    """The sessions that are asked for: the newest, or those before or after the one with a number."""
    conditions, values = chosen.condition(connection)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    count = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM sessions {where} LIMIT {_MOST_COUNTED + 1})",  # noqa: S608 - it is made of constants
        values,
    ).fetchone()[0]
    if after is not None and before is None:
        before = _end_of_page(connection, conditions, values, after)
    bounded = conditions if before is None else [*conditions, "number < ?"]
    where = f"WHERE {' AND '.join(bounded)}" if bounded else ""
    found = _records.list_sessions(connection, A_PAGE + 1, 0, where, values if before is None else [*values, before])
    shown = found[:A_PAGE]
    return Listing(
        sessions=tuple(shown),
        names=names_of(connection, {session.application_id for session in shown}),
        newer=shown[0].number if shown and before is not None else None,
        older=shown[-1].number if len(found) > A_PAGE else None,
        count=min(count, _MOST_COUNTED),
        is_all=count <= _MOST_COUNTED,
        total=int(connection.execute("SELECT coalesce(max(number), 0) FROM sessions").fetchone()[0]),
    )


def _end_of_page(connection: sqlite3.Connection, conditions: list[str], values: list[object], after: int) -> int | None:
    """Where a page must end that begins after a session; None, where it would be the first page."""
    where = " AND ".join([*conditions, "number > ?"])
    rows = connection.execute(
        f"SELECT number FROM sessions WHERE {where} ORDER BY number LIMIT {A_PAGE + 1}",  # noqa: S608 - it is made of constants
        [*values, after],
    ).fetchall()
    return int(rows[A_PAGE][0]) if len(rows) > A_PAGE else None


def names_of(connection: sqlite3.Connection, ids: set[str]) -> dict[str, str]:
    """The names of the applications that were created here, by their ids."""
    names = {}
    for application_id in ids:
        row = connection.execute(
            "SELECT name FROM applications WHERE id = ?", (application_id.encode("utf-8", "replace").decode("utf-8"),)
        ).fetchone()
        if row:
            names[application_id] = str(json.loads(row[0]))
    return names
