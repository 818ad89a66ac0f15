"""Those that are measured, a module each: what to start in the client's process, and what makes it send all it has.

A module gives `PACKAGES`, whose versions the report names; `MODULES`, what an application imports to use it;
`ENVIRONMENT`, the variables that are to be set before that, if any; and `start(sink)`, which begins to instrument,
sends to that address, and gives a `Peer`. What it needs is pinned in `requirements/bench`, in a file of its name.
"""

from __future__ import annotations

import importlib
import os
from contextlib import contextmanager
from typing import Any, Callable, ContextManager, Iterator, NamedTuple

Session = Callable[[], ContextManager[object]]


@contextmanager
def no_session() -> Iterator[None]:
    """Be the session of whoever has none."""
    yield


def unchanged(client: Any) -> Any:
    """Be the wrapping of whoever patches the package instead."""
    return client


class Peer(NamedTuple):
    """One that is measured, at work.

    Attributes:
        flush: Sends all it has, and returns when that has arrived.
        session: Makes what it has for a unit of work: calls inside belong to it. Where it gives a dict, that holds
            options for each call.
        wrapped: Makes the client that it watches of a plain one.
    """

    flush: Callable[[], object]
    session: Session = no_session
    wrapped: Callable[[Any], Any] = unchanged


def prepared(name: str) -> Any:
    """Import a peer's module, with the environment variables that it wants."""
    module = importlib.import_module(f"peers.{name}")
    os.environ.update(getattr(module, "ENVIRONMENT", {}))
    return module
