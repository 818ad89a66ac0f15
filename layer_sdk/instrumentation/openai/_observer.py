"""One call to OpenAI, from the question to the answer or to the end of its stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, List

from layer_sdk._json import to_json_or_repr
from layer_sdk.instrumentation._base import COMPLETE, Call, Fields, Heard, nothing
from layer_sdk.instrumentation._bodies import Body, events_of, json_or_text, listen, plain_json
from layer_sdk.instrumentation._snapshot import MAX_KINDS, is_model, weighed_snapshot, without_nones
from layer_sdk.instrumentation._streams import tap

from . import _background
from ._asked import same
from ._errors import describe

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Target

    from ._asked import Asked
    from ._endpoints import Endpoint

CHUNK = 200  # bytes of memory that a kept chunk takes, about
MOST_TEXT = 1024 * 1024  # bytes of an answer; a longer one would hold up the others when a worker reads it in one go

# By the id of the body that was asked with, who expects an answer. A body is a new object for each call, unless the
# host gives the same one to several at a time: then nobody can tell whose an answer is.
Expecting = Dict[int, List["Observer"]]


class Observer(Call):
    """Watches one call.

    Args:
        is_async: Whether the client is an async one.
        native: openai's own stream classes.
        targets: Where it is recorded.
        endpoint: How.
        asked: What was asked.
        mode: How the answer is wanted, see `raw_mode`.
        restore: Puts back what was changed of the request.

    Attributes:
        content: The answer as it came, if that is known.
        is_whole: Whether it comes in one piece, and something is made of it.
    """

    __slots__ = (
        "_asked",
        "_endpoint",
        "_expected",
        "_is_async",
        "_mode",
        "_native",
        "_restore",
        "content",
        "is_whole",
    )

    # All by their places: names take longer, and that is felt in each call of the host's.
    def __init__(  # noqa: PLR0917
        self,
        is_async: bool,  # noqa: FBT001
        native: tuple[type, ...],
        targets: tuple[Target, ...],
        endpoint: Endpoint,
        asked: Asked,
        mode: str | None,
        restore: list[Callable[[], None]],
    ) -> None:
        Call.__init__(self, targets)
        self._endpoint = endpoint
        self._asked = asked
        self._mode = mode
        self._is_async = is_async
        self._native = native
        self._restore = restore
        self._expected: tuple[Expecting, Any, list[Observer]] | None = None
        self.content: bytes | None = None
        self.is_whole = False

    def expect(self, expecting: Expecting, body: Any, *, is_whole: bool) -> None:
        """Expect an answer until the call has ended: as it came, or at least that nobody else is taken for who does."""
        self.is_whole = is_whole
        those = expecting.setdefault(id(body), [])
        those.append(self)
        self._expected = expecting, body, those  # which keeps the body, lest another one comes to stand in its place

    def _taken(self) -> bytes | None:
        """Give the answer as it came, if it is known; expect it no longer."""
        expected, self._expected = self._expected, None
        if expected is None:
            return None
        expecting, body, those = expected
        those.remove(self)
        if not those and expecting.get(id(body)) is those:
            expecting.pop(id(body), None)
        return self.content

    # ---- how the call itself ended

    def failed(self, error: BaseException) -> None:
        """Record that there is no answer, or that a helper could make nothing of it."""
        self._put_back()
        content = self._taken()
        read, size = (nothing, 0) if content is None else (partial(_read, content), len(content))
        self._hear(Heard(read, describe(error)), size)

    def answered(self, answer: Any) -> None:
        """Record the answer, or listen in on it."""
        if self._restore:
            self._put_back()
        content = self._taken()
        if content is None or len(content) > MOST_TEXT or self._asked.is_background or not _own[type(answer)]:
            self._take(answer)
        else:
            request_id = getattr(answer, "_request_id", None)
            self.hear(len(content), partial(_words_of, self._endpoint, self._asked, content, request_id))

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
        attributes = _known_id(getattr(answer, "_request_id", None))
        self._hear(Heard(partial(same, kept), attributes=attributes), size)
        if self._asked.is_background:
            _background.expect(kept, self.targets)

    def _hear(self, heard: Heard, size: int = 0) -> None:
        self.hear(size, partial(_words, self._endpoint, self._asked, heard))

    # ---- raw answers

    def _take_raw(self, response: Any) -> None:
        attributes = _request_id(response)
        if response.is_stream_consumed or response.is_closed:
            content = response.content
            self._hear(Heard(self._reading(content, is_stream=False), attributes=attributes), len(content))
            if self._asked.is_background:
                _background.expect(json_or_text(content), self.targets)
            return
        body = Body(is_kept=not self._endpoint.is_binary)
        listen(response, partial(self._raw_ended, body, attributes), self, body, is_async=self._is_async)

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
        tap(stream, take, ended, self, self._native, is_async=self._is_async)

    def _stream_ended(self, items: list[Any], attributes: Fields, end: str, error: BaseException | None) -> None:
        merge = self._endpoint.merge
        said = None if error is None else describe(error)
        read = nothing if merge is None else partial(merge, items)
        self._hear(Heard(read, said, end, attributes), CHUNK * len(items))
        if self._asked.is_background:  # it may be taken up again, or fetched
            _background.expect(read(), self.targets)


def _words(endpoint: Endpoint, asked: Asked, heard: Heard) -> Any:
    return endpoint.hear(asked, heard.read(), heard)


def _read(content: bytes) -> Any:
    found = json_or_text(content)
    if isinstance(found, str):  # the host could read it, so it may be in the oldest way to write it
        found = json_or_text(content.decode("latin-1").encode())
    try:
        return without_nones(found)
    except RecursionError:
        return without_nones(to_json_or_repr(found))


class _Own(Dict[type, bool]):
    """By its class, whether an answer is one of openai's own, which says what came and nothing else."""

    def __missing__(self, kind: type) -> bool:
        if len(self) >= MAX_KINDS:
            self.clear()
        is_model = hasattr(kind, "model_fields") or hasattr(kind, "__fields__")
        found = self[kind] = is_model and str(kind.__module__).startswith("openai.")
        return found


_own = _Own()


def _words_of(endpoint: Endpoint, asked: Asked, content: bytes, request_id: object) -> Any:
    attributes = {name: to_json_or_repr(value) for name, value in _known_id(request_id).items()}
    try:
        answer, is_plain = plain_json(content), True
    except (ValueError, RecursionError):
        answer, is_plain = _read(content), False
    return _words(endpoint, asked, Heard(partial(same, answer), attributes=attributes, is_plain=is_plain))


def _known_id(found: object) -> Fields:
    return {"openai.request_id": found} if isinstance(found, str) else {}


def _request_id(response: Any) -> Fields:
    found = response.headers.get("x-request-id")
    return {} if found is None else {"openai.request_id": found}


def _merged(merge: Callable[[list[Any]], Any], content: bytes) -> Any:
    events = events_of(content)
    whole = None if events else json_or_text(content)  # who is asked for a stream may refuse in one piece
    return whole if isinstance(whole, dict) else merge(events)
