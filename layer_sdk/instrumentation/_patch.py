"""Replace a method of somebody else's class so that it can be put back, whoever else has done the same."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import Any, Callable, Dict, Optional, Protocol, Tuple

from ._base import hush

MARK = "__layer_patch__"
LOOKING, HEARING = "looking at a call", "recording how a call ended"


class Observer(Protocol):
    """Watches one call of the method. What it raises stays in here."""

    def answered(self, answer: Any) -> None:
        """The call has returned."""

    def failed(self, error: BaseException) -> None:
        """The call has raised."""


Begin = Callable[[Any, Tuple[Any, ...], Dict[str, Any]], Optional[Observer]]


def patch(cls: type, name: str, begin: Begin, *, is_async: bool) -> Patch:
    """Have a method observed from now on.

    Args:
        cls: The class.
        name: The method.
        begin: Called before each call; gives None for one that is none of ours.
        is_async: Whether calls are awaited.
    """
    found = getattr(cls, name)
    while found is not None:
        mine = vars(found).get(MARK) if hasattr(found, "__dict__") else None
        if isinstance(mine, Patch) and mine.cls is cls:  # left in place under somebody else's wrapper
            break
        found = getattr(found, "__wrapped__", None)
    else:
        mine = Patch(cls, name, begin, is_async=is_async)
        setattr(cls, name, mine.method)
    mine.begin = begin
    return mine


class Patch:
    """A method that is observed while there is a `begin`.

    Another library may have wrapped our method in the meantime: then taking ours out would take out theirs as well. So
    it stays where it is and passes calls on, until it is wanted again.

    Attributes:
        cls: The class.
        method: What stands in its method's place.
        begin: Called before each call; None while nothing is observed.
    """

    def __init__(self, cls: type, name: str, begin: Begin, *, is_async: bool) -> None:
        self.cls = cls
        self.begin: Begin | None = begin
        self._name = name
        self._own = vars(cls).get(name)  # None where it is inherited
        self.method = (self._awaited if is_async else self._called)(getattr(cls, name))
        setattr(self.method, MARK, self)

    def undo(self) -> None:
        """Observe no longer, and put back what was there, if nobody has come between."""
        self.begin = None
        if vars(self.cls).get(self._name) is not self.method:
            return
        if self._own is None:
            delattr(self.cls, self._name)
        else:
            setattr(self.cls, self._name, self._own)

    # The two below stand between the host and its call: whatever they ask for may fail without harm, and so may the
    # report of it. What they do stands in them, twice: what a function costs is felt in each call. The method that was
    # there before is looked up where it is inherited, for it may change.

    def _called(self, before: Any) -> Any:
        @wraps(before)
        def method(self_: Any, *args: Any, **kwargs: Any) -> Any:
            observer, own, begin = None, self._own, self.begin
            try:
                if begin is not None:
                    observer = begin(self_, args, kwargs)
            except Exception as error:  # noqa: BLE001  (the whole point)
                with suppress(Exception):
                    hush(LOOKING, error)
            bound = getattr(super(self.cls, self_), self._name) if own is None else own.__get__(self_, type(self_))
            try:
                answer = bound(*args, **kwargs)
            except BaseException as error:
                if observer is not None:
                    try:
                        observer.failed(error)
                    except Exception as problem:  # noqa: BLE001  (the whole point)
                        with suppress(Exception):
                            hush(HEARING, problem)
                raise
            try:
                if observer is not None:
                    observer.answered(answer)
            except Exception as error:  # noqa: BLE001  (the whole point)
                with suppress(Exception):
                    hush(HEARING, error)
            return answer

        return method

    def _awaited(self, before: Any) -> Any:
        @wraps(before)
        async def method(self_: Any, *args: Any, **kwargs: Any) -> Any:
            observer, own, begin = None, self._own, self.begin
            try:
                if begin is not None:
                    observer = begin(self_, args, kwargs)
            except Exception as error:  # noqa: BLE001  (the whole point)
                with suppress(Exception):
                    hush(LOOKING, error)
            bound = getattr(super(self.cls, self_), self._name) if own is None else own.__get__(self_, type(self_))
            try:
                answer = await bound(*args, **kwargs)
            except BaseException as error:
                if observer is not None:
                    try:
                        observer.failed(error)
                    except Exception as problem:  # noqa: BLE001  (the whole point)
                        with suppress(Exception):
                            hush(HEARING, problem)
                raise
            try:
                if observer is not None:
                    observer.answered(answer)
            except Exception as error:  # noqa: BLE001  (the whole point)
                with suppress(Exception):
                    hush(HEARING, error)
            return answer

        return method
