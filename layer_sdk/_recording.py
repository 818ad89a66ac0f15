"""Sessions and actions as they happen: decorators and context managers, sync and async.

Nothing here raises into the host. Before `init`, and for whatever goes wrong in here, the host's code just runs.
"""

from __future__ import annotations

import datetime
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Optional, Tuple, TypeVar, Union

from . import _context, _fork, schemas
from ._drafts import LENIENT, NOT_BUILT, Built, Plain, built_of, error_of, moment_at, parse_kind, weighed_action
from ._ids import VERSION, SessionId, id_of, new_session_id, session_id_for
from ._json import to_json_or_repr
from ._log import guard, swallow, warn
from ._parameter import SessionParameter, uuid_of
from ._plain import weigh
from ._results import result_of, shaped
from ._scrubbing import DiscardedError
from ._suppression import suppressed
from ._wrapping import Run, wrap

if TYPE_CHECKING:
    from uuid import UUID

    from ._ids import Session
    from ._scrubbing import Scrubber
    from ._wrapping import Arguments, Begin, BeginOf, Options
    from .delivery._sink import Sink
    from .schemas import SessionActionKind, SessionRequest

F = TypeVar("F", bound=Callable[..., Any])
Tell = Callable[[], Iterable[Union[Mapping[str, Any], Plain]]]
Times = Tuple[float, float]  # of the beginning and the end

MAX_ITEMS = 10_000  # of a generator's items, those that are kept for the record


def now() -> datetime.datetime:
    """Read the clock."""
    return datetime.datetime.now(datetime.timezone.utc)


class Recorder:
    """Turns what happened into the contract's requests and hands them to a sink.

    Args:
        sink: Delivers.
        application_id: The application that sessions belong to.
        attributes: What every session says of where it runs; what a caller gives wins over it.
        scrub: Takes out of each action what is not to leave the process.
    """

    def __init__(
        self,
        sink: Sink,
        application_id: str,
        attributes: Mapping[str, str],
        scrub: Scrubber | None = None,
    ) -> None:
        self._sink = sink
        self._scrub = scrub
        self._application_id = application_id
        self._attributes = _object(attributes)
        self._size = weigh(self._attributes)

    def open_session(self, session_id: UUID, attributes: Mapping[str, Any] | None = None) -> None:
        """Record that a session began."""
        try:
            _fork.check()
            own = None if attributes is None else _object(attributes)
            size = self._size if own is None else self._size + weigh(own)
            self._sink.append_later(session_id, size, partial(self._begun, session_id, own, now()), opens=True)
        except Exception as error:  # noqa: BLE001  (the whole point)
            swallow("recording a session", error)

    def _begun(self, session_id: UUID, own: dict[str, Any] | None, start: datetime.datetime) -> Built:
        if own is None:
            return Built([self._session(session_id, start)], [])
        attributes = {**self._attributes, **own}
        request = LENIENT.session(self._application_id, session_id=session_id, attributes=attributes, start_time=start)
        return Built([request], [])

    def _session(self, session_id: UUID, start: datetime.datetime) -> SessionRequest:
        """Make the beginning of a session that says nothing of itself: what all of them say was read already."""
        return schemas.SessionRequest(self._application_id, session_id, dict(self._attributes), start)

    def append(self, session_id: UUID, **fields: Any) -> None:
        """Record an action; the fields are those of `Drafts.action`."""
        try:  # what `guard` does, without the price of a context manager on the host's path
            action, size = LENIENT.weighed(**fields)
            if self._scrub is None:
                self._sink.append(session_id, action, size)
            else:
                self._sink.append(session_id, self._scrub(action))
        except DiscardedError as error:
            self._sink.discard(session_id, str(error))
        except Exception as error:  # noqa: BLE001  (the whole point)
            swallow("recording an action", error)

    def append_later(
        self, session: Session, size: int, tell: Tell, times: Times | None = None, begun: float | None = None
    ) -> None:
        """Record what `tell` puts into words: off the host's thread, if delivery has threads of its own.

        Whoever calls it has asked `_fork.check` since the process began.

        Args:
            session: The session, which need not have an id yet.
            size: About how many bytes of memory it takes until then.
            tell: Gives the fields of each action, those of `Drafts.action`. What it holds on to must not change.
            times: When it began and ended, in seconds since 1970; without them it says so itself, or is of now.
            begun: When the session began, if that is to be recorded along with it.
        """
        try:
            if begun is None:
                self._sink.append_later(session, size, partial(self._build, tell, times))
            else:
                build = partial(self._begun_and_built, session, begun, tell, times)
                self._sink.append_later(session, self._size + size, build, opens=True, counts=2)
        except Exception as error:  # noqa: BLE001  (the whole point)
            swallow("recording an action", error)

    def _begun_and_built(self, session: Session, begun: float, tell: Tell, times: Times | None) -> Built:
        built = built_of(partial(self._build, tell, times))  # whatever becomes of it, the session is none the worse
        built.requests.insert(0, self._session(id_of(session), moment_at(begun)))
        if built.sizes:
            built.sizes.insert(0, self._size)
        return built

    def _build(self, tell: Tell, times: Times | None) -> Built:
        built = Built([], [], [])
        if self._scrub is None:
            self._add_all(built, tell, times)
        else:
            with suppressed():  # a `before_send` that asks a model would be recorded, and asked of that, without end
                self._add_all(built, tell, times)
        return built

    def _add_all(self, built: Built, tell: Tell, times: Times | None) -> None:
        told = {} if times is None else {"start_time": moment_at(times[0]), "end_time": moment_at(max(times))}
        for given in tell():
            self._add(built, given, told)

    def _add(self, built: Built, given: Mapping[str, Any] | Plain, times: Mapping[str, Any]) -> None:
        try:
            action, size = weighed_action(given, times, is_copied=self._scrub is not None)
            if self._scrub is None:
                built.sizes.append(size)
            else:
                action = self._scrub(action)
            built.requests.append(action)
        except DiscardedError as error:
            built.discarded.append(str(error))
        except Exception as error:  # noqa: BLE001  (the others are none the worse)
            built.discarded.append(NOT_BUILT)
            swallow("recording an action", error)

    def session_id_for(self, key: object) -> UUID:
        """Make the session id of a natural key."""
        return session_id_for(self._application_id, str(key))


Current = Callable[[], Optional[Recorder]]


class _Session:
    """A session that is or was current. One that began before `init` is recorded by its first action after it."""

    def __init__(
        self, session_id: UUID, attributes: Mapping[str, Any] | None = None, *, is_recorded: bool = False
    ) -> None:
        self.session_id = session_id
        self._attributes = attributes
        self._is_recorded = is_recorded

    def record(self, recorder: Recorder | None) -> _Session:
        """Record that it began, once."""
        if recorder is not None and not self._is_recorded:
            self._is_recorded = True
            recorder.open_session(self.session_id, self._attributes)
        return self


def _chosen(recorder: Recorder | None, given: SessionId | None) -> UUID:
    """Give the id of a session that begins: what the caller gave, be it a natural key, or a new one."""
    found = uuid_of(given)
    if found is not None and found.version == VERSION:
        return found
    chosen = new_session_id()
    if given is not None and recorder is not None:
        warn("A session id that is no version 5 UUID was taken as a natural key; see layer.session_id_for")
        with guard("reading a natural key"):
            chosen = recorder.session_id_for(given)
    return chosen


def session_of_call(current: _Session | None, recorder: Recorder, given: SessionId | None) -> UUID:
    """Give the session of a call that is none of our decorators': the one given, the current one, or a new one.

    An id that is given names a session that there is, begun by whoever made the id; a natural key begins its session.
    """
    if given is None:
        session = _Session(new_session_id()) if current is None else current
        return session.record(recorder).session_id
    found = uuid_of(given)
    if found is not None:
        return found
    return _Session(_chosen(recorder, given)).record(recorder).session_id


def _object(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Copy attributes; what is no mapping is read as recording reads everything that is no object."""
    copied = {} if attributes is None else to_json_or_repr(attributes)
    return copied if isinstance(copied, dict) else {"value": copied}


def _decorated(function: F, begin_of: BeginOf) -> F:
    try:
        return wrap(function, begin_of)
    except Exception as error:  # noqa: BLE001  (a callable whose attributes are somebody else's code)
        swallow("decorating a function", error)
        return function


class SessionScope:
    """What `layer.session(...)` gives: a decorator, and a context manager for `with` and `async with`.

    Args:
        owner: The `Layer` that the session is current in.
        recorder: Gives the recorder of now, or None where there is none.
        attributes: The session's attributes.
        session_id: The session's id, if the caller chooses it: a version 5 UUID, or any key of theirs.
    """

    def __init__(
        self,
        owner: object,
        recorder: Current,
        attributes: Mapping[str, Any] | None = None,
        session_id: SessionId | None = None,
    ) -> None:
        self._owner = owner
        self._recorder = recorder
        self._attributes = attributes
        self._session_id = session_id

    def __call__(self, function: F) -> F:
        """Run every call of the function in a session of its own."""
        return _decorated(function, self._begin_of)

    def _begin_of(self, function: Callable[..., Any]) -> Begin:
        parameter = SessionParameter.of(function)

        def begin(args: Arguments, kwargs: Options) -> tuple[Run, Arguments, Options]:
            given = None if parameter is None else parameter.given(args, kwargs)
            session = self._open() if given is None else _Session(given, is_recorded=True)
            if parameter is not None:
                args, kwargs = parameter.put(args, kwargs, session.session_id)
            return _SessionRun(self._owner, session), args, kwargs

        return begin

    def _open(self) -> _Session:
        recorder = self._recorder()
        return _Session(_chosen(recorder, self._session_id), self._attributes).record(recorder)

    def __enter__(self) -> str:
        session = self._open()
        _context.push(self._owner, session, self)
        return str(session.session_id)

    def __exit__(self, *_: object) -> None:
        _context.pop(self)

    async def __aenter__(self) -> str:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


class _SessionRun(Run):
    """Makes a session current while the function's own code runs, and only then."""

    def __init__(self, owner: object, session: _Session) -> None:
        self._owner = owner
        self._session = session
        self._inner: _context.Frame | None = None
        self._outer: _context.Frame | None = None

    def resume(self) -> None:
        self._outer = _context.top()
        if self._inner is None:
            _context.push(self._owner, self._session, self)
        else:
            _context.restore(self._inner)

    def suspend(self) -> None:
        self._inner = _context.top()
        _context.restore(self._outer)


class ActionScope:
    """What `layer.action(...)` gives: a decorator, and a context manager for `with` and `async with`.

    Args:
        owner: The `Layer` whose current session the action belongs to.
        recorder: Gives the recorder of now, or None where there is none.
        kind: What the action is.
        session_id: The session, if not the current one. Without either, the action gets a session of its own.
        attributes: The action's attributes.

    Raises:
        LayerSchemaValidationError: If there is no such kind.
    """

    def __init__(
        self,
        owner: object,
        recorder: Current,
        kind: SessionActionKind | str,
        session_id: SessionId | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self._owner = owner
        self._recorder = recorder
        self._kind = parse_kind(kind)
        self._session_id = session_id
        self._given = uuid_of(session_id)
        self._attributes = attributes
        self._open: list[Action] = []

    def __call__(self, function: F) -> F:
        """Record every call of the function as an action."""
        return _decorated(function, self._begin_of)

    def _begin_of(self, function: Callable[..., Any]) -> Begin:  # noqa: ARG002  (the same for every function)
        def begin(args: Arguments, kwargs: Options) -> tuple[Run, Arguments, Options]:
            recorder = self._recorder()
            return _IDLE if recorder is None else _ActionRun(self._begin(recorder)), args, kwargs

        return begin

    def _begin(self, recorder: Recorder | None) -> Action:
        action = Action(recorder, self._session(recorder), self._kind)
        action.attributes.update(_object(self._attributes))
        return action

    def _session(self, recorder: Recorder | None) -> UUID:
        if self._given is not None:
            return self._given
        session: _Session | None = _context.current(self._owner) if self._session_id is None else None
        if session is None:
            session = _Session(_chosen(recorder, self._session_id))
        return session.record(recorder).session_id

    def __enter__(self) -> Action:
        action = self._begin(self._recorder())
        _context.push(self, action, self)
        self._open.append(action)
        return action

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        action: Action | None = _context.pop(self)
        if action is None and self._open:  # left in another context than it was entered in
            action = self._open[-1]
        if action is None:
            return
        with suppress(ValueError):
            self._open.remove(action)
        # GeneratorExit: the block stands in a generator that nobody asks for more, which is no error of the action.
        if action.error is None and error is not None and not isinstance(error, GeneratorExit):
            action.error = error_of(error)
        action.end()

    async def __aenter__(self) -> Action:
        return self.__enter__()

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.__exit__(kind, error, traceback)


class Action:
    """An action under way: `with layer.action(...) as action` fills it in.

    Attributes:
        session_id: The session that it belongs to.
        data: What was said or done; see the table of the contract. A text becomes a message of the kind's role.
        error: What went wrong: an exception, a `SessionActionError`, a dict with `message`, or text.
        scanners: What scanners found.
        attributes: What is known of the action.
    """

    def __init__(self, recorder: Recorder | None, session_id: UUID, kind: SessionActionKind) -> None:
        self._recorder = recorder
        self._kind = kind
        self._start = now()
        self._session_id = session_id
        self.session_id = str(session_id)
        self.data: Any = None
        self.error: Any = None
        self.scanners: list[Any] | None = None
        self.attributes: dict[str, Any] = {}

    def end(self) -> None:
        """Record the action as it is now. Only the first call does."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.append(
                self._session_id,
                kind=self._kind,
                start_time=self._start,
                end_time=now(),
                attributes=_object(self.attributes) or None,
                data=shaped(self._kind, self.data),
                error=self.error,
                scanners=self.scanners,
            )


_IDLE = Run()


class _ActionRun(Run):
    """Fills an action in from what a function returns, yields or raises."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self._items: list[Any] = []

    def item(self, value: Any) -> None:
        if len(self._items) < MAX_ITEMS:
            self._items.append(to_json_or_repr(value))

    def finish(self, value: Any) -> None:
        action = self._action
        result = self._said() if value is None else value
        action.data, action.error, action.scanners = result_of(result)
        action.end()

    def close(self) -> None:
        self.finish(None)

    def fail(self, error: BaseException) -> None:
        self._action.error = error_of(error)
        self._action.data = self._said()
        self._action.end()

    def _said(self) -> Any:
        if not self._items:
            return None
        if all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        return list(self._items)
