"""One call to OpenAI, from the question to the answer or to the end of its stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk.instrumentation._base import COMPLETE, Call, Fields, Heard, nothing
from layer_sdk.instrumentation._bodies import Body, events_of, json_or_text, listen
from layer_sdk.instrumentation._snapshot import is_model, weighed_snapshot
from layer_sdk.instrumentation._streams import tap

from . import _background
from ._asked import same
from ._errors import describe

if TYPE_CHECKING:
    from ._asked import Asked
    from ._endpoints import Endpoint

CHUNK = 200  # bytes of memory that a kept chunk takes, about


class Observer:
    """Watches one call.

    Args:
        call: Where it is recorded.
        endpoint: How.
        asked: What was asked.
        mode: How the answer is wanted, see `raw_mode`.
        is_async: Whether the client is an async one.
        native: openai's own stream classes.
        restore: Puts back what was changed of the request.
    """

    __slots__ = ("_asked", "_call", "_endpoint", "_is_async", "_mode", "_native", "_restore", "parsed")

    def __init__(
        self,
        call: Call,
        endpoint: Endpoint,
        asked: Asked,
        *,
        mode: str | None,
        is_async: bool,
        native: tuple[type, ...],
        restore: list[Callable[[], None]],
    ) -> None:
        self._call = call
        self._endpoint = endpoint
        self._asked = asked
        self._mode = mode
        self._is_async = is_async
        self._native = native
        self._restore = restore
        self.parsed: Any = None

    def ask(self) -> None:
        """Record the question, if it is an action of its own."""
        ask = self._endpoint.ask
        if ask is not None:
            self._call.ask(self._asked.size, partial(ask, self._asked))

    # ---- how the call itself ended

    def failed(self, error: BaseException) -> None:
        """Record that there is no answer, or that a helper could make nothing of it."""
        self._put_back()
        answer, size = (None, 0) if self.parsed is None else weighed_snapshot(self._endpoint.pick(self.parsed))
        self._hear(Heard(partial(same, answer), describe(error)), size)

    def answered(self, answer: Any) -> None:
        """Record the answer, or listen in on it."""
        if self._restore:
            self._put_back()
        self._take(answer)

    def _put_back(self) -> None:
        for restore in self._restore:
            restore()

    def _take(self, answer: Any) -> None:
        response = getattr(answer, "http_response", None) if self._mode is not None else None
        if response is not None:
            self._take_raw(response)
        elif is_model(answer) and not self._endpoint.is_binary:
            self._take_whole(answer)
        elif hasattr(answer, "_iterator") and hasattr(answer, "response"):
            self._take_stream(answer)
        elif self._endpoint.is_binary:
            self._hear(Heard(partial(same, {"size": len(answer.content)}), attributes=_request_id(answer.response)))
        elif hasattr(answer, "is_stream_consumed"):  # who calls `client.post` can ask for the response itself
            self._take_raw(answer)
        else:
            self._take_whole(answer)

    def _take_whole(self, answer: Any) -> None:
        kept, size = weighed_snapshot(self._endpoint.pick(answer))
        request_id = getattr(answer, "_request_id", None)
        attributes = {"openai.request_id": request_id} if isinstance(request_id, str) else {}
        self._hear(Heard(partial(same, kept), attributes=attributes), size)
        _background.expect(self._asked.body, kept, self._call.targets)

    def _hear(self, heard: Heard, size: int = 0) -> None:
        self._call.hear(size, partial(_words, self._endpoint, self._asked, heard))

    # ---- raw answers

    def _take_raw(self, response: Any) -> None:
        attributes = _request_id(response)
        if response.is_stream_consumed or response.is_closed:
            content = response.content
            self._hear(Heard(self._reading(content, is_stream=False), attributes=attributes), len(content))
            if self._asked.body.get("background"):
                _background.expect(self._asked.body, json_or_text(content), self._call.targets)
            return
        body = Body(is_kept=not self._endpoint.is_binary)
        listen(response, partial(self._raw_ended, body, attributes), self._call, body, is_async=self._is_async)

    def _raw_ended(self, body: Body, attributes: Fields, end: str, error: BaseException | None) -> None:
        is_stream = bool(self._asked.body.get("stream"))
        content = body.content
        read = self._reading(content, is_stream=is_stream)
        if self._endpoint.is_binary:
            read = partial(same, {"size": body.size})
        told = None if end == COMPLETE and not is_stream else end
        said = None if error is None else describe(error)
        self._hear(Heard(read, said, told, attributes), len(content))

    def _reading(self, content: bytes, *, is_stream: bool) -> Callable[[], Any]:
        endpoint = self._endpoint
        if endpoint.is_binary:
            return partial(same, {"size": len(content)})
        if is_stream and endpoint.merge is not None:
            return partial(_merged, endpoint.merge, content)
        return partial(json_or_text, content)

    # ---- streams

    def _take_stream(self, stream: Any) -> None:
        feed = self._endpoint.feed
        items: list[Any] = []
        take = items.append if feed is None else partial(feed, items)
        ended = partial(self._stream_ended, items, _request_id(stream.response))
        tap(stream, take, ended, self._call, self._native, is_async=self._is_async)

    def _stream_ended(self, items: list[Any], attributes: Fields, end: str, error: BaseException | None) -> None:
        merge = self._endpoint.merge
        said = None if error is None else describe(error)
        read = nothing if merge is None else partial(merge, items)
        self._hear(Heard(read, said, end, attributes), CHUNK * len(items))
        if self._asked.body.get("background"):  # it may be taken up again, or fetched
            _background.expect(self._asked.body, read(), self._call.targets)


def _words(endpoint: Endpoint, asked: Asked, heard: Heard) -> Any:
    return endpoint.hear(asked, heard.read(), heard)


def _request_id(response: Any) -> Fields:
    found = response.headers.get("x-request-id")
    return {} if found is None else {"openai.request_id": found}


def _merged(merge: Callable[[list[Any]], Any], content: bytes) -> Any:
    events = events_of(content)
    whole = None if events else json_or_text(content)  # who is asked for a stream may refuse in one piece
    return whole if isinstance(whole, dict) else merge(events)
