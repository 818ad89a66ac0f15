"""OpenAI: every call of `OpenAI` and `AsyncOpenAI`, of each version from 1.18, whatever helper makes it.

All of them, those of Azure's clients and of the module's own functions included, go through one method, `request`: one
call of it is one record. See docs/openai.md for what is recorded of which.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk._json import weighed_json_or_repr
from layer_sdk._suppression import is_suppressed
from layer_sdk.instrumentation._base import Call
from layer_sdk.instrumentation._patch import Patch, patch

from . import _session_header
from ._asked import Asked
from ._background import Fetch
from ._endpoints import CHAT, RESPONSE, route_of
from ._media import files_of
from ._observer import Observer

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Listener, Target
    from layer_sdk.instrumentation._patch import Observer as Watching

    from ._endpoints import Route

SUPPORTED = ((1, 18), (4, 0))  # from, and before
PARSED = (CHAT, RESPONSE)  # what helpers make objects of the host's of

Listeners = Callable[[], "tuple[Listener, ...]"]


def patches(module: Any, version: str, listeners: Listeners) -> list[Patch]:
    """Watch the clients of the package.

    Args:
        module: The package.
        version: Its version.
        listeners: Gives who listens, at each call.
    """
    native = (module.Stream, module.AsyncStream)
    return [
        patch(client, "request", _Watch(version, listeners, native, client, is_async=is_async).begin, is_async=is_async)
        for client, is_async in ((module.OpenAI, False), (module.AsyncOpenAI, True))
    ]


class _Watch:
    """Looks at each request of one class of clients."""

    def __init__(
        self, version: str, listeners: Listeners, native: tuple[type, ...], client: type, *, is_async: bool
    ) -> None:
        self._client = client
        self._version = version
        self._listeners = listeners
        self._native = native
        self._is_async = is_async

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Watching | None:
        """Record what is asked; give what is to hear the answer."""
        listeners = self._listeners()
        if not listeners or is_suppressed():
            return None
        options = kwargs["options"] if "options" in kwargs else args[1]
        headers = options.headers or {}  # asked for once: what stands for none takes a call of its own to say so
        given, restore = _session_header.take(client, options, headers)
        undo = [] if restore is None else [restore]
        route = route_of(options.method, options.url)
        if route is None:
            return _Passing(undo) if undo else None
        asked = self._asked(client, options, route)
        mode = _session_header.raw_mode(headers)
        if route.response_id is not None:
            find = partial(_targets, listeners, given)
            return Fetch(route.response_id, find, partial(self._observer, route, asked, mode, []), undo)
        targets = _targets(listeners, given)
        if not targets:
            return _Passing(undo) if undo else None
        observer = self._observer(route, asked, mode, undo, targets)
        observer.ask()
        if route.endpoint in PARSED:
            _listen_to_parser(observer, options, undo)
        return observer

    def _asked(self, client: Any, options: Any, route: Route) -> Asked:
        body, extra = options.json_data, options.extra_json
        body = options.params if body is None else body  # of an answer that is fetched
        merged = {**body, **extra} if extra and isinstance(body, AbstractMapping) else body
        copied, size = weighed_json_or_repr(merged)
        files = files_of(options.files) if options.files else []
        base_url = self._base_url(client)
        return Asked(route.path, copied if isinstance(copied, dict) else {}, size, files, self._version, base_url)

    def _base_url(self, client: Any) -> Any:
        """Give where a client sends. With its own class that is an attribute, behind a property that may import."""
        found = getattr(client, "_base_url", None) if type(client) is self._client else None
        return getattr(client, "base_url", None) if found is None else found

    def _observer(
        self,
        route: Route,
        asked: Asked,
        mode: str | None,
        restore: list[Callable[[], None]],
        targets: tuple[Target, ...],
    ) -> Observer:
        return Observer(
            Call(targets),
            route.endpoint,
            asked,
            mode=mode,
            is_async=self._is_async,
            native=self._native,
            restore=restore,
        )


def _targets(listeners: tuple[Listener, ...], given: object) -> tuple[Target, ...]:
    found = []
    for listener in listeners:
        target = listener.target(given)
        if target is not None:
            found.append(target)
    return tuple(found)


def _listen_to_parser(observer: Observer, options: Any, undo: list[Callable[[], None]]) -> None:
    """See an answer before a helper makes an object of the host's of it: when that fails, the call raises."""
    parser = options.post_parser
    if not callable(parser):
        return

    @wraps(parser)
    def parse(raw: Any) -> Any:
        observer.parsed = raw
        return parser(raw)

    def restore() -> None:
        options.post_parser = parser

    options.post_parser = parse
    undo.append(restore)


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
