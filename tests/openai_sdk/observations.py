"""What user code can see of a value, and of what happens around it, as plain data by which two runs can be compared."""

from __future__ import annotations

import gc
import logging
import re
import sys
import threading
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import Any, Iterator

# What differs from run to run: addresses in memory, ports, moments, random names; and the header that is Layer's alone.
VARYING = re.compile(
    r"0x[0-9a-fA-F]{6,}|127\.0\.0\.1:\d+|stainless-python-retry-[0-9a-f-]+|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"
    r"|(?<=boundary=)[0-9a-f]+|(?<=port=)\d+|(?<='127\.0\.0\.1', )\d+"
)
LAYER = re.compile(r"\(?b?'(x-)?layer-session-id'[:,] (Omit\(\)|<[^>]+>|b?'[^']*')\)?(, )?", re.IGNORECASE)
EMPTIED = re.compile(r"(?<=[{\[,] )'headers': \{\}, |, 'headers': \{\}|, (?=[}\]])")
HIDDEN = frozenset({"date", "host", "x-layer-session-id", "layer-session-id", "x-stainless-read-timeout"})
LISTENED = {"iter_bytes", "aiter_bytes"}  # while an answer is unread, its response has this method for itself
# CPython's garbage collector closes the async generators that it finds in an order of its own, and httpx's complain of
# it, without us as well, now and then.
UPSTREAM = "an error occurred during closing of asynchronous generator"
SCALARS = (bool, int, float, bytes, type(None))


def masked(text: str) -> str:
    """Take out of a text what differs from run to run."""
    return VARYING.sub("~", EMPTIED.sub("", LAYER.sub("", text)))


def type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def seen(value: Any) -> Any:
    """Describe a value: its exact type, and all that it shows."""
    name = type_name(value)
    if isinstance(value, str):
        return name, masked(value)
    if isinstance(value, SCALARS):
        return name, value
    if isinstance(value, dict):
        return name, [(seen(key), seen(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return name, [seen(item) for item in value]
    if isinstance(value, BaseException):
        return name, seen_error(value)
    for mark, describe in MARKS:
        if hasattr(value, mark):
            return name, describe(value), public(dir(value)), public(set(vars(value)) - LISTENED)
    return name, masked(repr(value)), public(dir(value))


def public(names: Any) -> list[str]:
    return sorted(name for name in names if not str(name).startswith("_"))


def seen_model(model: Any) -> Any:
    fields_set = sorted(getattr(model, "model_fields_set", ()))
    return masked(repr(model)), model.model_dump(), fields_set, getattr(model, "_request_id", None), sorted(vars(model))


def seen_response(response: Any) -> Any:
    """Describe an httpx response. How much of it has arrived is the network's affair until it has ended."""
    return {
        "status": response.status_code,
        "headers": seen_headers(response.headers),
        "is_closed": response.is_closed,
        "is_stream_consumed": response.is_stream_consumed,
        "content": response.content if hasattr(response, "_content") else None,
        "request": (response.request.method, masked(str(response.request.url)), seen_headers(response.request.headers)),
        "extensions": sorted(response.extensions),
    }


def seen_headers(headers: Any) -> list[tuple[str, str]]:
    found = [(name.lower(), masked(value)) for name, value in headers.items()]
    return sorted(pair for pair in found if pair[0] not in HIDDEN)


def seen_raw(raw: Any) -> Any:
    return masked(repr(raw)), seen(raw.http_response), getattr(raw, "retries_taken", None), raw.status_code


def seen_stream(stream: Any) -> Any:
    return masked(repr(stream)), seen(stream.response), sorted(vars(stream))


MARKS: Any = (
    ("model_dump", seen_model),
    ("is_stream_consumed", seen_response),
    ("http_response", seen_raw),
    ("_iterator", lambda stream: seen_stream(stream) if hasattr(stream, "response") else sorted(vars(stream))),
)


def seen_error(error: BaseException) -> Any:
    """Describe an exception with what led to it."""
    chain = [
        (link, type_name(other))
        for each in links(error)
        for link, other in (("cause", each.__cause__), ("context", each.__context__))
    ]
    known = {name: seen(value) for name, value in vars(error).items() if not name.startswith("_")}
    return masked(str(error)), seen(error.args), known, chain, error.__suppress_context__


def links(error: BaseException) -> Iterator[BaseException]:
    seen_already: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen_already:
            seen_already.add(id(each))
            yield each
            waiting += [other for other in (each.__cause__, each.__context__) if other is not None]


class Surroundings:
    """What happens beside the calls, while it is entered.

    Attributes:
        warned: The warnings.
        logged: What other loggers than ours were told on this thread.
        stray: What went wrong where nobody could catch it: in finalizers, threads and callbacks of the event loop.
    """

    def __init__(self) -> None:
        self.warned: list[tuple[str, str]] = []
        self.logged: Counter[tuple[str, int, str]] = Counter()
        self.stray: Counter[tuple[str, str]] = Counter()
        self._stack = ExitStack()

    def __enter__(self) -> Surroundings:
        found = self._stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        self._found = found or []
        self._stack.enter_context(_hook(sys, "unraisablehook", self._stray))
        self._stack.enter_context(_hook(threading, "excepthook", self._stray))
        self._stack.enter_context(_listening(self._log))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.warned = [(each.category.__name__, masked(str(each.message))) for each in self._found]

    def of_loop(self, _: Any, context: dict[str, Any]) -> None:
        """Handle what an event loop reports."""
        self.stray[masked(context["message"]), type_name(context.get("exception"))] += 1

    def _stray(self, found: Any) -> None:
        self.stray[str(getattr(found, "err_msg", "")), type_name(found.exc_value)] += 1

    def _log(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("layer_sdk"):
            self.logged[record.name, record.levelno, masked(record.getMessage())] += 1


@contextmanager
def _hook(module: Any, name: str, replacement: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, replacement)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def _listening(told: Any) -> Iterator[None]:
    """Hear of everything that this thread logs: ours deliver on threads of their own."""
    me, root = threading.get_ident(), logging.getLogger()
    handler = logging.Handler()
    handler.emit = lambda record: told(record) if record.thread == me else None  # type: ignore[method-assign]
    level, handlers = root.level, root.handlers
    root.handlers = [handler]  # pytest's own would keep all of it
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers = handlers


@contextmanager
def collecting_by_hand() -> Iterator[None]:
    """Have the garbage collector run when it is told to, over what came since and nothing else: at once, that is."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
