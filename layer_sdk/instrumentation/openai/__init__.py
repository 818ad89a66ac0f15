"""OpenAI: every call of `OpenAI` and `AsyncOpenAI`, of each version from 1.18, whatever helper makes it.

All of them, those of Azure's clients and of the module's own functions included, go through one method, `request`: one
call of it is one record. On the way, `_process_response` is given the answer as it came, before anything is made of it.
See docs/openai.md for what is recorded of which.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from functools import partial
from os import getpid
from typing import TYPE_CHECKING, Any, Callable, Dict, Protocol

from layer_sdk import _fork
from layer_sdk._suppression import is_suppressed
from layer_sdk.instrumentation._base import targets_of
from layer_sdk.instrumentation._patch import Patch, patch

from . import _session_header
from ._asked import Asked
from ._background import Fetch
from ._endpoints import ROUTES, route_of
from ._media import files_of
from ._observer import Observer

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Listener
    from layer_sdk.instrumentation._patch import Observer as Watching

    from ._observer import Expecting

SUPPORTED = ((1, 18), (4, 0))  # from, and before
READS = "_process_response"
MAKES = (READS, "_process_response_data")  # of an answer what the host gets


class Watched(Protocol):
    """Whom the package is watched for.

    Attributes:
        listeners: Who listens, at each call.
    """

    listeners: tuple[Listener, ...]


def patches(module: Any, version: str, watched: Watched) -> list[Patch]:
    """Watch the clients of the package.

    Args:
        module: The package.
        version: Its version.
        watched: For whom.
    """
    found = []
    for client, is_async in ((module.OpenAI, False), (module.AsyncOpenAI, True)):
        watch = _Watch(module, version, watched, client, is_async=is_async)
        found.append(patch(client, "request", watch.begin, is_async=is_async))
        if hasattr(client, READS):  # else answers are read off the objects that are made of them
            found.append(patch(client, READS, watch.heard, is_async=False))  # it is watched as it begins
    return found


class _Watch:
    """Looks at each request of one class of clients."""

    def __init__(self, module: Any, version: str, watched: Watched, client: type, *, is_async: bool) -> None:
        self._client = client
        self._version = version
        self._watched = watched
        self._observer_of = partial(Observer, is_async, (module.Stream, module.AsyncStream))
        self._absent = tuple({type(getattr(module, name, None)) for name in ("NOT_GIVEN", "not_given", "omit")})
        self._expecting: Expecting = {}
        self._usual = _Usual(client)

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Watching | None:
        """Record what is asked; give what is to hear the answer."""
        listeners = self._watched.listeners
        if not listeners or is_suppressed():
            return None
        if _fork.pid != getpid():  # as `check` does: what is called here is felt in each call of the host's
            _fork.check()
        options = kwargs["options"] if "options" in kwargs else args[1]
        headers = options.headers
        if type(headers) in self._absent:  # to ask what stands for none whether it is any takes a call of its own
            headers = None
        given, undo = None, []
        if headers or getattr(client, "_custom_headers", None):
            given, restore = _session_header.take(client, options, headers or {})
            undo = [] if restore is None else [restore]
        route = (ROUTES.get(options.url) if options.method == "post" else None) or route_of(options.method, options.url)
        if route is None:
            return _Passing(undo) if undo else None
        body, endpoint = options.json_data, route.endpoint
        sent = _sent(options) if body is None or options.extra_json else body
        files = files_of(options.files) if options.files else []
        # With its own class that is an attribute, behind a property that may import.
        base_url = getattr(client, "_base_url", None) if type(client) is self._client else None
        if base_url is None:
            base_url = getattr(client, "base_url", None)
        asked = Asked(route.path, self._version, sent, files, base_url)
        mode = _session_header.raw_mode(headers) if headers else None
        if route.response_id is not None:
            find = partial(targets_of, listeners, given)
            observer_of = partial(self._observer_of, endpoint=endpoint, asked=asked, mode=mode, restore=[])
            return Fetch(route.response_id, find, observer_of, undo)
        targets = (listeners[0].target(given),) if len(listeners) == 1 else targets_of(listeners, given)
        observer = self._observer_of(targets, endpoint, asked, mode, undo)
        if endpoint.ask is not None:
            observer.ask(asked.size, partial(endpoint.ask, asked))
        if endpoint.is_text and type(body) is dict:
            is_whole = mode is None and not kwargs.get("stream") and self._usual[type(client)]
            observer.expect(self._expecting, body, is_whole=is_whole)
        return observer

    def heard(self, _: Any, __: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep an answer as it came: bytes, which cannot change. Before anything is made of it, which may fail."""
        found = self._expecting.get(id(kwargs["options"].json_data))
        if found is not None and len(found) == 1 and found[0].is_whole and not is_suppressed():
            found[0].content = kwargs["response"].content


class _Usual(Dict[type, bool]):
    """By the class of a client, whether what the host gets is what came: a class of its own may make more of it.

    Args:
        client: openai's own class.
    """

    def __init__(self, client: type) -> None:
        super().__init__({client: True})
        self._client = client

    def __missing__(self, kind: type) -> bool:
        between = kind.__mro__[: kind.__mro__.index(self._client)]
        found = self[kind] = not any(name in vars(each) for each in between for name in MAKES)
        return found


def _sent(options: Any) -> Any:
    """Give what is sent: with what the host adds to it, or the query of an answer that is fetched."""
    body, extra = options.json_data, options.extra_json
    body = options.params if body is None else body
    return {**body, **extra} if extra and isinstance(body, AbstractMapping) else body


class _Passing:
    """Watches a call that is not recorded, to put back what was changed of its request."""

    def __init__(self, undo: list[Callable[[], None]]) -> None:
        self._undo = undo

    def answered(self, _: Any) -> None:
        """Put it back."""
        for each in self._undo:
            each()

    def failed(self, error: BaseException) -> None:
        """Put it back."""
        self.answered(error)
