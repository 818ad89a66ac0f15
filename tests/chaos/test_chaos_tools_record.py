"""The fake Layer remembers what it was asked, and tells it right."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Iterator

import pytest
import requests

from chaos.chaos_client import Client, action, dial, new_session, raw, session
from chaos.fake_layer_state import Seen

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer

GENEROUS = 10.0  # seconds; guards against hangs, measures nothing


@pytest.fixture
def client(fake_layer: FakeLayer) -> Iterator[Client]:
    """A client of the fake Layer."""
    with Client(fake_layer.url) as made:
        yield made


def test_idempotency_keys_are_on_record_with_their_bodies(client: Client, fake_layer: FakeLayer) -> None:
    """Each key has its count, and one digest as long as its body was the same; a changed body stands out."""
    mine = new_session()
    client.create(mine)
    for key, sent in (("same", "0"), ("same", "0"), ("changed", "1"), ("changed", "2")):
        client.append(mine, sent, headers={"Idempotency-Key": key})
    seen = fake_layer.idempotency_keys()
    body = json.dumps(action("0")).encode()
    assert Seen(2, frozenset({hashlib.sha256(body).hexdigest()})) == seen["same"]
    assert (2, 2) == (seen["changed"].times, len(seen["changed"].bodies))
    assert ["changed"] == list(fake_layer.changed_bodies())


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (3, 3)])
def test_requests_in_flight_at_once(fake_layer: FakeLayer, threads: int, most: int) -> None:
    """Requests of one session that overlap are seen to, and those that do not are not."""
    fake_layer.switch(delay=0.2)
    mine = new_session()
    crowd = [threading.Thread(target=_create, args=(fake_layer.url, mine, str(each))) for each in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join(GENEROUS)
    _create(fake_layer.url, mine, "last")
    _create(fake_layer.url, new_session(), "other")
    assert (most, most) == (fake_layer.snapshot().most_in_flight[mine], fake_layer.most_in_flight())
    assert fake_layer.snapshot().max_open_connections in (most, most + 1)  # the next may come before the last has gone


def _create(url: str, mine: str, key: str) -> None:
    with Client(url) as client:
        client.create(mine, key)


def test_requests_in_flight_are_seen_without_a_delay(fake_layer: FakeLayer) -> None:
    """Two requests that lie there together count as two at once, however fast they are answered."""
    mine = new_session()
    with dial(fake_layer.port) as one, dial(fake_layer.port) as other:
        for sock in (one, other):
            sock.sendall(raw("/v1/sessions", session(mine)))
            assert sock.recv(65536)
        assert 1 == fake_layer.most_in_flight()
        os.kill(fake_layer.pid, signal.SIGSTOP)
        for sock in (one, other):
            sock.sendall(raw("/v1/sessions", session(mine)))
        os.kill(fake_layer.pid, signal.SIGCONT)
        for sock in (one, other):
            assert sock.recv(65536)
    assert 2 == fake_layer.most_in_flight()


def test_a_request_is_in_flight_no_longer_than_its_client_waits(client: Client, fake_layer: FakeLayer) -> None:
    """Who gives up and tries again has never had two requests in flight, not even if the server sees both at once."""
    mine = new_session()
    fake_layer.switch(delay=30.0)
    for _ in range(3):
        with pytest.raises(requests.ReadTimeout):
            client.create(mine, "0", timeout=0.1)
    with dial(fake_layer.port) as sock:
        sock.sendall(raw("/v1/sessions", session(mine, "1")))
        fake_layer.wait_for(2, GENEROUS)
        os.kill(fake_layer.pid, signal.SIGSTOP)
    with dial(fake_layer.port) as sock:
        sock.sendall(raw("/v1/sessions", session(mine, "2")))
        os.kill(fake_layer.pid, signal.SIGCONT)
        fake_layer.wait_for(3, GENEROUS)
    assert 1 == fake_layer.most_in_flight()


def test_requests_are_on_record(client: Client, fake_layer: FakeLayer) -> None:
    """Each has its times on the clock that all processes share, its size, and what it carried."""
    start = time.monotonic()
    mine = new_session()
    client.create(mine, "0", "1", headers={"Idempotency-Key": "k"})
    client.append(mine, "2")
    first, second = fake_layer.requests()
    assert start <= first.began <= first.ended <= second.began <= second.ended <= time.monotonic()
    assert ("create", mine, "k", 201, 2, 1) == (
        first.operation,
        first.session,
        first.key,
        first.outcome,
        first.actions,
        first.connection,
    )
    assert [second] == fake_layer.requests("append", 202)
    assert len(json.dumps(action("2"))) == second.size


def test_order_violations(client: Client, fake_layer: FakeLayer) -> None:
    """A first arrival after a later one is out of order; gaps, repeats and other sessions are not."""
    fine, wrong = new_session(), new_session()
    client.create(fine, "0", "2", "2", "0", "s-10")
    client.create(wrong, "1", "0", "0", "3", "2")
    found = [(each.session, each.earlier, each.later) for each in fake_layer.order_violations()]
    assert [(wrong, "0", "1"), (wrong, "2", "3")] == found


def test_waiting_for_actions(client: Client, fake_layer: FakeLayer) -> None:
    """`wait_for` returns when there are as many different ones, and says what there is if they do not come."""
    client.create(new_session(), "0", "0", "1")
    fake_layer.wait_for(2, GENEROUS)
    with pytest.raises(AssertionError, match=r"2 of 3 actions.*'create', 201"):
        fake_layer.wait_for(3, 0.05)


def test_reset_makes_it_as_good_as_new(client: Client, fake_layer: FakeLayer) -> None:
    """Switches, sessions, counts and connections are gone."""
    fake_layer.switch(reject=403)
    client.create(new_session(), "0")
    fake_layer.reset()
    found = fake_layer.snapshot()
    assert ({}, [], 0, 0) == (found.sessions, found.requests, found.connections, found.open_connections)
    assert 201 == client.create(new_session()).status_code
