"""What listens in on a stream, whoever made the iterator that it finds there."""

from __future__ import annotations

from types import GeneratorType, SimpleNamespace
from typing import Any, Callable, Iterator

import pytest

from layer_sdk.instrumentation._base import CLOSED, COMPLETE, FAILED, SHUTDOWN, Call
from layer_sdk.instrumentation._streams import interrupt, tap


class Source:
    """Where the bytes of a response come from."""

    def close(self) -> None:
        """Give the connection back."""


class Own:
    """An iterator of a class of its own, as another library puts one in its place."""

    colour = "green"

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._items)


def stream_of(
    iterator: Iterator[Any], source: Source | None = None
) -> tuple[Any, list[Any], list[tuple[str, type | None]]]:
    """Listen in on a stream; it, what is heard of it, and how it ended."""
    stream = SimpleNamespace(_iterator=iterator, response=SimpleNamespace(stream=source or Source()))
    heard: list[Any] = []
    ends: list[tuple[str, type | None]] = []

    def ended(end: str, error: BaseException | None) -> None:
        ends.append((end, None if error is None else type(error)))

    tap(stream, heard.append, ended, Call(()), (), is_async=False)
    return stream, heard, ends


def failing(items: Iterator[Any]) -> Iterator[Any]:
    """Give the items, and fail."""
    yield from items
    raise ConnectionError


KINDS = pytest.mark.parametrize("kind", [Own, lambda items: (each for each in items)], ids=["a class", "a generator"])
Kind = Callable[[Iterator[Any]], Iterator[Any]]


@KINDS
def test_items_are_heard(kind: Kind) -> None:
    """Each item is heard before the host has it, and the end when there is no other."""
    stream, heard, ends = stream_of(kind(iter("abc")))
    for at, item in enumerate(stream._iterator):
        assert [item, at + 1] == [heard[-1], len(heard)]
        assert [] == ends
    assert [(COMPLETE, None)] == ends
    with pytest.raises(StopIteration):
        next(stream._iterator)


@KINDS
def test_failure_is_the_end(kind: Kind) -> None:
    """What the iterator raises goes on to the host, and is how it ended."""
    stream, heard, ends = stream_of(kind(failing(iter("a"))))
    assert "a" == next(stream._iterator)
    with pytest.raises(ConnectionError):
        next(stream._iterator)
    assert (["a"], [(FAILED, ConnectionError)]) == (heard, ends)


@KINDS
def test_nothing_is_kept_after_the_end(kind: Kind) -> None:
    """Once it has been told how a stream ended, its items are the host's alone: they would pile up unread."""
    for end, told in ((interrupt, SHUTDOWN), (None, CLOSED)):
        stream, heard, ends = stream_of(kind(iter("abc")))
        assert "a" == next(stream._iterator)
        end() if end is not None else stream.response.stream.close()
        assert ["b", "c"] == list(stream._iterator)
        assert (["a"], [(told, None)]) == (heard, ends)


def test_close_of_the_iterator_is_not_the_hosts() -> None:
    """An iterator that closes its response as it comes to its end has come to its end."""
    source = Source()

    def closing() -> Iterator[str]:
        yield "a"
        source.close()

    stream, _, ends = stream_of(closing(), source)
    assert (["a"], [(COMPLETE, None)]) == (list(stream._iterator), ends)


def test_iterator_looks_as_before() -> None:
    """A generator is one still; what else an iterator of another class has can be asked for."""
    assert isinstance(stream_of(each for each in "a")[0]._iterator, GeneratorType)
    assert "green" == stream_of(Own(iter("a")))[0]._iterator.colour
