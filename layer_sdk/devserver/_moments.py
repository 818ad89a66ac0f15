"""Points in time and spans between them, read from what clients write and written for people."""

from __future__ import annotations

import datetime
import re

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?[0-9]*(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - all that is reckoned here is UTC
_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def moment(text: object) -> float | None:
    """The seconds since 1970 that a date-time of RFC 3339 stands for; None, where it can not be reckoned with."""
    match = _DATE_TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    try:
        whole = datetime.datetime(year, month, day, hour, minute)  # noqa: DTZ001 - the offset follows below
    except ValueError:
        return None
    offset = int(match[9] or 0) * _HOUR + int(match[10] or 0) * _MINUTE
    seconds = (whole - _EPOCH).total_seconds() + second + float(match[7] or 0)
    return seconds + offset if match[8] == "-" else seconds - offset


def now() -> datetime.datetime:
    """The time of day."""
    return datetime.datetime.now(datetime.timezone.utc)


def written(point: datetime.datetime) -> str:
    """A date-time as this server writes it."""
    return point.isoformat(timespec="microseconds").replace("+00:00", "Z")


def span(seconds: float | None) -> str:
    """A span of time in short: `120 ms`, `3.4 s`, `2 min 5 s`, `3 h 20 min`, `4 d 2 h`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
    for (unit, name), (lower, lower_name) in zip(units, units[1:]):
        if whole >= unit:
            rest = whole % unit // lower
            return f"{whole // unit:,} {name} {rest} {lower_name}" if rest else f"{whole // unit:,} {name}"
    return f"{whole} s"
