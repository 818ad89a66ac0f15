"""Which sessions are asked for: read from an address, and written as a condition of SQL."""

from __future__ import annotations

import datetime
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import urlencode

from . import _search
from ._moments import now, written
from ._summaries import key_of

if TYPE_CHECKING:
    import sqlite3

STATUSES = {"error": "With errors", "blocked": "Blocked", "ok": "Without either"}
TIMES = {"15m": "Last 15 minutes", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days"}
_MINUTES = {"15m": 15, "1h": 60, "24h": 24 * 60, "7d": 7 * 24 * 60}
_CONDITIONS = {
    "error": "error_count > 0",
    "blocked": "decision = 'block'",
    "ok": "error_count = 0 AND decision <> 'block'",
}
_LONGEST = 500
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Filter:
    """What sessions are to have in common; nothing said means all of them.

    What makes no sense in an address counts as not said: a filter is typed letter by letter.
    """

    q: str = ""
    kind: str = ""
    status: str = ""
    time: str = ""
    since: str = ""
    until: str = ""
    attribute: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Filter:
        """Read a filter from the parameters of an address."""
        said = {name: parameters.get(name, "").strip()[:_LONGEST] for name in asdict(cls())}
        said["status"] = said["status"] if said["status"] in STATUSES else ""
        said["time"] = said["time"] if said["time"] in TIMES else ""
        for name in ("since", "until"):
            said[name] = said[name] if _TIME.fullmatch(said[name]) else ""
        return cls(**said)

    def address(self, **more: object) -> str:
        """The query of an address that asks for the same, and for more."""
        said = {name: value for name, value in {**asdict(self), **more}.items() if value not in ("", None)}
        return "?" + urlencode(said, errors="replace")

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def condition(self, connection: sqlite3.Connection) -> tuple[list[str], list[Any]]:
        """The conditions, all of which must hold, and the values in them."""
        found = _search.condition(connection, self.q)
        conditions, values = ([found[0]], list(found[1])) if found else ([], [])
        if self.kind:
            conditions.append("number IN (SELECT session FROM session_kinds WHERE kind = ?)")
            values.append(self.kind.encode("utf-8", "replace").decode("utf-8"))
        if self.status:
            conditions.append(_CONDITIONS[self.status])
        if self.attribute:
            name, equals, value = (part.strip() for part in self.attribute.partition("="))
            more = " AND value = ?" if equals else ""
            conditions.append(f"number IN (SELECT session FROM session_attributes WHERE name = ?{more})")  # noqa: S608 - it is made of constants
            values += [key_of(name), key_of(value)] if equals else [key_of(name)]
        if self.time:
            conditions.append("created_at >= ?")
            values.append(written(now() - datetime.timedelta(minutes=_MINUTES[self.time])))
        if self.since:
            conditions.append("created_at >= ?")
            values.append(self.since)
        if self.until:
            # A tilde comes after all that may follow a minute or a second.
            conditions.append("created_at <= ?")
            values.append(f"{self.until}~")
        return conditions, values


def number_of(parameters: Mapping[str, str], name: str) -> int | None:
    """A number in an address; None for no number."""
    text = parameters.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None
