"""The firewall's policies: read from a file, and matched against texts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Collection, Iterable, Iterator

import yaml

from ._settings import StartError

if TYPE_CHECKING:
    import os

# From the mildest to the gravest, with the decision that each leads to.
_DECISIONS = {"monitor": "skip", "inform": "alert", "block": "block"}
_MOST_MARKS = 100
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


class Policies:
    """All policies, and what their being violated leads to."""

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._policies = {policy.id: policy for policy in policies}

    def violated(self, kind: str | None, texts: Collection[str]) -> frozenset[int]:
        """The ids of the policies that texts of an action of a kind, or of the session itself (None), violate."""
        return frozenset(policy.id for policy in self._policies.values() if policy.is_violated(kind, texts))

    def decision(self, violated: Collection[int]) -> str:
        """What the firewall decides where these are violated: the gravest action counts."""
        actions = {policy.action for policy in self.of(violated)}
        decisions = [decision for action, decision in _DECISIONS.items() if action in actions]
        return decisions[-1] if decisions else "pass"

    def of(self, ids: Collection[int]) -> tuple[Policy, ...]:
        """The policies with these ids, in the order of the file."""
        return tuple(policy for policy in self._policies.values() if policy.id in ids) if ids else ()

    def stretches(self, kind: str | None, ids: Collection[int], text: str) -> list[tuple[int, int, str]]:
        """Where a text violates some of the policies: start, end and the policy's name, none overlapping another."""
        found = sorted(
            (match.start(), match.end(), policy.name)
            for policy in self.of(ids)
            if policy.kinds is None or kind in policy.kinds
            for match in islice(policy.pattern.finditer(text), _MOST_MARKS)
            if match.end() > match.start()
        )
        apart: list[tuple[int, int, str]] = []
        for start, end, name in found:
            if not apart or start >= apart[-1][1]:
                apart.append((start, end, name))
        return apart

    def fingerprint(self) -> str:
        """A text that differs where other policies would judge otherwise."""
        said = [(p.id, p.pattern.pattern, p.action, sorted(p.kinds or ())) for p in self._policies.values()]
        return json.dumps(said)


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
