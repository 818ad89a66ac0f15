"""Listen in on a stream that stays the host's own object: only the iterator inside of it is ours."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from functools import partial
from types import GeneratorType, MethodType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Iterator

from layer_sdk import _fork

from ._base import ABANDONED, CANCELLED, CLOSED, COMPLETE, FAILED, SHUTDOWN, hush

if TYPE_CHECKING:
    from ._base import Call

READING = "reading a part of a stream"

Feed = Callable[[Any], None]
Ended = Callable[[str, "BaseException | None"], None]

# By its id, what goes on. Streams come and go in any thread while this is read, which a WeakSet does not bear.
_open: dict[int, weakref.ref[Tap]] = {}


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
    inner = _inner(stream, native)
    is_read = type(inner) is GeneratorType  # and ends with us, which another kind of iterator need not
    listening = (AsyncTap if is_async else Tap if is_read else SyncTap)(inner, feed, ended, call)
    hook_close(stream.response, listening, "aclose" if is_async else "close")
    # The place that all versions have in common.
    stream._iterator = listening.reading(inner) if is_read else listening  # noqa: SLF001
    keep_open(listening)


def interrupt(owner: object = None) -> None:
    """End what is listened to as it stands, for one `Layer` or for all: nobody will be there to hear the rest."""
    for found in _open.copy().values():
        each = found()
        if each is not None and (owner is None or any(target.owner is owner for target in each.call.targets)):
            each.finish(SHUTDOWN)


def _inner(stream: Any, native: tuple[type, ...]) -> Any:
    """Give the iterator to listen in on.

    A stream's generator refers to the stream: a cycle, so that a stream that is let go of, its connection and what we
    know of it stay until the garbage collector comes by. A generator of a copy does not.
    """
    inner = stream._iterator  # noqa: SLF001
    code = getattr(inner, "gi_code", None) or getattr(inner, "ag_code", None)
    if type(stream) not in native or getattr(code, "co_name", "") != "__stream__":
        return inner  # somebody else listens in as well
    apart = object.__new__(type(stream))  # as `copy` does, which takes three times as long
    vars(apart).update(vars(stream), _iterator=None)
    fresh = apart.__stream__()
    return fresh if _place(inner) == _place(fresh) else inner  # somebody has begun to read it


def _place(generator: Any) -> int | None:
    """Tell where a generator stands; there is no other way that all versions of Python have for async ones."""
    frame = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
    return None if frame is None else frame.f_lasti


def keep_open(listening: Tap) -> None:
    """Remember that it goes on, for `interrupt`."""
    _open[id(listening)] = weakref.ref(listening)


def hook_close(response: Any, listening: Tap, name: str) -> None:
    """Have a response tell when it is closed. Helpers close it without asking the stream.

    The source of its bytes tells, which every way to close it closes: the response itself can be copied and pickled,
    and its methods kept for later, as without us.
    """
    source = response.stream
    listener = weakref.ref(listening)
    before = getattr(type(source), name)
    close = _aclose(before, listener) if name == "aclose" else _close(before, listener)
    setattr(source, name, MethodType(close, source))
    listening.unhook = partial(vars(source).pop, name, None)


def _close(before: Any, listener: weakref.ref[Tap]) -> Any:
    def close(self: Any) -> Any:
        with suppress(Exception):
            _tell(listener)
        return before(self)

    return close


def _aclose(before: Any, listener: weakref.ref[Tap]) -> Any:
    async def aclose(self: Any) -> Any:
        with suppress(Exception):
            _tell(listener)
        return await before(self)

    return aclose


def _tell(listener: weakref.ref[Tap]) -> None:
    found = listener()
    if found is not None:
        found.closed()


class Tap:
    """What stands in the place of a stream's iterator.

    Attributes:
        ended: Told how it ended.
        call: What it answers.
        unhook: Takes the listener off the response.
    """

    __slots__ = ("__weakref__", "_feed", "_inner", "_is_busy", "_is_over", "_pid", "_reader", "call", "ended", "unhook")

    def __init__(self, inner: Any, feed: Feed, ended: Ended, call: Call) -> None:
        self._inner = inner
        self._feed = feed
        self._is_busy = False
        self._is_over = False
        self._pid = _fork.pid
        self._reader: weakref.ref[Any] | None = None
        self.call = call
        self.ended = ended
        self.unhook: Callable[[], object] = int

    def __getattr__(self, name: str) -> Any:
        if name in Tap.__slots__:  # one that was not made to its end
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __del__(self) -> None:
        with suppress(Exception):
            if hasattr(self, "unhook"):
                self.finish(ABANDONED)

    def closed(self) -> None:
        """The response was closed: by the host, unless it happens inside of an iteration."""
        reader = None if self._reader is None else self._reader()
        if not self._is_busy and (reader is None or not reader.gi_running):
            self.finish(CLOSED)

    def finish(self, end: str, error: BaseException | None = None) -> None:
        """Tell how it ended, once; a forked child has no part in it. Never raises."""
        try:
            _open.pop(id(self), None)
            if self._is_over or self._pid != os.getpid():
                return
            self._is_over = True
            self.unhook()
            self.ended(end, error)
        except Exception as problem:  # noqa: BLE001  (the whole point)
            hush("recording the end of a stream", problem)

    def reading(self, inner: Iterator[Any]) -> Iterator[Any]:
        """Give the items of an iterator, and show them to who listens: a generator, which is felt least."""
        reader = self._read(inner)
        self._reader = weakref.ref(reader)
        return reader

    # Those below stand between the host and its items: whatever they ask for may fail without harm, and so may the
    # report of it. All of it stands in them, thrice: what a function costs is felt in each item.

    def _read(self, inner: Iterator[Any]) -> Iterator[Any]:
        try:
            for item in inner:
                try:
                    if not self._is_over:
                        self._feed(item)
                except Exception as problem:  # noqa: BLE001  (the whole point)
                    with suppress(Exception):
                        hush(READING, problem)
                yield item
        except BaseException as error:
            with suppress(Exception):
                self.over(error)
            raise
        with suppress(Exception):
            self.finish(COMPLETE)

    async def astep(self, inner: Any = None) -> Any:
        """Give the next item, be it of another iterator than the stream's, and show it to who listens."""
        inner = self._inner if inner is None else inner
        if self._is_busy:
            return await inner.__anext__()
        try:
            self._is_busy = True
            item = await inner.__anext__()
        except BaseException as error:
            with suppress(Exception):
                self.over(error)
            raise
        finally:
            self._is_busy = False
        try:
            if not self._is_over:
                self._feed(item)
        except Exception as problem:  # noqa: BLE001  (the whole point)
            with suppress(Exception):
                hush(READING, problem)
        return item

    def over(self, error: BaseException) -> None:
        """Tell how it ended: with what the iterator raised."""
        if isinstance(error, (StopIteration, StopAsyncIteration)):
            self.finish(COMPLETE)
        elif not isinstance(error, GeneratorExit):  # who lets go of a generator may go on with the response
            self.finish(FAILED if isinstance(error, Exception) else CANCELLED, error)


class SyncTap(Tap):
    """The one for `for`."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        inner = self._inner
        if self._is_busy:  # another thread waits for the next item; that this one is refused it is not the end
            return inner.__next__()
        try:
            self._is_busy = True
            item = inner.__next__()
        except BaseException as error:
            with suppress(Exception):
                self.over(error)
            raise
        finally:
            self._is_busy = False
        try:
            if not self._is_over:
                self._feed(item)
        except Exception as problem:  # noqa: BLE001  (the whole point)
            with suppress(Exception):
                hush(READING, problem)
        return item


class AsyncTap(Tap):
    """The one for `async for`."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    __anext__ = Tap.astep
