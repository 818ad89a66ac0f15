"""Whether this machine's clock and the server's agree: tokens and the times of what is recorded rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from ._api import ask
from ._report import Verdict, failure, ok, skipped, warning

if TYPE_CHECKING:
    from ._subject import Subject, Target

SKEW, TOLERANCE = 30.0, 300.0  # seconds; many servers accept no token that is off by more than the second


def judge(subject: Subject, target: Target) -> Verdict:
    """Compare this machine's clock with the server's."""
    answer = subject.learned.answer
    if answer is None:
        try:
            answer = ask(subject, target.shown, {})
        except (requests.exceptions.RequestException, OSError, ValueError):
            return skipped("no answer came to compare the clock with")
    if answer.ahead is None:
        return skipped(f"{target.shown} puts no date on its answers")
    off = abs(answer.ahead)
    text = f"this machine's clock is {_span(off)} {'ahead of' if answer.ahead > 0 else 'behind'} that of {target.shown}"
    tolerance = max(SKEW, min(TOLERANCE, subject.learned.lifetime or TOLERANCE))
    if off > tolerance:
        return failure(
            f"{text}: tokens are taken for expired, or not valid yet, and what is recorded has wrong times",
            "set this machine's clock (NTP), or the server's",
        )
    if off > SKEW:
        return warning(text, "set this machine's clock (NTP), or the server's")
    return ok(
        f"it differs from that of {target.shown} by {off:.0f} s at most" if off >= 1 else "it agrees with the server's"
    )


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
