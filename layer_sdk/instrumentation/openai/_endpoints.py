"""Which requests are recorded, and by which functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable, Iterable, NamedTuple

from . import _chat, _media, _responses, _texts
from ._asked import same

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Heard, Said

    from ._asked import Asked


class Endpoint(NamedTuple):
    """How one endpoint's calls are recorded.

    Attributes:
        hear: Puts an answer into words, on a worker.
        ask: Puts a question into words, on a worker. None where question and answer are one action.
        pick: Gives of an answer what is recorded of it, not yet copied; on the host's thread.
        feed: Copies of an item of a stream what is recorded of it, and adds it to what was kept.
        merge: Puts what was kept of a stream together, on a worker: an answer, as far as it goes.
        is_binary: Whether an answer is bytes, of which only the number is kept.
        is_text: Whether an answer is mostly text, so that the bytes that it came as may be kept until it is read.
    """

    hear: Callable[[Asked, Any, Heard], Iterable[Said]]
    ask: Callable[[Asked], Iterable[Said]] | None = None
    pick: Callable[[Any], Any] = same
    feed: Callable[[list[Any], Any], None] | None = None
    merge: Callable[[list[Any]], Any] | None = None
    is_binary: bool = False
    is_text: bool = False


CHAT = Endpoint(_chat.hear, _chat.ask, feed=_chat.feed, merge=_chat.merge, is_text=True)
COMPLETION = Endpoint(
    _texts.hear_completion,
    _texts.ask_completion,
    feed=_texts.feed_completion,
    merge=_texts.merge_completion,
    is_text=True,
)
EMBEDDINGS = Endpoint(_texts.hear_embeddings, pick=_texts.pick_embeddings)
MODERATION = Endpoint(_texts.hear_moderation, is_text=True)
RESPONSE = Endpoint(_responses.hear, _responses.ask, _responses.pick, _responses.feed, _responses.merge, is_text=True)
LATER = RESPONSE._replace(ask=None)  # an answer to what was asked before
IMAGES = Endpoint(_media.hear_images, _media.ask, _media.pick_images, _media.feed_images, _media.merge_images)
TEXT_OF_AUDIO = Endpoint(_media.hear_text, _media.ask, feed=_media.feed_text, merge=_media.merge_text, is_text=True)
SPEECH = Endpoint(_media.hear_speech, _media.ask, is_binary=True)

POSTED = {
    "/chat/completions": CHAT,
    "/completions": COMPLETION,
    "/embeddings": EMBEDDINGS,
    "/moderations": MODERATION,
    "/responses": RESPONSE,
    "/responses/compact": RESPONSE,
    "/images/generations": IMAGES,
    "/images/edits": IMAGES,
    "/images/variations": IMAGES,
    "/audio/transcriptions": TEXT_OF_AUDIO,
    "/audio/translations": TEXT_OF_AUDIO,
    "/audio/speech": SPEECH,
}
RESPONSE_PATH = r"/responses/([^/?]+)(/cancel)?"
# The first that fits is taken: `/chat/completions` ends as `/completions` does.
PATHS = sorted(POSTED, key=len, reverse=True)


class Route(NamedTuple):
    """Where a request goes.

    Attributes:
        endpoint: How it is recorded.
        path: The endpoint's path, whatever stands before it in the URL.
        response_id: Of which answer it asks.
    """

    endpoint: Endpoint
    path: str
    response_id: str | None = None


ROUTES = {path: Route(endpoint, path) for path, endpoint in POSTED.items()}


def route_of(method: str, url: str) -> Route | None:
    """Find how a request is recorded; None for one that is not.

    Args:
        method: Its HTTP method.
        url: Its URL, most often relative to the client's base URL.
    """
    is_post = method.lower() == "post"
    route = ROUTES.get(url) if is_post else None
    return route or _unusual(url, is_post=is_post)


def _unusual(url: str, *, is_post: bool) -> Route | None:
    path = "/" + url.partition("?")[0].strip("/")
    found = next(filter(path.endswith, PATHS), None) if is_post else None
    if found is not None:
        return ROUTES[found]
    later = re.fullmatch(RESPONSE_PATH, path[path.find("/responses/") :]) if "/responses/" in path else None
    if later is None or bool(later[2]) != is_post:
        return None
    return Route(LATER, "/responses/{id}", later[1])
