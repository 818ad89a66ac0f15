"""What becomes of a flight when it ends: the table of answers, applied to the lane, the gate and the account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from layer_sdk.exceptions import LayerRequestError

from . import _outcome
from ._gate import DRAIN_DELAY
from ._lane import cut
from ._record import Record, tell_waiters

if TYPE_CHECKING:
    import random
    from uuid import UUID

    from layer_sdk.schemas import SessionRequest

    from ._account import Account
    from ._gate import Gate
    from ._lane import Flight, Lane
    from ._outcome import Outcome

FIRST_DELAY = 0.5
MAX_DELAY = 60.0
CALL_ATTEMPTS = 4  # of an explicit call that waits in a lane: as many as the default session makes

OnLoss = Callable[["Lane", int, str], None]


class Arrivals:
    """Applies outcomes. Not thread-safe: the engine locks.

    Args:
        account: Counts.
        gate: Shuts for everybody when the server is away.
        session_of: Makes the request that creates a session which the server does not know.
        chance: Where jitter comes from.
        on_loss: Told of each loss: lane, count, reason.
    """

    def __init__(
        self,
        account: Account,
        gate: Gate,
        session_of: Callable[[UUID], SessionRequest],
        chance: random.Random,
        on_loss: OnLoss,
    ) -> None:
        self._account = account
        self._gate = gate
        self._session_of = session_of
        self._chance = chance
        self._on_loss = on_loss
        self.refusals: list[str] = []  # to be told of when no lock is held: the host's log handlers have locks, too
        self._acts: dict[str, Callable[[Lane, Flight, Outcome], None]] = {
            _outcome.DONE: self._done,
            _outcome.RETRY: self._retry,
            _outcome.HOLD: self._hold,
            _outcome.MISSING: self._missing,
            _outcome.EXISTS: self._exists,
            _outcome.TOO_LARGE: self._too_large,
            _outcome.REFUSED: self._refused,
        }

    def settle(self, lane: Lane, flight: Flight, outcome: Outcome, *, is_probe: bool) -> None:
        """Act on an outcome."""
        if outcome.verdict not in (_outcome.RETRY, _outcome.HOLD):
            self._gate.succeed()
        elif not (outcome.is_stale and lane.attempts == 1):
            self._gate.fail(time.monotonic(), outcome.verdict, outcome.retry_after, was_probe=is_probe)
        self._acts[outcome.verdict](lane, flight, outcome)

    def _done(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:  # noqa: ARG002  (one signature for all)
        lane.land()
        lane.was_recreated = lane.was_recreated and flight.creates
        self._account.send(flight.records)
        tell_waiters(flight.records)

    def _retry(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        now = time.monotonic()
        self._account.note("retries")
        lane.was_sent = lane.was_sent or outcome.was_sent
        if lane.attempts >= CALL_ATTEMPTS or self._gate.is_shut(now):
            self.release_callers(lane, outcome.error)
            if flight.records[0].waiter is not None:
                self._give_back(lane, flight, outcome)
                return
        if outcome.is_stale and lane.attempts == 1:
            lane.not_before = now  # the connection had grown old: another one, at once
            return
        lane.not_before = now + self._delay(lane.attempts)

    def _delay(self, attempts: int) -> float:
        longest = DRAIN_DELAY if self._gate.is_draining else MAX_DELAY
        return min(longest, FIRST_DELAY * 2.0 ** min(attempts, 10)) * self._chance.random()

    def _hold(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        self.release_callers(lane, outcome.error)
        if flight.records[0].waiter is not None:
            self._give_back(lane, flight, outcome)
        self.refusals.append(outcome.reason)

    def release_callers(self, lane: Lane, error: BaseException | None) -> None:
        """Let explicit calls go that wait behind what cannot be sent now: their records are theirs again."""
        callers = lane.take_callers()
        self._account.drop(callers, "raised")
        tell_waiters(callers, error=error)

    def _missing(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        if flight.creates or lane.was_recreated:
            self._refused(lane, flight, outcome)
            return
        try:
            session = Record(self._session_of(lane.session_id), counts=0)
        except Exception as error:  # noqa: BLE001  (an id of the server's own making, which we may not choose)
            self._refused(lane, flight, outcome._replace(error=outcome.error or error))
            return
        lane.land()
        self._put_back(lane, flight.records)
        lane.push_back((session,))
        lane.was_recreated = True

    def _exists(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        if lane.was_sent:  # the answer to an earlier attempt was lost
            self._done(lane, flight, outcome)
        elif flight.creates:
            lane.land()
            self._account.send(flight.records[:1])
            tell_waiters(flight.records[:1])
            self._put_back(lane, flight.records[1:])
        else:
            self._refused(lane, flight, outcome)

    def _too_large(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        actions = len(flight.records) - 1
        if flight.creates and actions:
            lane.max_actions = actions // 2
        elif flight.records[0].waiter is not None or not cut(flight.records[0]):  # who waits decides what to leave out
            self._refused(lane, flight, outcome)
            return
        lane.land()
        self._put_back(lane, flight.records)

    def _refused(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        lane.land()
        if flight.creates and len(flight.records) > 1:
            lane.max_actions = 0  # one by one shows which it is
            self._put_back(lane, flight.records)
            return
        self._bury(lane, flight.records, outcome)
        if flight.creates:  # without the session, what waits for it is refused as well
            waiting = lane.take_all()
            self._bury(lane, waiting, outcome, source="queued")

    def _put_back(self, lane: Lane, records: tuple[Record, ...]) -> None:
        self._account.return_(records)
        lane.push_back(records)

    def _bury(self, lane: Lane, records: tuple[Record, ...], outcome: Outcome, source: str = "in_flight") -> None:
        count = self._account.bury(records, outcome.reason, source=source)
        tell_waiters(records, error=outcome.error)
        self._on_loss(lane, count, outcome.reason)

    def _give_back(self, lane: Lane, flight: Flight, outcome: Outcome) -> None:
        """Give an explicit call its error: the record is the caller's again, so it is no loss that anybody reports."""
        lane.land()
        self._account.drop(flight.records, "raised", source="in_flight")
        tell_waiters(flight.records, error=outcome.error)


def lost(reason: str) -> LayerRequestError:
    """Make the error of an explicit call that is not sent."""
    return LayerRequestError(f"The request was not sent ({reason})")
