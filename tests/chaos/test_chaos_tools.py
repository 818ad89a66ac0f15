"""The chaos tools together: nothing of them stays behind, they end with the test process, and how fast they are."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

import pytest
import requests

from chaos.chaos_client import Client, dial, insist, new_session, read_all
from chaos.chaos_faults import black_hole, latency, refuse, slow_close, swallow_response
from chaos.chaos_proxy import ChaosProxy
from chaos.fake_layer import FakeLayer

if TYPE_CHECKING:
    from chaos.conftest import MakeHost

GENEROUS = 30.0  # seconds; guards against hangs, measures nothing
PROC = Path("/proc/self")
needs_proc = pytest.mark.skipif(not PROC.exists(), reason="looks into /proc")


def belongings() -> tuple[list[str], list[int], list[str]]:
    """Give what this process has: open files, children (zombies too), threads."""
    gc.collect()
    return sorted(files()), children(), sorted(thread.name for thread in threading.enumerate())


def files() -> Iterator[str]:
    for each in (PROC / "fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile, as that of the list itself
            yield f"{each.name} {os.readlink(each)}"


def children() -> list[int]:
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = each.read_text("ascii", "replace").rpartition(")")[2].split()[1]
        except OSError:
            continue  # it ended meanwhile
        if os.getpid() == int(parent):
            found.append(int(each.parent.name))
    return sorted(found)


@needs_proc
def test_nothing_stays_behind(host: MakeHost, seed: int) -> None:
    """After traffic, faults and a kill there are the same threads, files and processes as before."""
    before = belongings()
    with FakeLayer(seed) as fake, ChaosProxy(fake.host, fake.port, seed) as proxy:
        _make_a_mess(fake, proxy)
        with host("import time; from chaos.chaos_guest import accepted; accepted.note(1); time.sleep(60)") as process:
            process.strike(low=0.0, high=0.01)
            process.wait(GENEROUS)
        assert before != belongings()
    assert before == belongings()
    for port in (fake.port, proxy.port):
        with pytest.raises(ConnectionRefusedError):
            dial(port)


def _make_a_mess(fake: FakeLayer, proxy: ChaosProxy) -> None:
    """Leave connections behind in every state there is, a delayed answer, and a schedule that is not through."""
    with Client(proxy.url) as client:
        client.create(new_session())
        for fault in (latency(30.0), swallow_response(), black_hole()):
            proxy.use(fault)
            with pytest.raises(requests.RequestException):
                client.create(new_session(), timeout=0.1)
        proxy.use(slow_close(30.0))
        client.create(new_session())
    fake.switch(delay=30.0)
    for port in (fake.port, proxy.port):
        with pytest.raises(requests.ReadTimeout), Client(f"http://127.0.0.1:{port}") as client:
            client.create(new_session(), timeout=0.1)
    proxy.schedule([(0.0, refuse(cut=False)), (60.0, None)])


@needs_proc
def test_tools_that_are_not_used_leave_nothing(seed: int) -> None:
    """Starting and stopping at once is fine, also while connections come in."""
    before = belongings()
    with FakeLayer(seed) as fake:
        for _ in range(20):
            with ChaosProxy(fake.host, fake.port, seed) as proxy:
                sockets = [dial(proxy.port) for _ in range(5)]
            for sock in sockets:
                sock.close()
    assert before == belongings()


@needs_proc
@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a child that holds the channel"])
def test_the_fake_ends_with_its_test(host: MakeHost, *, forks: bool) -> None:
    """Where the test process is killed, the fake Layer does not live on."""
    process = host(f"""
import os, time
from chaos.fake_layer import FakeLayer
with FakeLayer() as fake:
    if {forks} and os.fork() == 0:
        time.sleep(60)
    print(fake.pid, flush=True)
    time.sleep(60)
""")
    process.wait_printed("\n")
    pid = int(process.stdout)
    assert Path(f"/proc/{pid}").exists()
    process.send(signal.SIGKILL)
    process.wait(GENEROUS)
    _wait_until(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + GENEROUS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_mistake_of_the_proxy_is_raised(fake_layer: FakeLayer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in the proxy's thread does not go unnoticed."""
    monkeypatch.setattr("chaos.chaos_link.seeded", lambda *_: 1 / 0)
    proxy = ChaosProxy(fake_layer.host, fake_layer.port)
    with pytest.raises(ZeroDivisionError), proxy, dial(proxy.port) as sock:
        assert "closed" == read_all(sock)[1]


def test_switches_change_while_traffic_runs(fake_layer: FakeLayer, seed: int) -> None:
    """Clients that try again get everything through, once and in order, whatever is switched meanwhile."""
    fake_layer.switch(duplicate_detection=True)
    sessions = [new_session() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(insist, fake_layer.url, each, 100) for each in sessions]
        for name in ("drop_after_read", "drop_before_read", "half_body", "reset") * 3:
            fake_layer.switch(chances={"*": {503: 0.2, 429: 0.2}}, delay=0.001, **{name: 0.3})
            time.sleep(0.03)
            fake_layer.switch(**{name: 0.0})
        fake_layer.switch(chances={}, delay=0.0)
        assert [None] * 4 == [each.result(GENEROUS) for each in done]
    fake_layer.wait_for(400, GENEROUS)
    assert {each: [str(number) for number in range(100)] for each in sessions} == fake_layer.keys_by_session()
    assert ({}, [], {}) == (fake_layer.duplicates(), fake_layer.order_violations(), fake_layer.changed_bodies())
    assert 1 == fake_layer.most_in_flight()


LOAD = """
import sys
from chaos.chaos_client import action, dial, new_session, raw, session
mine, count = new_session(), int(sys.argv[2])
appends = [raw(f"/v1/sessions/{mine}/actions", action(str(n), text="x" * 2000), f"{mine}-{n}") for n in range(count)]
with dial(int(sys.argv[1])) as sock:
    for request in [raw("/v1/sessions", session(mine)), *appends]:
        sock.sendall(request)
        assert sock.recv(65536).startswith(b"HTTP/1.1 20")
"""


@pytest.mark.parametrize("through", ["fake Layer", "chaos proxy"])
def test_throughput(
    host: MakeHost, fake_layer: FakeLayer, chaos_proxy: ChaosProxy, capsys: pytest.CaptureFixture[str], through: str
) -> None:
    """Four clients with 2 KB actions: how many requests a second there are is printed, nothing is asserted of it."""
    port = fake_layer.port if through == "fake Layer" else chaos_proxy.port
    clients = [host(LOAD, arguments=[str(port), "2000"]) for _ in range(4)]
    for client in clients:
        client.assert_exit(GENEROUS)
    found = fake_layer.requests()
    rate = len(found) / (found[-1].ended - min(each.began for each in found))
    with capsys.disabled():
        sys.stdout.write(f"\n{through}: {rate:.0f} requests/s on {os.cpu_count()} cores, clients included\n")
    assert (8000, {}, []) == (fake_layer.count(), fake_layer.duplicates(), fake_layer.order_violations())
    assert {("create", 201): 4, ("append", 202): 8000} == fake_layer.snapshot().counts
