"""What an answer, or the lack of one, means for a request that was under way."""

from __future__ import annotations

from typing import NamedTuple

from layer_sdk.exceptions import LayerAuthError, LayerHTTPError, LayerRequestError

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
NOT_TAKEN = frozenset({408, 425, 429, 501, 503})  # say that nothing was done; a gateway's 502 or 504 says nothing
MAX_RETRY_AFTER = 3600.0  # a longer wish is no plan to come back to

# The verdicts.
DONE = "done"
RETRY = "retry"  # the same again, later
HOLD = "hold"  # the credentials are refused: everything waits
MISSING = "missing"  # the server does not know the session
EXISTS = "exists"  # the server has the session, or this very request, already
TOO_LARGE = "too large"
REFUSED = "refused"  # for what is in it, and for ever


class Outcome(NamedTuple):
    """A verdict and what else is known."""

    verdict: str
    reason: str = ""
    error: BaseException | None = None
    retry_after: float | None = None
    was_sent: bool = True  # False where the request surely never reached the server
    is_stale: bool = False  # a connection that the server had closed while it lay idle


def judge(error: BaseException) -> Outcome:
    """Judge what a send raised."""
    if isinstance(error, LayerHTTPError):
        return _judge_status(error, int(error.status_code))
    if isinstance(error, LayerAuthError):
        return Outcome(HOLD, type(error).__name__, error, was_sent=False)
    if isinstance(error, LayerRequestError):
        inner = _inner_name(error)
        refused = inner in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
        return Outcome(RETRY, "no_answer", error, was_sent=not refused, is_stale=inner == "ProtocolError")
    return Outcome(REFUSED, type(error).__name__, error)


def _judge_status(error: LayerHTTPError, status: int) -> Outcome:
    reason = f"http_{status}"
    if 200 <= status < 300:  # a success whose body is of no use: carried out, and an id of its own is lost
        return Outcome(DONE, reason, error)
    if status in TRANSIENT or status >= 500:
        return Outcome(RETRY, reason, error, _sane(error.retry_after), was_sent=status not in NOT_TAKEN)
    if status in (401, 403):
        return Outcome(HOLD, reason, error)
    verdict = {404: MISSING, 409: EXISTS, 413: TOO_LARGE}.get(status, REFUSED)
    return Outcome(verdict, reason, error)


def _sane(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_RETRY_AFTER else None


def _inner_name(error: LayerRequestError) -> str:
    """Name urllib3's exception inside of requests': they are told apart by name, so that neither is imported here."""
    inner = error.__cause__.args[0] if error.__cause__ is not None and error.__cause__.args else None
    return type(getattr(inner, "reason", inner)).__name__
