"""Listen in on the body of a response that the host reads by itself, in whichever way it does."""

from __future__ import annotations

import json
import weakref
from functools import update_wrapper
from math import isfinite
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable

from layer_sdk._plain import MAX_DEPTH

from ._base import CLOSED, COMPLETE
from ._snapshot import without_nones
from ._streams import Tap, hook_close, keep_open

if TYPE_CHECKING:
    from ._base import Call

LAST = b"[DONE]"  # of a stream of events; a reader that saw it need not read on
TAIL = 2  # chunks that it may be spread over


def listen(
    response: Any, ended: Callable[[str, BaseException | None], None], call: Call, body: Body, *, is_async: bool
) -> None:
    """Note the bytes of an unread response as the host reads them.

    Args:
        response: httpx's, or one like it.
        ended: Told once how it ended, as `_streams.tap` tells it.
        call: What it answers.
        body: Takes the bytes.
        is_async: Whether it is read with `await`.
    """
    listening = Tap(None, body.feed, lambda end, error: ended(body.end(end), error), call)
    name = "aiter_bytes" if is_async else "iter_bytes"
    holder = weakref.ref(response)

    def take_off() -> None:
        unhook()
        found = holder()
        if found is not None:
            vars(found).pop(name, None)

    hook_close(response, listening, "aclose" if is_async else "close")
    read = _aread if is_async else Tap.reading
    setattr(response, name, _Method(response, getattr(type(response), name), read, listening))
    unhook, listening.unhook = listening.unhook, take_off
    keep_open(listening)


class _Method:
    """What a response has in the place of a method of its class, and what looks like it.

    It holds on to the response weakly: a response that holds on to itself would stay until the garbage collector comes
    by. Of a response that is copied or pickled, the other has the method of its class.
    """

    def __init__(self, response: Any, function: Any, read: Callable[[Tap, Any], Any], listening: Tap) -> None:
        update_wrapper(self, function)
        self._response = weakref.ref(response)
        self._function = function
        self._read = read
        self._listening = listening

    @property
    def __self__(self) -> Any:
        return self._response()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._read(self._listening, self._function(self._response(), *args, **kwargs))

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self._response(), self._function.__name__)


async def _aread(listening: Tap, inner: Any) -> AsyncIterator[bytes]:
    try:
        while True:
            try:
                chunk = await listening.astep(inner)
            except StopAsyncIteration:
                return
            yield chunk
    finally:
        if not inner.ag_running:  # else the garbage collector has found it as well, and it is being closed
            await inner.aclose()


class Body:
    """The bytes of a body, in the order in which they came.

    Args:
        is_kept: Whether the bytes are kept; else they are only counted.
    """

    def __init__(self, *, is_kept: bool = True) -> None:
        self._chunks: list[bytes] = []
        self._is_kept = is_kept
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        if self._is_kept:
            self._chunks.append(chunk)

    def end(self, end: str) -> str:
        """Say how it ended: one who has seen the last event is free to read no further."""
        return COMPLETE if end == CLOSED and LAST in b"".join(self._chunks[-TAIL:]) else end

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._chunks)


def json_or_text(content: bytes) -> Any:
    """Read a body as JSON, or as what it says."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def plain_json(content: bytes) -> Any:
    """Read a body as JSON that may be recorded as it is, without what is null.

    Raises:
        ValueError: If it is no JSON, or holds what has to be looked at: numbers that are none or too long, texts that
            UTF-8 may not be able to write.
        RecursionError: If it is nested too deep.
    """
    if b"\\" in content and b"\\u" in content:  # the first is quicker to see
        raise ValueError("not plain: it may hold half of a surrogate pair")
    text = content.decode("utf-8").strip(BLANKS)
    found, end = _decode(text, 0)
    if end != len(text):
        raise ValueError("not plain: there is more than one value")
    return without_nones(found) if b"null" in content or _may_be_deep(content) else found


def _may_be_deep(content: bytes) -> bool:
    # Where there are few of them, to split takes a fifth of the time that to count does.
    return len(content.split(b"{", MAX_DEPTH)) + len(content.split(b"[", MAX_DEPTH)) > MAX_DEPTH


def _no_number(written: str) -> float:
    raise ValueError(f"not plain: a number of {len(written)} characters")


def _finite(written: str) -> float:
    value = float(written)
    return value if isfinite(value) else _no_number(written)


def _integer(written: str) -> float:
    return int(written) if len(written) <= DIGITS else _no_number(written)


DIGITS = 1000  # of an integer; a few more, and what is recorded says how long it is
BLANKS = " \t\n\r"
_decode = json.JSONDecoder(parse_float=_finite, parse_int=_integer, parse_constant=_no_number).raw_decode


def events_of(content: bytes) -> list[Any]:
    """Read the data of server-sent events, each as JSON; the last one may be cut off, and is left out then.

    As the HTML standard says ("Server-sent events", 9.2.6): a blank line ends an event, whose lines of data are joined.
    """
    events: list[Any] = []
    lines: list[bytes] = []
    for line in content.splitlines():
        if line.startswith(b"data:"):
            lines.append(line[5:].lstrip(b" "))
        elif not line and lines:
            event = json_or_text(b"\n".join(lines))
            lines = []
            if not isinstance(event, str):  # the last one is `[DONE]`
                events.append(event)
    return events
