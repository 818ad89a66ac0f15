"""One token for all threads: fetched once, used while it lives, renewed by one while the others go on."""

from __future__ import annotations

import copy
import threading
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from . import _fork
from ._log import warn
from .exceptions import LayerRequestError, LayerSDKException

if TYPE_CHECKING:
    from ._secrets import Secret

# Providers write the end of a token in whole seconds, rounded down: up to one of what `expires_in` promises is not
# there. The rest of the margin is for the way from our clock's reading to the server's.
ROUNDED = 1.1
# Shares of what is left: when one thread renews the token, and when nobody sends it any more: it might end on its way.
RENEW_AT = 0.93
END_AT = 0.97
# After a renewal that failed, the next one has to wait for a quarter of what is left, and for this many seconds.
MIN_PAUSE = 1.0


class Granted(NamedTuple):
    """A token as it came, and the seconds that it lives."""

    token: Secret[str]
    lifetime: float


class _Kept(NamedTuple):
    """A token and the monotonic times at which to renew it and to use it no more."""

    token: Secret[str]
    renew_at: float
    end_at: float


class _Flight:
    """One fetch, and those who wait for it."""

    def __init__(self) -> None:
        self.leader = threading.get_ident()
        self.is_over = threading.Event()
        self.token: Secret[str] | None = None
        self.error: LayerSDKException | None = None


class TokenCache:
    """Keeps a token. Its lock is held for a glance, never while somebody is asked for something.

    Args:
        fetch: Gets a new token, or raises one of our exceptions.
    """

    def __init__(self, fetch: Callable[[], Granted]) -> None:
        self._fetch = fetch
        self._lock = _fork.Lock("RLock")  # a signal handler may come in between, and ask as well
        self._kept: _Kept | None = None
        self._flight: _Flight | None = None
        _fork.watch(self)

    def after_fork(self) -> None:
        """Forget the parent's fetch; the token serves both."""
        self._flight = None

    def get(self) -> Secret[str]:
        """Give a token that lives.

        Raises:
            LayerAuthError: If none is given to us.
            LayerRequestError: If nobody answers.
        """
        _fork.check()
        while True:
            token, flight, is_leader = self._look()
            if token is not None:
                return token
            if is_leader:
                return self._lead(flight)
            token = _wait(flight)
            if token is not None:
                return token

    def forget(self, refused: Secret[str] | None = None) -> None:
        """Forget the token, if it is the one that was refused; without one, whichever it is."""
        with self._lock:
            if self._kept is not None and refused in (None, self._kept.token):
                self._kept = None

    def _look(self) -> tuple[Secret[str] | None, _Flight, bool]:
        """Give the token if it can be used as it is, else the fetch to wait for, or to lead."""
        with self._lock:
            now, kept, flight = time.monotonic(), self._kept, self._flight
            is_leader = flight is None
            flight = flight or _Flight()
            if kept is not None and now < (kept.renew_at if is_leader else kept.end_at):
                return kept.token, flight, False
            self._flight = flight
            return None, flight, is_leader

    def _lead(self, flight: _Flight) -> Secret[str]:
        try:
            flight.token = self._renew()
        except LayerSDKException as error:
            flight.error = error
            raise
        else:
            return flight.token
        finally:
            with self._lock:
                if self._flight is flight:
                    self._flight = None
            flight.is_over.set()

    def _renew(self) -> Secret[str]:
        asked_at = time.monotonic()
        try:
            token, lifetime = self._fetch()
        except LayerSDKException as error:
            old = self._postpone()
            if old is None:
                raise
            warn("A token could not be renewed and is used until it ends: %s", type(error).__name__)
            return old
        sure = sure_part(lifetime)
        with self._lock:
            self._kept = _Kept(token, asked_at + sure * RENEW_AT, asked_at + sure * END_AT)
        return token

    def _postpone(self) -> Secret[str] | None:
        """Put the next renewal off, if the old token still lives."""
        with self._lock:
            now, kept = time.monotonic(), self._kept
            if kept is None or now >= kept.end_at:
                return None
            again_at = now + max(MIN_PAUSE, (kept.end_at - now) / 4)
            self._kept = kept._replace(renew_at=min(again_at, kept.end_at))
            return kept.token


def sure_part(lifetime: float) -> float:
    """Give the seconds that a token lives for sure, of those that it is said to live."""
    return lifetime - min(ROUNDED, lifetime / 2)


def _wait(flight: _Flight) -> Secret[str] | None:
    """Give what another thread's fetch brought; None where that thread was stopped in the middle of it."""
    if flight.leader == threading.get_ident():
        raise LayerRequestError(
            "A token is needed in the middle of fetching it: by a signal handler, or by http_session"
        )
    flight.is_over.wait()
    if flight.error is not None:  # each thread raises one of its own: a traceback belongs to one thread
        raise copy.copy(flight.error) from flight.error.__cause__
    return flight.token
