"""What a test and the fake Layer say to each other: how to behave, and what has happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Mapping, NamedTuple, Sequence, Union

CREATE, APPEND, LIST, NAME = "create", "append", "applications", "application"
OTHER = "other"
EVERY = "*"

DROP_AFTER_READ = "drop_after_read"  # carry out, then close without an answer
DROP_BEFORE_READ = "drop_before_read"  # close when the head is there; nothing is carried out
HALF_BODY = "half_body"  # carry out, answer with half of the announced body, close
RESET = "reset"  # reset the connection when the head is there; nothing is carried out
GONE = "gone"  # how a request ends whose client did not wait for the answer

Outcome = Union[int, str]


@dataclass(frozen=True)
class Switches:
    """How the fake Layer behaves. Where something goes by operation, "*" stands for those that are not named.

    Attributes:
        script: By operation, outcomes that its next requests meet, in order: a status, or the name of a fault. One that
            is None leaves its request alone.
        chances: By operation, how likely each status or fault is for a request that no script takes care of.
        drop_after_read: How likely this fault is, for any operation; so with the next three.
        drop_before_read: As above.
        half_body: As above.
        reset: As above.
        carry_out_failures: Carry out also what `script` or `chances` answer with a status of 300 or more.
        retry_after: What every answer of 300 or more says in `Retry-After`, whatever it is.
        delay: Seconds between carrying out and answering; a number, or numbers by operation.
        duplicate_detection: Answer a known Idempotency-Key as the first time, without carrying out again.
        id_override: Keep and answer another session id than the one asked for: this one, or with True one made from it.
        existing: What a create does to a session that exists: "merge", "overwrite" or "conflict" (409).
        unknown_session: Whether an append to a session that does not exist is a 404; otherwise it makes the session.
        poison: The status for a request with an action whose data says {"poison": true}; 0 for accepting it.
        max_body: How many bytes a body may have before it is a 413; None for no limit.
        token: The bearer token to ask for (401 without it), or several that will do; None for not asking.
        reject: A status, say 401 or 403, that refuses every token; 0 for none.
    """

    script: Mapping[str, Sequence[Outcome | None]] = field(default_factory=dict)
    chances: Mapping[str, Mapping[Outcome, float]] = field(default_factory=dict)
    drop_after_read: float = 0.0
    drop_before_read: float = 0.0
    half_body: float = 0.0
    reset: float = 0.0
    carry_out_failures: bool = False
    retry_after: object = None
    delay: float | Mapping[str, float] = 0.0
    duplicate_detection: bool = False
    id_override: bool | str = False
    existing: str = "merge"
    unknown_session: bool = True
    poison: int = 422
    max_body: int | None = None
    token: str | Sequence[str] | None = None
    reject: int = 0


class Asked(NamedTuple):
    """A request that ended.

    Attributes:
        operation: "create", "append", "applications" (their list), "application" (a new one), or "other".
        session: The session it named, if any.
        key: Its Idempotency-Key, if any.
        outcome: The status it was answered with, or the name of the fault it met, or "gone".
        began: When it had come in full, on the monotonic clock, which is the same for all processes.
        ended: When its answer was sent.
        actions: How many actions it carried.
        size: How many bytes its body had.
        connection: The number of its connection, from 1.
        authorization: Its Authorization header, if any.
    """

    operation: str
    session: str
    key: str
    outcome: Outcome
    began: float
    ended: float
    actions: int
    size: int
    connection: int
    authorization: str


class Seen(NamedTuple):
    """How often an Idempotency-Key came, and the sha256 of each body that came with it."""

    times: int
    bodies: frozenset[str]


@dataclass
class Record:
    """Everything that happened since the last reset.

    Attributes:
        sessions: By session, the keys of its accepted actions in order; "" for an action without a key.
        idempotency: By Idempotency-Key, how often and with what it was seen.
        counts: How many requests of each operation had which outcome.
        requests: Every request that ended, in the order of their ends.
        most_in_flight: By session, how many of its requests were being answered at once, at the most.
        connections: How many connections were accepted.
        open_connections: How many are open.
        max_open_connections: How many were open at once, at the most.
        errors: Mistakes of the fake itself.
    """

    sessions: dict[str, list[str]] = field(default_factory=dict)
    idempotency: dict[str, Seen] = field(default_factory=dict)
    counts: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    requests: list[Asked] = field(default_factory=list)
    most_in_flight: dict[str, int] = field(default_factory=dict)
    connections: int = 0
    open_connections: int = 0
    max_open_connections: int = 0
    errors: list[str] = field(default_factory=list)
