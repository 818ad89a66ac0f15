"""The body of a request: read within a limit, parsed strictly, and kept as it was written."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Collection, Iterator

from ._faults import shortened
from ._problems import Fault, Refusal

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass(frozen=True)
class Body:
    """A JSON document: the text that was received, and what it says."""

    raw: bytes
    text: str
    value: Any

    def elements(self, name: str) -> tuple[str, ...]:
        """The elements of an array of the outermost object, each as it was written."""
        return tuple(_elements(self.text, name)) if isinstance(self.value.get(name), list) else ()


async def receive(request: Request, media_types: Collection[str], limit: int) -> bytes:
    """Read the body of a request.

    Raises:
        Refusal: If it is too large (413) or of another media type (415).
    """
    _check_headers(request, media_types)
    return await _read(request, limit)


def parsed(raw: bytes) -> Body:
    """Parse a JSON document.

    Raises:
        Refusal: If it is not exactly one JSON document in UTF-8 that can be read without loss (400).
    """
    try:
        text = raw.decode("utf-8")
        return Body(raw, text.strip(" \t\r\n"), _parser.decode(text))
    except UnicodeDecodeError as error:
        raise _malformed(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _malformed("is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None


def _check_headers(request: Request, media_types: Collection[str]) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() not in media_types:
        wanted = " or ".join(media_types)
        fault = Fault("Content-Type", f"must be {wanted}, not {shortened(given)}" if given else f"must be {wanted}")
        raise Refusal(415, f"The body must be sent as {wanted}.", [fault], {"Accept": ", ".join(media_types)})
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        fault = Fault("Content-Encoding", f"must be left out, not {shortened(encoding)}")
        raise Refusal(415, "Compressed bodies are not taken here.", [fault], {"Accept-Encoding": "identity"})


async def _read(request: Request, limit: int) -> bytes:
    # The length that the client announces saves reading what is refused anyhow; what counts is what arrives.
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The body has more than the {limit} bytes that are possible here.")


def _malformed(message: str) -> Refusal:
    return Refusal(400, f"The body {message}.", [Fault("body", message)])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal names they take, so such a document does not say one thing.
    members = dict(pairs)
    if len(members) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"has the name {shortened(twice)} twice in one object")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"has the value {name}, which is not JSON")


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ValueError(f"has a number of {len(digits)} digits, which is too long to read") from None


_parser = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_integer)
_scan = json.JSONDecoder().raw_decode
_gap = re.compile(r"[ \t\r\n,:]*").match


def _elements(text: str, name: str) -> Iterator[str]:
    """Walk over a document that is known to be right, so that commas and colons need no look."""
    at, member = 1, None
    while member != name:
        member, at = _scan(text, _past_gap(text, at))
        start = _past_gap(text, at)
        if member != name:
            _, at = _scan(text, start)
    at = _past_gap(text, start + 1)
    while text[at] != "]":
        _, end = _scan(text, at)
        yield text[at:end]
        at = _past_gap(text, end)


def _past_gap(text: str, at: int) -> int:
    gap = _gap(text, at)
    return gap.end() if gap else at
