"""Sessions and actions as they happen: decorators and context managers, sync and async.

Nothing here raises into the host. Before `init`, and for whatever goes wrong in here, the host's code just runs.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, TypeVar
from uuid import UUID

from . import _context
from ._drafts import LENIENT, error_of, parse_kind
from ._ids import VERSION, SessionId, as_uuid, new_session_id, session_id_for
from ._json import to_json_or_repr
from ._log import guard, warn
from ._parameter import SessionParameter
from ._results import result_of, shaped
from ._wrapping import wrap

if TYPE_CHECKING:
    from types import TracebackType

    from ._wrapping import Arguments, Options, Run
    from .delivery import Sink
    from .schemas import SessionActionKind

F = TypeVar("F", bound=Callable[..., Any])

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
    """

    def __init__(self, sink: Sink, application_id: str, attributes: Mapping[str, str]) -> None:
        self._sink = sink
        self._application_id = application_id
        self._attributes = dict(attributes)

    def open_session(self, attributes: Mapping[str, Any] | None = None, session_id: SessionId | None = None) -> UUID:
        """Record that a session began; its id."""
        chosen = new_session_id()
        with guard("recording a session"):
            if session_id is not None:
                chosen = self._chosen(session_id)
            request = LENIENT.session(
                self._application_id,
                session_id=chosen,
                attributes={**self._attributes, **(attributes or {})},
                start_time=now(),
            )
            self._sink.open_session(request)
        return chosen

    def append(self, session_id: UUID, **fields: Any) -> None:
        """Record an action; the fields are those of `Drafts.action`."""
        with guard("recording an action"):
            self._sink.append(session_id, LENIENT.action(**fields))

    def _chosen(self, session_id: SessionId) -> UUID:
        found = as_uuid(session_id)
        if found is not None and found.version == VERSION:
            return found
        warn("A session id that is no version 5 UUID was taken as a natural key; see layer.session_id_for")
        return session_id_for(self._application_id, str(session_id))


Current = Callable[[], Optional[Recorder]]


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
        parameter = SessionParameter.of(function)

        def begin(args: Arguments, kwargs: Options) -> tuple[Run, Arguments, Options]:
            session_id = None if parameter is None else parameter.given(args, kwargs)
            if session_id is None:
                session_id = self._open()
                if parameter is not None:
                    args, kwargs = parameter.put(args, kwargs, session_id)
            return _SessionRun(self._owner, session_id), args, kwargs

        return wrap(function, begin)

    def _open(self) -> UUID:
        recorder = self._recorder()
        return new_session_id() if recorder is None else recorder.open_session(self._attributes, self._session_id)

    def __enter__(self) -> str:
        session_id = self._open()
        _context.push(self._owner, session_id)
        return str(session_id)

    def __exit__(self, *_: object) -> None:
        _context.pop(self._owner)

    async def __aenter__(self) -> str:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()


class _SessionRun:
    """Makes a session current while the function's own code runs, and only then."""

    def __init__(self, owner: object, session_id: UUID) -> None:
        self._owner = owner
        self._session_id = session_id
        self._inner: _context.Frame | None = None
        self._outer: _context.Frame | None = None

    def resume(self) -> None:
        self._outer = _context.top()
        if self._inner is None:
            _context.push(self._owner, self._session_id)
        else:
            _context.restore(self._inner)

    def suspend(self) -> None:
        self._inner = _context.top()
        _context.restore(self._outer)

    def item(self, value: Any) -> None:
        pass

    def finish(self, value: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def fail(self, error: BaseException) -> None:
        pass


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
        self._attributes = attributes

    def __call__(self, function: F) -> F:
        """Record every call of the function as an action."""

        def begin(args: Arguments, kwargs: Options) -> tuple[Run, Arguments, Options]:
            return _ActionRun(self._begin()), args, kwargs

        return wrap(function, begin)

    def _begin(self) -> Action:
        recorder = self._recorder()
        action = Action(recorder, self._session(recorder), self._kind)
        with guard("copying an action's attributes"):
            action.attributes.update(self._attributes or {})
        return action

    def _session(self, recorder: Recorder | None) -> UUID:
        given = as_uuid(self._session_id) if self._session_id is not None else _context.current(self._owner)
        if isinstance(given, UUID):
            return given
        return new_session_id() if recorder is None else recorder.open_session(session_id=self._session_id)

    def __enter__(self) -> Action:
        action = self._begin()
        _context.push(self, action)
        return action

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        action = _context.pop(self)
        if isinstance(action, Action):
            if error is not None and action.error is None:
                action.error = error_of(error)
            action.end()

    async def __aenter__(self) -> Action:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        """Record the action as it is now."""
        if self._recorder is None:
            return
        with guard("recording an action"):
            self._recorder.append(
                self._session_id,
                kind=self._kind,
                start_time=self._start,
                end_time=now(),
                attributes=self.attributes or None,
                data=shaped(self._kind, self.data),
                error=self.error,
                scanners=self.scanners,
            )


class _ActionRun:
    """Fills an action in from what a function returns, yields or raises."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self._items: list[Any] = []
        self._yielded = False

    def resume(self) -> None:
        pass

    def suspend(self) -> None:
        pass

    def item(self, value: Any) -> None:
        self._yielded = True
        if len(self._items) < MAX_ITEMS:
            with guard("keeping what a generator yielded"):
                self._items.append(to_json_or_repr(value))

    def finish(self, value: Any) -> None:
        action = self._action
        with guard("reading a function's result"):
            result = self._said() if self._yielded and value is None else value
            action.data, action.error, action.scanners = result_of(result)
        action.end()

    def close(self) -> None:
        self.finish(None)

    def fail(self, error: BaseException) -> None:
        action = self._action
        with guard("describing an exception"):
            action.error = error_of(error)
            action.data = self._said() if self._yielded else None
        action.end()

    def _said(self) -> Any:
        if all(isinstance(item, str) for item in self._items):
            return "".join(self._items)
        return list(self._items)
