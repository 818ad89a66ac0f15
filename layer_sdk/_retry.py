"""The `requests.Session` that the SDK uses when it is given none, what it retries, and sessions that do not retry."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Any, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, InvalidHeader, MaxRetryError, NewConnectionError
from urllib3.util.retry import Retry

TOTAL = 3
STATUSES = frozenset({408, 425, 502, 503, 504})
BACKOFF_FACTOR = 0.5
MAX_RETRY_AFTER = 10.0
POOL_CONNECTIONS = 3
POOL_SIZE = 10

T = TypeVar("T")


class RetryPolicy(Retry):
    """urllib3's retries for the statuses above, without its three surprises.

    A `Retry-After` makes urllib3 retry 413 and 429 whatever the list of statuses says, and sleep for as long as the
    server pleases: here the list decides and the sleep has a ceiling. And it repeats a request that timed out or broke
    off, which the server may have carried out and which multiplies the caller's timeout by four: here such an error
    goes to the caller at once. Refused connections are retried; nothing was sent yet.
    """

    RETRY_AFTER_STATUS_CODES: frozenset[int] = frozenset()

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> RetryPolicy:
        if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
            raise MaxRetryError(_pool, str(url), error) from error
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def get_retry_after(self, response: Any) -> float | None:
        """Read `Retry-After`, in seconds and never above the ceiling; one that cannot be read is no wish at all."""
        try:
            seconds = super().get_retry_after(response)
        except (InvalidHeader, OverflowError, ValueError):
            return None
        return None if seconds is None else min(seconds, MAX_RETRY_AFTER)


def default_session() -> requests.Session:
    """Make a session with the SDK's retry policy and pools for three hosts of ten connections each."""
    return _session(TOTAL)


def single_try_session() -> requests.Session:
    """Make the same session without retries, for background delivery, which has a schedule of its own."""
    return _session(0)


def once(session: requests.Session) -> requests.Session:
    """Give a session as it is at this moment, but for retries of its adapters: connections, cookies, hooks are shared.

    Background delivery repeats requests itself. A second layer of retries below it would multiply them, and sleep where
    nothing could end it.
    """
    if not any(_retries(adapter) for adapter in session.adapters.values()):
        return session
    twin = _twin(session)
    twin.adapters = OrderedDict((prefix, _once(adapter)) for prefix, adapter in session.adapters.items())
    return twin


def _retries(adapter: BaseAdapter) -> bool:
    """Tell whether an adapter repeats requests: a total of None is no limit, of False and 0 no repetition."""
    return isinstance(adapter, HTTPAdapter) and getattr(adapter.max_retries, "total", 0) not in (0, False)


def untried(adapter: HTTPAdapter) -> Any:
    """Give what an adapter's retries are where somebody else repeats requests."""
    return _policy(0) if _retries(adapter) else adapter.max_retries


def _once(adapter: BaseAdapter) -> Any:
    if not _retries(adapter):
        return adapter
    twin: Any = _twin(adapter)
    twin.max_retries = _policy(0)
    return twin


def _twin(thing: T) -> T:
    """Copy an object as it is; requests' own way of copying makes connections anew."""
    twin = object.__new__(type(thing))
    vars(twin).update(vars(thing))
    return twin


def _session(total: int) -> requests.Session:
    session = requests.Session()
    for scheme in ("https://", "http://"):
        adapter = HTTPAdapter(
            max_retries=_policy(total), pool_connections=POOL_CONNECTIONS, pool_maxsize=POOL_SIZE, pool_block=False
        )
        session.mount(scheme, adapter)
    return session


@lru_cache(maxsize=None)
def _policy(total: int) -> RetryPolicy:
    return RetryPolicy(
        total=total,
        read=False,
        status_forcelist=STATUSES if total else (),
        backoff_factor=BACKOFF_FACTOR,
        allowed_methods=None,
        raise_on_redirect=False,
        raise_on_status=False,
        respect_retry_after_header=True,
    )
