"""The firewall's policies: read from a file, and matched against what was recorded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Iterable, Iterator, Mapping

import yaml

from . import _records
from ._settings import StartError

if TYPE_CHECKING:
    import os
    import sqlite3

    from ._store import Store

# From the mildest to the gravest, with the decision that each leads to.
_DECISIONS = {"monitor": "skip", "inform": "alert", "block": "block"}
_REQUIRED = ("id", "name", "pattern", "severity", "action")


@dataclass(frozen=True)
class Policy:
    """One policy: the pattern that violates it, and what is then to be done."""

    id: int
    name: str
    pattern: re.Pattern[str]
    severity: str
    action: str
    kinds: frozenset[str] | None = None

    def is_violated(self, kind: str | None, texts: Iterable[str]) -> bool:
        """Whether texts of an action of a kind, or of the session itself (None), violate this policy."""
        return (self.kinds is None or kind in self.kinds) and any(self.pattern.search(text) for text in texts)


@dataclass(frozen=True)
class Verdict:
    """What the firewall says of a session."""

    decision: str
    violated: tuple[Policy, ...] = ()


class Firewall:
    """Decides about sessions, looking at each action once.

    It decides when it is asked, not when something is recorded: so its decisions go by the policies of today for what
    was recorded under those of yesterday, too.
    """

    def __init__(self, store: Store, policies: Collection[Policy]) -> None:
        self._store = store
        self._policies = tuple(policies)
        self._seen: dict[int, tuple[int, frozenset[int]]] = {}

    async def verdict(self, session_id: str) -> Verdict:
        """Decide about everything that is recorded in a session so far."""
        return await self._store.run(partial(self._decide, session_id=session_id))

    def _decide(self, connection: sqlite3.Connection, session_id: str) -> Verdict:
        session = _records.find_session(connection, session_id)
        if session is None:
            return Verdict("no_data")
        last, found = self._seen.get(session.number, (0, frozenset()))
        for action in _records.list_actions(connection, session.number, after=last):
            last, found = action.number, found | self._violated_by(action)
        if not last:
            return Verdict("no_data")
        self._seen[session.number] = (last, found)
        return self._judged(found | self._violated(None, list(session.attributes.values())))

    def _violated_by(self, action: _records.RecordedAction) -> frozenset[int]:
        return self._violated(action.kind, _texts_of(action.body)) if self._policies else frozenset()

    def _violated(self, kind: str | None, texts: Collection[str]) -> frozenset[int]:
        return frozenset(policy.id for policy in self._policies if policy.is_violated(kind, texts))

    def _judged(self, found: Collection[int]) -> Verdict:
        violated = tuple(policy for policy in self._policies if policy.id in found)
        actions = {policy.action for policy in violated}
        decisions = [decision for action, decision in _DECISIONS.items() if action in actions]
        return Verdict(decisions[-1] if decisions else "pass", violated)


def load_policies(file: str | os.PathLike[str] | None, kinds: Collection[str]) -> tuple[Policy, ...]:
    """Read a file of policies.

    Args:
        file: A YAML or JSON file with a list of policies; without one, there are none.
        kinds: The kinds of action that there are.

    Returns:
        The policies, in the order of the file.

    Raises:
        StartError: If the file can not be read, or an entry is not right; it names the entry and what is wanted.
    """
    if file is None:
        return ()
    entries = _read(Path(file))
    policies = tuple(_policy(f"{file}, entry {number}", entry, kinds) for number, entry in enumerate(entries, 1))
    ids = [policy.id for policy in policies]
    for number, policy in enumerate(policies, 1):
        if policy.id in ids[: number - 1]:
            raise StartError(
                f"Policies {file}, entry {number}: the id {policy.id} is taken. Each policy needs its own."
            )
    return policies


def _read(file: Path) -> list[Any]:
    try:
        text = file.read_text("utf-8")
        entries = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StartError(f"Policies {file}: the file can not be read as YAML or JSON: {error}") from error
    if not isinstance(entries, list):
        raise StartError(f"Policies {file}: the file must hold a list of policies, not {type(entries).__name__}.")
    return entries


def _policy(where: str, entry: Any, kinds: Collection[str]) -> Policy:
    faults = list(_faults(entry, kinds))
    if faults:
        raise StartError(f"Policies {where}: {'; '.join(faults)}.")
    chosen = frozenset(entry["kinds"]) if entry.get("kinds") is not None else None
    return Policy(**{**entry, "pattern": re.compile(entry["pattern"]), "kinds": chosen})


def _faults(entry: Any, kinds: Collection[str]) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"it must be an object with {', '.join(_REQUIRED)}, not {type(entry).__name__}"
        return
    for name in _REQUIRED:
        if name not in entry:
            yield f"{name} is missing"
    known = [field.name for field in fields(Policy)]
    for name in entry:
        if name not in known:
            yield f"{name} is not known; possible are {', '.join(known)}"
        elif entry[name] is not None or name != "kinds":
            yield from _value_faults(name, entry[name], kinds)


def _value_faults(name: str, value: Any, kinds: Collection[str]) -> Iterator[str]:
    if name == "id":
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"id must be an integer, not {value!r}"
    elif name == "kinds":
        if not isinstance(value, list) or not value or not all(kind in kinds for kind in value):
            yield f"kinds must be a list of some of {', '.join(kinds)}, not {value!r}"
    elif not isinstance(value, str) or not value:
        yield f"{name} must be a text, not {value!r}"
    elif name == "action" and value not in _DECISIONS:
        yield f"action must be one of {', '.join(_DECISIONS)}, not {value!r}"
    elif name == "pattern":
        yield from _pattern_faults(value)


def _pattern_faults(pattern: str) -> Iterator[str]:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"pattern must be a regular expression of Python, but {pattern!r} is none: {error}"


def _texts_of(body: str) -> list[str]:
    """All texts of an action that policies are matched against."""
    try:
        action: Mapping[str, Any] = json.loads(body)
    except RecursionError:
        return [body]  # nested so deeply that it could only just be received
    error = action.get("error") or {}
    return list(_texts([action.get("data"), action.get("attributes"), error.get("message")]))


def _texts(value: Any) -> Iterator[str]:
    # A list of what is left, instead of recursion: documents may be nested deeper than Python calls.
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
