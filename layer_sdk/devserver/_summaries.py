"""What lists show of a session, kept beside it and brought up to date by whatever is recorded in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Collection, Iterable, Mapping, Sequence

from . import _search, _totals

if TYPE_CHECKING:
    import sqlite3

    from ._digest import Digest
    from ._policies import Policies

# What is longer is found by its beginning.
_LONGEST_KEY = 200


@dataclass(frozen=True)
class Place:
    """Where a session stands: its number, how many actions it has, and which policies these and itself violate."""

    number: int
    action_count: int
    violated: frozenset[int]
    violated_itself: frozenset[int]


def place_of(connection: sqlite3.Connection, session_id: str) -> Place | None:
    """Where the session with an id stands; None for no such session."""
    row = connection.execute(
        "SELECT number, action_count, violated, violated_itself FROM sessions WHERE id = ?", (session_id,)
    ).fetchone()
    return Place(row[0], row[1], ids_of(row[2]), ids_of(row[3])) if row else None


def note_actions(
    connection: sqlite3.Connection, place: Place, kinds: Iterable[str], digests: Sequence[Digest], policies: Policies
) -> None:
    """Bring a session up to date with actions that were appended to it."""
    if not digests:
        return
    violated = place.violated.union(*(one.violated for one in digests))
    begins = [one.began for one in digests if one.began is not None]
    ends = [one.ended for one in digests if one.ended is not None]
    prompt = next((one.prompt for one in digests if one.prompt), None)
    connection.execute(
        "UPDATE sessions SET action_count = action_count + ?, error_count = error_count + ?, "
        "token_count = min(token_count + ?, 1000000000000000), began = coalesce(min(began, ?), began, ?), "
        "ended = coalesce(max(ended, ?), ended, ?), prompt = coalesce(prompt, ?), violated = ?, decision = ? "
        "WHERE number = ?",
        (
            len(digests),
            sum(one.failed for one in digests),
            sum(one.tokens for one in digests),
            *[min(begins, default=None)] * 2,
            *[max(ends, default=None)] * 2,
            None if prompt is None else json.dumps(prompt),
            ids_text(violated),
            policies.decision(violated | place.violated_itself),
            place.number,
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO session_kinds (kind, session) VALUES (?, ?)",
        [(kind, place.number) for kind in set(kinds)],
    )
    for position, one in enumerate(digests, place.action_count + 1):
        _search.add(connection, place.number, position, one.text)
    _totals.count(connection, digests)


def note_session(
    connection: sqlite3.Connection, place: Place, attributes: Mapping[str, str], policies: Policies
) -> None:
    """Bring the attributes of a session, by which it can be found and judged, up to date."""
    violated = policies.violated(None, list(attributes.values()))
    if violated != place.violated_itself:
        decision = policies.decision(violated | place.violated) if place.action_count else "no_data"
        connection.execute(
            "UPDATE sessions SET violated_itself = ?, decision = ? WHERE number = ?",
            (ids_text(violated), decision, place.number),
        )
    connection.executemany(
        "INSERT OR IGNORE INTO session_attributes (name, value, session) VALUES (?, ?, ?)",
        [(key_of(name), key_of(value), place.number) for name, value in attributes.items()],
    )


def forget_attributes(connection: sqlite3.Connection, session: int, attributes: Mapping[str, str]) -> None:
    """Forget attributes by which a session could be found."""
    connection.executemany(
        "DELETE FROM session_attributes WHERE name = ? AND value = ? AND session = ?",
        [(key_of(name), key_of(value), session) for name, value in attributes.items()],
    )


def text_of_session(session_id: str, application_id: str, attributes: Mapping[str, str]) -> str:
    """What a search looks in for a session itself."""
    pairs = (f"{name} {value[:1000]}" for name, value in list(attributes.items())[:100])
    return "\n".join([session_id, application_id[:1000], *pairs])


def key_of(text: str) -> str:
    """An attribute's name or value as it is looked up: as JSON, since not all texts can be stored."""
    return json.dumps(text[:_LONGEST_KEY])


def ids_of(text: str) -> frozenset[int]:
    """The ids of policies, read from the database."""
    return frozenset(json.loads(text)) if text != "[]" else frozenset()


def ids_text(ids: Collection[int]) -> str:
    """The ids of policies, to be written to the database."""
    return json.dumps(sorted(ids)) if ids else "[]"
