from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Iterator

import httpx
from pages import action, created

from layer_sdk.devserver import Server, Settings


def events(lines: Iterator[str]) -> Iterator[tuple[str, int]]:
    """The events of a stream: the name of each, and how many changes there were by then."""
    name = ""
    for line in lines:
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data":
            yield name, int(value)


def test_an_open_page_is_told_of_changes(layer: httpx.Client) -> None:
    """A stream says hello, and then that something was recorded; one of a session keeps to that session."""
    mine, other = created(layer, []), created(layer, [])
    with ExitStack() as stack:
        streams = []
        for address in ("/dev/events?session=", f"/dev/events?session={mine.upper()}", f"/dev/events?session={other}"):
            answer = stack.enter_context(layer.stream("GET", address))
            assert "text/event-stream; charset=utf-8" == answer.headers["Content-Type"]
            streams.append(events(answer.iter_lines()))
        assert ["hello"] * 3 == [next(stream)[0] for stream in streams]
        layer.post(f"/v1/sessions/{mine}/actions", json=action()).raise_for_status()
        (of_all, first), (of_mine, second) = (next(stream) for stream in streams[:2])
        layer.post(f"/v1/sessions/{other}/actions", json=action()).raise_for_status()
        of_other, third = next(streams[2])
    assert {"change"} == {of_all, of_mine, of_other}
    assert third > max(first, second)


def test_many_changes_are_few_events(layer: httpx.Client) -> None:
    """A page that is slow gets one event for many changes: nothing piles up for it."""
    session_id = created(layer, [])
    with layer.stream("GET", f"/dev/events?session={session_id}") as answer:
        found = events(answer.iter_lines())
        assert "hello" == next(found)[0]
        for _ in range(50):
            layer.post(f"/v1/sessions/{session_id}/actions", json=action()).raise_for_status()
        seen = []
        stop = threading.Timer(1.0, answer.close)
        stop.start()
        with suppress(httpx.StreamError, httpx.TransportError):
            for event in found:
                seen.append(event)  # noqa: PERF402 - what came before the stream breaks off counts
        stop.join()
    assert {"change"} == {name for name, _ in seen}
    assert 1 <= len(seen) < 15


def test_only_so_many_pages_may_be_open(layer: httpx.Client) -> None:
    """More streams than the server has room for are refused, and there is room again when some close."""
    address = (str(layer.base_url.host), int(layer.base_url.port or 0))
    request = f"GET /dev/events HTTP/1.1\r\nHost: {address[0]}\r\n\r\n".encode("ascii")
    with ExitStack() as stack:
        for _ in range(100):
            opened = stack.enter_context(socket.create_connection(address, 10))
            opened.sendall(request)
            stream = stack.enter_context(opened.makefile("rb"))
            assert b"event: hello\n" in stream
        refused = layer.get("/dev/events")
    assert (503, "10") == (refused.status_code, refused.headers["Retry-After"])
    for _ in range(200):
        with layer.stream("GET", "/dev/events") as answer:
            if answer.is_success:
                break
        time.sleep(0.1)
    assert 200 == answer.status_code


def test_open_pages_do_not_keep_a_server_from_stopping() -> None:
    """A server that stops ends the streams of pages that are open, instead of waiting for them."""
    with ExitStack() as stack:
        server = Server(Settings()).start()
        answer = stack.enter_context(httpx.stream("GET", f"{server.url}/dev/events", timeout=20))
        found = events(answer.iter_lines())
        assert "hello" == next(found)[0]
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        rest = list(found)
        stopping.join(5)
        assert (["change"], False) == ([name for name, _ in rest[:1]], stopping.is_alive())
