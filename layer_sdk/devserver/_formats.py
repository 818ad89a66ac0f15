"""The string formats of the contract, checked to the letter."""

from __future__ import annotations

import datetime
import re
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[Tt]"
    r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|(?P<sign>[+-])(?P<off_hour>[01][0-9]|2[0-3]):(?P<off_minute>[0-5][0-9]))"
)
_LAST_MINUTE = 23 * 60 + 59


def is_uuid(value: Any) -> bool:
    """Whether a text is a UUID in the usual form; what is no text has no format."""
    return not isinstance(value, str) or _UUID.fullmatch(value) is not None


def is_date_time(value: Any) -> bool:
    """Whether a text is a date-time of RFC 3339; what is no text has no format."""
    if not isinstance(value, str):
        return True
    match = _DATE_TIME.fullmatch(value)
    return match is not None and _is_date(match) and (match["second"] != "60" or _is_leap_second(match))


def _is_date(match: re.Match[str]) -> bool:
    # RFC 3339 has a year 0, Python has not; 2000 is as long.
    try:
        datetime.date(int(match["year"]) or 2000, int(match["month"]), int(match["day"]))
    except ValueError:
        return False
    return True


def _is_leap_second(match: re.Match[str]) -> bool:
    offset = int(match["off_hour"] or 0) * 60 + int(match["off_minute"] or 0)
    minute = int(match["hour"]) * 60 + int(match["minute"]) + (offset if match["sign"] == "-" else -offset)
    return minute % (24 * 60) == _LAST_MINUTE


FORMATS = {"date-time": is_date_time, "uuid": is_uuid}
