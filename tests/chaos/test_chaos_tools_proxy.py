"""The chaos proxy does to connections what it was told to, and says what it did."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Iterator

import pytest
import requests

from chaos.chaos_client import Client, dial, insist, new_session, raw, read_all, session
from chaos.chaos_faults import (
    Fault,
    bandwidth,
    black_hole,
    half_response,
    latency,
    refuse,
    reset_after,
    slow_close,
    swallow_response,
)
from chaos.chaos_proxy import ChaosProxy

if TYPE_CHECKING:
    from chaos.fake_layer import FakeLayer

GENEROUS = 10.0  # seconds; guards against hangs, measures nothing
SHORT = 0.3  # seconds to wait for what must not come


@pytest.fixture
def client(chaos_proxy: ChaosProxy) -> Iterator[Client]:
    """A client that talks through the proxy."""
    with Client(chaos_proxy.url) as made:
        yield made


def did(proxy: ChaosProxy) -> list[list[str]]:
    return [exchange.did for exchange in proxy.exchanges()]


def settle(proxy: ChaosProxy, connections: int = 0) -> None:
    """Wait until no more than so many connections are open."""
    gc.collect()  # a closed requests.Session keeps its sockets until its pool is collected
    end = time.monotonic() + GENEROUS
    while proxy.open_connections() > connections and time.monotonic() < end:
        time.sleep(0.005)
    assert connections == proxy.open_connections()


def test_proxy_without_faults_changes_nothing(chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer) -> None:
    """Requests of a kept-alive connection pass, each as an exchange with the bytes that it took."""
    mine = new_session()
    assert [201, 202] == [client.create(mine, "0").status_code, client.append(mine, "1").status_code]
    assert {mine: ["0", "1"]} == fake_layer.keys_by_session()
    assert {"connections": 1, "exchanges": 2} == chaos_proxy.counts()
    assert [(1, 1, []), (1, 2, [])] == [(each.connection, each.number, each.did) for each in chaos_proxy.exchanges()]
    assert all(each.sent > 100 and each.received > 50 for each in chaos_proxy.exchanges())


def test_large_bodies_pass_whole(client: Client, fake_layer: FakeLayer) -> None:
    """A request of many chunks arrives as it was sent."""
    keys = [str(number) for number in range(20_000)]
    mine = new_session()
    assert 201 == client.create(mine, *keys).status_code
    assert keys == fake_layer.keys()


def test_latency_holds_each_exchange_back(chaos_proxy: ChaosProxy, client: Client) -> None:
    """No answer comes before the time is over, jitter taken off."""
    chaos_proxy.use(latency(0.15, jitter=0.05))
    mine = new_session()
    start = time.monotonic()
    client.create(mine)
    client.append(mine, "0")
    assert 0.2 <= time.monotonic() - start < GENEROUS
    assert [["latency"], ["latency"]] == did(chaos_proxy)


def test_bandwidth_lets_bytes_trickle(chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer) -> None:
    """A body takes the time that its bytes need at that rate, and arrives whole."""
    chaos_proxy.use(bandwidth(100_000))
    start = time.monotonic()
    assert 201 == client.create(new_session(), "k" * 30_000).status_code
    assert 0.25 <= time.monotonic() - start < GENEROUS
    assert ["k" * 30_000] == fake_layer.keys()
    assert 1 == chaos_proxy.counts()["bandwidth"]


@pytest.mark.parametrize(
    ("count", "whole", "arrived"),
    [(0, 0, 0), (40, 0, 0), (0, 1, 1), (20, 1, 1)],
    ids=["before the request", "within the request", "before the response", "within the response"],
)
def test_reset_after_so_many_bytes(
    chaos_proxy: ChaosProxy, fake_layer: FakeLayer, count: int, whole: int, arrived: int
) -> None:
    """When so many bytes of request and response have passed, the client sees a reset and not an end."""
    request = raw("/v1/sessions", session(new_session(), "0"))
    limit = count + whole * len(request)
    chaos_proxy.use(reset_after(limit))
    with dial(chaos_proxy.port) as sock:
        sock.sendall(request)
        found, end = read_all(sock)
    settle(chaos_proxy)
    assert ("reset", arrived) == (end, fake_layer.count())
    assert len(found) <= count
    assert [(["reset_after"], limit)] == [(each.did, each.sent + each.received) for each in chaos_proxy.exchanges()]


def test_black_hole_accepts_and_says_nothing(chaos_proxy: ChaosProxy, fake_layer: FakeLayer) -> None:
    """Connecting works, sending works, and nothing comes back or arrives; once healed, new connections work."""
    chaos_proxy.use(black_hole())
    with dial(chaos_proxy.port, SHORT) as sock:
        sock.sendall(raw("/v1/sessions", session(new_session(), "0")))
        assert (b"", "silent") == read_all(sock)
    chaos_proxy.use()
    with Client(chaos_proxy.url) as client:
        assert 201 == client.create(new_session(), "1").status_code
    assert ["1"] == fake_layer.keys()
    assert 1 == chaos_proxy.counts()["black_hole"]


def test_black_hole_takes_open_connections_too(chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer) -> None:
    """A kept-alive connection falls in with its next request."""
    mine = new_session()
    client.create(mine, "0")
    chaos_proxy.use(black_hole())
    with pytest.raises(requests.ReadTimeout):
        client.append(mine, "1", timeout=SHORT)
    assert ["0"] == fake_layer.keys()
    assert [[], ["black_hole"]] == did(chaos_proxy)


@pytest.mark.parametrize("cut", [True, False])
def test_refuse_closes_the_door(chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer, *, cut: bool) -> None:
    """Connecting is refused; open connections are reset, or left alone; later the same port works again."""
    mine = new_session()
    client.create(mine, "0")
    chaos_proxy.use(refuse(cut=cut))
    with pytest.raises(ConnectionRefusedError):
        dial(chaos_proxy.port)
    if cut:
        with pytest.raises(requests.ConnectionError):
            client.append(mine, "1")
    else:
        assert 202 == client.append(mine, "1").status_code
    chaos_proxy.use()
    assert 202 == client.append(mine, "2").status_code
    assert (["0", "2"] if cut else ["0", "1", "2"]) == fake_layer.keys()
    assert (2 if cut else 1, 1) == (chaos_proxy.counts()["connections"], chaos_proxy.counts()["refuse"])


def test_swallowed_response_leaves_the_client_in_doubt(
    chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer
) -> None:
    """The server carries the request out; the client gets not a byte, and an end."""
    chaos_proxy.use(swallow_response())
    with pytest.raises(requests.ConnectionError):
        client.create(new_session(), "0")
    with dial(chaos_proxy.port) as sock:
        sock.sendall(raw("/v1/sessions", session(new_session(), "1")))
        assert (b"", "closed") == read_all(sock)
    assert ["0", "1"] == fake_layer.keys()
    assert [["swallow_response"], ["swallow_response"]] == did(chaos_proxy)


def test_half_response_breaks_off_in_the_body(chaos_proxy: ChaosProxy, client: Client, fake_layer: FakeLayer) -> None:
    """The head comes whole, the body in part, and a client that counts notices."""
    chaos_proxy.use(half_response())
    with dial(chaos_proxy.port) as sock:
        sock.sendall(raw("/v1/sessions", session(new_session(), "0")))
        found, end = read_all(sock)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    assert ("closed", length // 2) == (end, len(body))
    with pytest.raises(requests.RequestException):
        client.create(new_session(), "1")
    assert ["0", "1"] == fake_layer.keys()


def test_slow_close_loses_what_comes_after_the_response(chaos_proxy: ChaosProxy, fake_layer: FakeLayer) -> None:
    """The response is whole; the next request on the connection reaches nobody; then the connection ends."""
    chaos_proxy.use(slow_close(0.2))
    with dial(chaos_proxy.port) as sock:
        sock.sendall(raw("/v1/sessions", session(new_session(), "0")))
        assert sock.recv(65536).startswith(b"HTTP/1.1 201 ")
        sock.sendall(raw("/v1/sessions", session(new_session(), "1")))
        assert (b"", "closed") == read_all(sock)
    assert ["0"] == fake_layer.keys()
    assert [["slow_close"]] == did(chaos_proxy)


def test_a_missing_server_is_on_record(seed: int) -> None:
    """Where nobody listens behind the proxy, the client is reset, and the count says why."""
    with ChaosProxy("127.0.0.1", 1, seed) as proxy:
        with pytest.raises(ConnectionResetError), dial(
            proxy.port
        ) as sock:  # as early as in connecting, on a busy machine
            sock.recv(1)
        settle(proxy)
        assert {"connections": 1, "no_server": 1} == proxy.counts()


def test_the_same_seed_has_the_same_faults(fake_layer: FakeLayer, seed: int) -> None:
    """Two proxies with one seed do the same to the same traffic; with another seed it differs."""

    def fates(chosen: int) -> list[list[str]]:
        with ChaosProxy(fake_layer.host, fake_layer.port, chosen) as proxy, Client(proxy.url) as client:
            proxy.use(latency(0.0, probability=0.5), swallow_response(0.2), half_response(0.2))
            for _ in range(60):
                with suppress(requests.RequestException):
                    client.create(new_session())
            return did(proxy)

    first, again, other = fates(seed), fates(seed), fates(seed + 1)
    assert first == again
    assert first != other
    kinds = Counter(kind for each in first for kind in each)
    assert all(0 < kinds[kind] < 60 for kind in ("latency", "swallow_response", "half_response"))
    assert not any({"swallow_response", "half_response"} <= set(each) for each in first)


def test_the_first_fault_that_hits_is_the_only_one(chaos_proxy: ChaosProxy, client: Client) -> None:
    """Latency and bandwidth add to it; of the others, those that come later in the list have no part."""
    chaos_proxy.use(half_response(), latency(0.0), swallow_response())
    with pytest.raises(requests.RequestException):
        client.create(new_session())
    assert [["latency", "half_response"]] == did(chaos_proxy)


def test_schedule_follows_its_plan(chaos_proxy: ChaosProxy) -> None:
    """Faults come into force one after the other, and the last one stays."""
    chaos_proxy.schedule([(0.3, None), (0.0, refuse()), (0.6, [latency(0.01), refuse()])], jitter=0.02)
    _wait_until(chaos_proxy, is_refused=True)
    _wait_until(chaos_proxy, is_refused=False)
    chaos_proxy.wait_for_schedule(GENEROUS)
    with pytest.raises(ConnectionRefusedError):
        dial(chaos_proxy.port)


def _wait_until(proxy: ChaosProxy, *, is_refused: bool) -> None:
    end = time.monotonic() + GENEROUS
    while time.monotonic() < end:
        try:
            dial(proxy.port).close()
        except (ConnectionRefusedError, ConnectionResetError):
            if is_refused:
                return
        else:
            if not is_refused:
                return
        time.sleep(0.005)
    raise AssertionError("the schedule does not do what it says")


def test_use_ends_a_schedule(chaos_proxy: ChaosProxy, client: Client) -> None:
    """What is put in force by hand stays in force."""
    chaos_proxy.schedule([(0.1, refuse())])
    chaos_proxy.use()
    time.sleep(0.2)
    assert 201 == client.create(new_session()).status_code


FAULTS: list[tuple[Fault, ...]] = [
    (),
    (refuse(),),
    (swallow_response(0.3), latency(0.002, 0.002)),
    (reset_after(0, 0.3),),
    (reset_after(300, 0.3), bandwidth(1_000_000, 0.5)),
    (half_response(0.3),),
    (slow_close(0.01, 0.3),),
    (refuse(cut=False),),
]


def test_faults_switch_while_traffic_runs(chaos_proxy: ChaosProxy, fake_layer: FakeLayer) -> None:
    """Clients that try again get everything through, whatever comes into force meanwhile."""
    fake_layer.switch(duplicate_detection=True)
    sessions = [new_session() for _ in range(4)]
    threads = [threading.Thread(target=insist, args=(chaos_proxy.url, each, 100)) for each in sessions]
    for thread in threads:
        thread.start()
    for _ in range(3):
        for faults in FAULTS:
            chaos_proxy.use(*faults)
            time.sleep(0.03)
    chaos_proxy.use()
    for thread in threads:
        thread.join(60)
    assert {each: [str(number) for number in range(100)] for each in sessions} == fake_layer.keys_by_session()
    assert ([], {}, {}) == (fake_layer.order_violations(), fake_layer.duplicates(), fake_layer.changed_bodies())
    settle(chaos_proxy)
