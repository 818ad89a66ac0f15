"""What is current: the session, and the scopes that are open, in this thread or task."""

from __future__ import annotations

import sys
from contextvars import Context, ContextVar, copy_context
from typing import Any, NamedTuple


class Frame(NamedTuple):
    """One thing that is current, on top of what was current before."""

    key: object
    value: Any
    scope: object
    outer: Frame | None


_frames: ContextVar[Frame | None] = ContextVar("layer_sdk", default=None)


# Gives the whole stack, to be put back with `restore`. No function around it: it is asked at each call of the host's.
top = _frames.get


def restore(frame: Frame | None) -> None:
    """Make a stack that `top` gave the current one."""
    if sys.version_info < (3, 12):
        # Here the garbage collector can run inside of `set`, and a generator that it closes there can set in its turn.
        # What the outer `set` works on would be freed under it (CPython issue 148891), if no copy held it. The copy
        # would be no safer to make, if the context that is thrown away before did not leave its memory for it.
        Context()
        _held = copy_context()
    _frames.set(frame)


def push(key: object, value: Any, scope: object) -> None:
    """Make `value` the current one of `key`, until `scope` is popped."""
    restore(Frame(key, value, scope, _frames.get()))


def current(key: object) -> Any:
    """Give what was pushed last for `key`, or None."""
    frame = _frames.get()
    while frame is not None and frame.key is not key:
        frame = frame.outer
    return None if frame is None else frame.value


def pop(scope: object) -> Any:
    """Take away what `scope` pushed last, wherever it stands, and give its value, or None.

    Scopes need not end in the order in which they began: generators are left whenever their caller pleases.
    """
    above = []
    frame = _frames.get()
    while frame is not None and frame.scope is not scope:
        above.append(frame)
        frame = frame.outer
    if frame is None:
        return None
    rest = frame.outer
    for kept in reversed(above):
        rest = kept._replace(outer=rest)
    restore(rest)
    return frame.value
