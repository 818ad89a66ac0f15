"""The tables of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _search

if TYPE_CHECKING:
    import sqlite3

VERSION = 2
# What is short comes first in a row: SQLite finds it without reading what is long.
_TABLES = """
CREATE TABLE applications (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    action_count INTEGER NOT NULL DEFAULT 0,
    error_count INTEGER NOT NULL DEFAULT 0,
    token_count INTEGER NOT NULL DEFAULT 0,
    began REAL,
    ended REAL,
    decision TEXT NOT NULL DEFAULT 'no_data',
    violated TEXT NOT NULL DEFAULT '[]',
    violated_itself TEXT NOT NULL DEFAULT '[]',
    start_time TEXT,
    end_time TEXT,
    application_id TEXT NOT NULL,
    prompt TEXT,
    attributes TEXT NOT NULL
);
CREATE INDEX sessions_by_time ON sessions (created_at);
CREATE INDEX sessions_with_errors ON sessions (number) WHERE error_count > 0;
CREATE INDEX sessions_blocked ON sessions (number) WHERE decision = 'block';
CREATE TABLE session_kinds (
    kind TEXT NOT NULL,
    session INTEGER NOT NULL REFERENCES sessions,
    PRIMARY KEY (kind, session)
) WITHOUT ROWID;
CREATE TABLE session_attributes (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    session INTEGER NOT NULL REFERENCES sessions,
    PRIMARY KEY (name, value, session)
) WITHOUT ROWID;
CREATE TABLE actions (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    received_at TEXT NOT NULL,
    creation INTEGER REFERENCES creations,
    violated TEXT NOT NULL DEFAULT '[]',
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX actions_by_session ON actions (session, position);
CREATE TABLE creations (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions,
    fingerprint BLOB NOT NULL,
    received_at TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (session, fingerprint)
);
CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE totals (
    minute INTEGER PRIMARY KEY,
    actions INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    errors INTEGER NOT NULL
);
CREATE TABLE latencies (
    minute INTEGER NOT NULL,
    step INTEGER NOT NULL,
    actions INTEGER NOT NULL,
    PRIMARY KEY (minute, step)
) WITHOUT ROWID;
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables in an empty database."""
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    _search.create(connection)
