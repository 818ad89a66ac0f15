"""Who has to begin anew in a forked child: its locks may be held by threads that it has not, its sockets are shared."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that begins anew in a forked child."""

    def after_fork(self) -> None:
        """Replace locks and whatever the parent goes on using. Must not block, lock, log or start a thread."""


_watched: weakref.WeakSet[Forkable] = weakref.WeakSet()
_hooked: list[bool] = []


def watch(thing: Forkable) -> None:
    """Call the thing's `after_fork` in every child forked from now on, for as long as the thing is used."""
    _watched.add(thing)
    if not _hooked and hasattr(os, "register_at_fork"):  # one hook a process: it cannot be taken back
        _hooked.append(True)
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    for thing in list(_watched):
        thing.after_fork()
