"""The connections of a `requests.Session` across a fork: the parent's stay the parent's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import requests

# Pools that a child inherited. They are kept for ever: closing them here would say goodbye on the parent's connections.
_inherited: list[Any] = []


def renew(session: requests.Session) -> None:
    """Give every adapter of a session new, empty pools, without touching the old ones or waiting for their locks."""
    unlock_cookies(session.cookies)
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter) and hasattr(adapter, "poolmanager"):
            for manager in (adapter.poolmanager, *adapter.proxy_manager.values()):
                _unlock(manager)
                _inherited.append(manager)
            anew: Any = adapter  # requests' adapters can be pickled, for which they make their pools anew
            anew.__setstate__(anew.__getstate__())


def unlock_cookies(jar: Any) -> None:
    """Replace the lock of a cookie jar, which is taken for every request and every answer."""
    if hasattr(jar, "_cookies_lock"):
        jar._cookies_lock = threading.RLock()  # noqa: SLF001  (there is no public way)


def _unlock(manager: Any) -> None:
    """Replace locks that a thread of the parent may have held: the interpreter's end closes pools, and would hang."""
    pools = manager.pools
    pools.lock = threading.RLock()
    for pool in list(pools._container.values()):  # noqa: SLF001  (there is no public way in)
        queue = pool.pool
        if queue is not None:
            queue.mutex = threading.Lock()
            queue.not_empty = threading.Condition(queue.mutex)
            queue.not_full = threading.Condition(queue.mutex)
            queue.all_tasks_done = threading.Condition(queue.mutex)
