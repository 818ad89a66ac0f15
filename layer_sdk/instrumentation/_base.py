"""What the instrumentation of every provider is made of.

The contract with the host:

1. A call gives, raises and takes what it does without us: the same objects, of the same types, in the same order.
2. Nothing of the host's is changed and nothing added to a request; only the header that names the session is taken off.
3. What was asked is on record before the call is made, what was heard when it has come, each as it was at that moment.
4. On the host's thread, what cannot change is kept as it is and the rest copied; all else is done by a worker.
5. What goes wrong in here is reported, stays in here, and costs the host nothing but the record.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, NamedTuple, Union

from layer_sdk import _context, _fork
from layer_sdk._drafts import Plain
from layer_sdk._ids import Unnamed
from layer_sdk._log import swallow
from layer_sdk._recording import session_of_call

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk._ids import Session
    from layer_sdk._recording import Recorder

Fields = Dict[str, Any]  # of an action, as `Drafts.action` takes them, without the times

MAX_KEYS = 1000  # natural keys whose session was begun already, remembered

COMPLETE, CLOSED, ABANDONED = "complete", "closed", "abandoned"
CANCELLED, FAILED, SHUTDOWN = "cancelled", "error", "shutdown"


class Listener:
    """One initialized `Layer` that wants to know of calls.

    Args:
        owner: The `Layer`, in whose current session a call belongs.
        recorder: Its recorder.
    """

    def __init__(self, owner: object, recorder: Recorder) -> None:
        self.owner = owner
        self._recorder = recorder
        self._keys: dict[str, UUID] = {}
        self._lock = _fork.Lock("RLock")

    def target(self, given: object) -> Target:
        """Find the session of a call: the one that it names, the current one, or a new one of its own.

        Whoever calls it has asked `_fork.check` since the process began.
        """
        recorder = self._recorder
        key = None if given is None else _text(given).strip()
        if key:
            return Target(self.owner, recorder, self._keys.get(key) or self._read(key, recorder), is_new=False)
        current = None if _context.top() is None else _context.current(self.owner)
        if current is None:
            # What `Target` does, without its function: what is called here is felt in each call of the host's.
            return tuple.__new__(Target, (self.owner, recorder, Unnamed(), True))
        return Target(self.owner, recorder, session_of_call(current, recorder, None), is_new=False)

    def _read(self, key: str, recorder: Recorder) -> UUID:
        with self._lock:  # so that a natural key begins its session once
            session_id = self._keys.get(key) or session_of_call(None, recorder, key)
            self._keys[key] = session_id
            if len(self._keys) > MAX_KEYS:
                del self._keys[next(iter(self._keys))]
        return session_id


def _text(given: object) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else str(given)


def targets_of(listeners: tuple[Listener, ...], given: object) -> tuple[Target, ...]:
    """Find where a call is recorded; what it says of its session is `given`."""
    return tuple([listener.target(given) for listener in listeners])


class Target(NamedTuple):
    """Where a call is recorded.

    Attributes:
        owner: The `Layer`.
        recorder: Its recorder.
        session: The session, which need not have an id yet.
        is_new: Whether the call is the first of it, and has to record that it began.
    """

    owner: object
    recorder: Recorder
    session: Session
    is_new: bool


class Heard(NamedTuple):
    """What came back of a call, as the host's thread noted it.

    Attributes:
        read: Gives the answer as the provider's JSON says it, or what there is of it; called by a worker.
        error: What went wrong, as the contract describes errors.
        end: How a stream ended; None for an answer in one piece.
        attributes: What else is known.
        is_plain: Whether all of it, the answer included, is of JSON's own types and nobody else's.
    """

    read: Callable[[], Any]
    error: Fields | None = None
    end: str | None = None
    attributes: Fields = {}  # noqa: RUF012  (never changed)
    is_plain: bool = False


def nothing() -> None:
    """Be the answer that never came."""


Said = Union[Fields, Plain]  # plain fields need not be copied
Words = Callable[[], Iterable[Said]]


class Call:
    """One call under way, in the sessions that it is recorded in.

    Args:
        targets: Where.
    """

    __slots__ = ("_is_told", "_pid", "_start", "_to_hear", "targets")

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.targets = targets
        self._start = time.time()
        self._pid = _fork.pid
        self._is_told = False
        self._to_hear = [None]  # taken by the first that hears, whichever thread that is

    def ask(self, size: int, words: Words) -> None:
        """Record what is asked, as of now."""
        start = self._start
        for target in self.targets:
            begun = start if target.is_new else None
            target.recorder.append_later(target.session, size, words, (start, start), begun)
        self._is_told = True

    def hear(self, size: int, words: Words) -> None:
        """Record what came back, once, and not in a forked child that inherited the call."""
        if self._pid != _fork.pid:
            return
        try:
            self._to_hear.pop()
        except IndexError:
            return
        times = self._start, time.time()
        for target in self.targets:
            begun = self._start if target.is_new and not self._is_told else None
            target.recorder.append_later(target.session, size, words, times, begun)
        self._is_told = True


def hush(doing: str, error: BaseException) -> None:
    """Report what went wrong in here; that the report goes wrong is not the host's affair either."""
    with suppress(Exception):
        swallow(doing, error)
