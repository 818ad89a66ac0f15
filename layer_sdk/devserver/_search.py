"""The text search: an index of SQLite (FTS5), or a plain table where SQLite was built without it."""

from __future__ import annotations

import re
import sqlite3

# A document has the number of its session and its place there in one: so an index that knows numbers alone will do.
_PLACES = 24
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 8


def create(connection: sqlite3.Connection, *, with_index: bool | None = None) -> None:
    """Create the table of texts in a new database; `with_index` None takes an index where there can be one."""
    if can_index(connection) if with_index is None else with_index:
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5(said, content='', tokenize='unicode61')")
    else:
        connection.execute("CREATE TABLE texts (number INTEGER PRIMARY KEY, said TEXT NOT NULL)")


def can_index(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite has FTS5."""
    try:
        connection.execute("CREATE VIRTUAL TABLE temp.attempt USING fts5(said)")
        connection.execute("DROP TABLE temp.attempt")
    except sqlite3.OperationalError:
        return False
    return True


def add(connection: sqlite3.Connection, session: int, place: int, text: str) -> None:
    """Add the text of an action, or of the session itself (place 0)."""
    if place >> _PLACES:
        return
    connection.execute("INSERT INTO texts (rowid, said) VALUES (?, ?)", (session << _PLACES | place, _storable(text)))


def replace(connection: sqlite3.Connection, session: int, before: str, after: str) -> None:
    """Put another text in place of that of a session itself."""
    number = session << _PLACES
    if _is_indexed(connection):
        # The index keeps no text, so it must be told what it is to forget.
        connection.execute(
            "INSERT INTO texts (texts, rowid, said) VALUES ('delete', ?, ?)", (number, _storable(before))
        )
    else:
        connection.execute("DELETE FROM texts WHERE number = ?", (number,))
    add(connection, session, 0, after)


def condition(connection: sqlite3.Connection, query: str) -> tuple[str, list[str]] | None:
    """What to ask of the sessions that have each word of a query, each by its beginning; None for no word."""
    words = _WORD.findall(_storable(query))[:_MOST_WORDS]
    if not words:
        return None
    if _is_indexed(connection):
        asked = " AND ".join(f'"{word}" *' for word in words)
        return f"number IN (SELECT rowid >> {_PLACES} FROM texts WHERE texts MATCH ?)", [asked]  # noqa: S608 - it is made of constants
    likes = " AND ".join("said LIKE ?" for _ in words)
    return f"number IN (SELECT number >> {_PLACES} FROM texts WHERE {likes})", [f"%{word}%" for word in words]  # noqa: S608 - it is made of constants


def _is_indexed(connection: sqlite3.Connection) -> bool:
    statement = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'texts'").fetchone()[0]
    return str(statement).startswith("CREATE VIRTUAL")


def _storable(text: str) -> str:
    """A text without what SQLite can not store (half a surrogate pair) or stops at (NUL)."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
