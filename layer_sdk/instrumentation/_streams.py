"""Listen in on a stream that stays the host's own object: only the iterator inside of it is ours."""

from __future__ import annotations

import copy
import os
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator

from ._base import ABANDONED, CANCELLED, CLOSED, COMPLETE, FAILED, SHUTDOWN, hush

if TYPE_CHECKING:
    from ._base import Call

Feed = Callable[[Any], None]
Ended = Callable[[str, "BaseException | None"], None]

_open: weakref.WeakSet[Tap] = weakref.WeakSet()


def tap(stream: Any, feed: Feed, ended: Ended, call: Call, native: tuple[type, ...], *, is_async: bool) -> None:
    """Listen in on a stream.

    Args:
        stream: The host's stream, with its `_iterator` and its `response`.
        feed: Called with each item before the host gets it.
        ended: Called once, with how it ended and the error if there was one. From any thread, at any time: a stream can
            be found by the garbage collector.
        call: What the stream answers.
        native: The provider's own stream classes, of which we know how they work.
        is_async: Whether it is iterated over with `async for`.
    """
    listening = (AsyncTap if is_async else SyncTap)(_inner(stream, native), feed, ended, call)
    hook_close(stream.response, listening, "aclose" if is_async else "close")
    stream._iterator = listening  # noqa: SLF001  (the place that all versions have in common)
    keep_open(listening)


def interrupt(owner: object = None) -> None:
    """End what is listened to as it stands, for one `Layer` or for all: nobody will be there to hear the rest."""
    for each in list(_open):
        if owner is None or any(target.owner is owner for target in each.call.targets):
            each.finish(SHUTDOWN)


def _inner(stream: Any, native: tuple[type, ...]) -> Any:
    """Give the iterator to listen in on.

    A stream's generator refers to the stream: a cycle, so that a stream that is let go of, its connection and what we
    know of it stay until the garbage collector comes by. A generator of a copy does not.
    """
    inner = stream._iterator  # noqa: SLF001
    code = getattr(inner, "gi_code", None) or getattr(inner, "ag_code", None)
    is_begun = getattr(inner, "gi_suspended", False) or getattr(inner, "ag_suspended", False)
    if type(stream) not in native or is_begun or getattr(code, "co_name", "") != "__stream__":
        return inner  # somebody else listens in as well
    apart = copy.copy(stream)
    apart._iterator = None  # noqa: SLF001
    return apart.__stream__()


def keep_open(listening: Tap) -> None:
    """Remember that it goes on, for `interrupt`."""
    _open.add(listening)


def hook_close(response: Any, listening: Tap, name: str) -> None:
    """Have a response tell when it is closed. Helpers close it without asking the stream.

    The garbage collector clears references such as `holder` before it closes the generators that it found, and these
    close their response: there, the bytes are closed that the response would close.
    """
    listener, holder = weakref.ref(listening), weakref.ref(response)
    kind, octets = type(response), getattr(response, "stream", None)

    def told() -> Any:
        found = listener()
        if found is not None:
            found.closed()
        held = holder()
        return getattr(octets, name) if held is None else partial(getattr(kind, name), held)

    def close() -> Any:
        return told()()

    async def aclose() -> Any:
        return await told()()

    setattr(response, name, aclose if name == "aclose" else close)
    listening.unhook = lambda: vars(holder()).pop(name, None) if holder() is not None else None


class Tap:
    """What stands in the place of a stream's iterator.

    Attributes:
        ended: Told how it ended.
        call: What it answers.
        unhook: Takes the listener off the response.
    """

    __slots__ = ("__weakref__", "_feed", "_inner", "_is_busy", "_is_over", "_pid", "call", "ended", "unhook")

    def __init__(self, inner: Any, feed: Feed, ended: Ended, call: Call) -> None:
        self._inner = inner
        self._feed = feed
        self._is_busy = False
        self._is_over = False
        self._pid = os.getpid()
        self.call = call
        self.ended = ended
        self.unhook: Callable[[], object] = int

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __del__(self) -> None:
        self.finish(ABANDONED)

    def closed(self) -> None:
        """The response was closed: by the host, unless it happens inside of an iteration."""
        if not self._is_busy:
            self.finish(CLOSED)

    def finish(self, end: str, error: BaseException | None = None) -> None:
        """Tell how it ended, once; a forked child has no part in it. Never raises."""
        try:
            if self._is_over or self._pid != os.getpid():
                return
            self._is_over = True
            self.unhook()
            self.ended(end, error)
        except Exception as problem:  # noqa: BLE001  (the whole point)
            hush("recording the end of a stream", problem)

    def note(self, item: Any) -> None:
        """Show an item to who listens, until it is over. Never raises."""
        if self._is_over:
            return
        try:
            self._feed(item)
        except Exception as problem:  # noqa: BLE001  (the whole point)
            hush("reading a part of a stream", problem)

    def step(self, inner: Any) -> Any:
        """Give an iterator's next item, and listen."""
        self._is_busy = True
        try:
            item = inner.__next__()
        except StopIteration:
            self.finish(COMPLETE)
            raise
        except BaseException as error:
            self._failed(error)
            raise
        finally:
            self._is_busy = False
        self.note(item)
        return item

    async def astep(self, inner: Any) -> Any:
        """Do the same with an asynchronous iterator."""
        self._is_busy = True
        try:
            item = await inner.__anext__()
        except StopAsyncIteration:
            self.finish(COMPLETE)
            raise
        except BaseException as error:
            self._failed(error)
            raise
        finally:
            self._is_busy = False
        self.note(item)
        return item

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, GeneratorExit):
            self.finish(FAILED if isinstance(error, Exception) else CANCELLED, error)


class SyncTap(Tap):
    """The one for `for`."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.step(self._inner)


class AsyncTap(Tap):
    """The one for `async for`."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await self.astep(self._inner)
