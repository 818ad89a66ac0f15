"""The ways in which user code reads an answer that `with_streaming_response` left unread."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

from openai_sdk.faces import BodyError, Face, Note, Way
from openai_sdk.observations import seen


async def read(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].read))
    note(await face.call(held[0].read))


async def parse(face: Face, held: list[Any], note: Note, count: int) -> None:
    first = await face.call(held[0].parse)
    note((seen(first), first is await face.call(held[0].parse)))


async def text(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].text))


async def json(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].json))


async def pieces(face: Face, held: list[Any], note: Note, count: int) -> None:
    """Read bytes; in which pieces they come is the network's affair."""
    found: list[bytes] = []
    generator = held[0].iter_bytes()
    note((inspect.isgenerator(generator), inspect.isasyncgen(generator)))
    await face.loop(generator, found.append)
    note(b"".join(found))


async def small_pieces(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_bytes(chunk_size=100), note)


async def pieces_of_text(face: Face, held: list[Any], note: Note, count: int) -> None:
    found: list[str] = []
    await face.loop(held[0].iter_text(), found.append)
    note("".join(found))


async def lines(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_lines(), note)


async def some_lines(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_lines(), note, count)


async def leave_pieces(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_bytes(chunk_size=10), note, count)


async def leave_pieces_and_go_on(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_bytes(chunk_size=10), note, count)
    await face.loop(held[0].iter_bytes(chunk_size=10), note)


async def close_the_generator(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    generator = response.aiter_bytes(10) if face.is_async else response.iter_bytes(10)
    note(await face.next(generator))
    note(await face.call(generator.aclose if face.is_async else generator.close))
    note(seen(response))
    await face.loop(generator, note)


async def throw_into_the_generator(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    generator = response.aiter_bytes(10) if face.is_async else response.iter_bytes(10)
    note(await face.next(generator))
    await face.call(generator.athrow if face.is_async else generator.throw, BodyError("thrown in"))


async def a_kept_method(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    method = response.aiter_bytes if face.is_async else response.iter_bytes
    note((method.__self__ is response, method.__name__, method.__doc__))
    found: list[bytes] = []
    await face.loop(method(), found.append)
    note(b"".join(found))
    await face.loop(method(), found.append)
    note(b"".join(found))


async def wrong_arguments(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    (response.aiter_bytes if face.is_async else response.iter_bytes)(1, 2, 3)


async def read_the_response(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    note(await face.call(response.aread if face.is_async else response.read))


async def raw_pieces(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    found: list[bytes] = []
    await face.loop(response.aiter_raw() if face.is_async else response.iter_raw(), found.append)
    note(b"".join(found))


async def nothing(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(held[0].headers.get("content-type"))


async def close(face: Face, held: list[Any], note: Note, count: int) -> None:
    note(await face.call(held[0].close))
    note(await face.call(held[0].read))


async def fail(face: Face, held: list[Any], note: Note, count: int) -> None:
    await face.loop(held[0].iter_bytes(chunk_size=10), note, count, BodyError("in the loop"))


async def pickle_the_response(face: Face, held: list[Any], note: Note, count: int) -> None:
    response = held[0].http_response
    for again in (pickle.loads(pickle.dumps(response)), copy.copy(response)):  # noqa: S301  (our own)
        await face.call(again.aclose if face.is_async else again.close)
        note(seen(again))
    note(await face.call(held[0].read))


BODY_WAYS: dict[str, Way] = {
    way.__name__: way
    for way in (
        read,
        parse,
        text,
        json,
        pieces,
        small_pieces,
        pieces_of_text,
        lines,
        some_lines,
        leave_pieces,
        leave_pieces_and_go_on,
        close_the_generator,
        throw_into_the_generator,
        a_kept_method,
        wrong_arguments,
        read_the_response,
        raw_pieces,
        nothing,
        close,
        fail,
        pickle_the_response,
    )
}
