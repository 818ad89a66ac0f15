"""A host program that forks in the way that it is told: `life_forks.py WAY`. Runs on Python 3.8.

The numbers of children begin at CHILD, those of threads at THREAD and multiples of it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from typing import Any, Callable

import requests

from chaos.life_program import URL, act, act_many, begin, tell
from layer_sdk import _fork, layer

CHILD = 1_000_000
THREAD = 10_000_000
FORKS = int(os.environ.get("LIFE_FORKS", "300"))
THREADS = 4
AT_ONCE = 6
HANG = 20  # seconds after which a child that has not ended hangs

warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)


def child(work: Callable[[], None], *, skips_python: bool = True, fork: Callable[[], int] = os.fork) -> int:
    """Fork a child that does this and ends; its id. One that hangs dies of SIGALRM."""
    pid = fork()
    if pid:
        return pid
    faulthandler.register(signal.SIGALRM, chain=True)  # shows where it hangs, and lets it die
    signal.alarm(HANG)
    work()
    if skips_python:
        os._exit(0 if layer.flush(HANG) else 9)
    sys.exit(0)


def reap(children: list[int], most: int = 0) -> list[int]:
    """Wait until so many children are left; the statuses of those that ended otherwise than with 0."""
    bad = []
    while len(children) > most:
        _, status = os.waitpid(children.pop(0), 0)
        if status:
            bad.append(status)
    return bad


def storm() -> None:
    """Fork again and again while threads record and another one flushes."""
    begin()
    ended = threading.Event()

    def hammer(first: int) -> None:
        while not ended.is_set():
            act_many(20, first, lanes=1)
            first += 20
            time.sleep(0.1)

    def flush() -> None:
        while not ended.is_set():
            layer.flush(1)

    threads = [threading.Thread(target=hammer, args=(THREAD * place,)) for place in range(1, THREADS + 1)]
    threads.append(threading.Thread(target=flush))
    for thread in threads:
        thread.start()
    children: list[int] = []
    bad: list[int] = []
    for number in range(FORKS):
        children.append(child(lambda: act(CHILD + number), skips_python=bool(number % 3)))  # noqa: B023
        bad += reap(children, AT_ONCE - 1)
    bad += reap(children)
    ended.set()
    for thread in threads:
        thread.join()
    tell(f"bad {bad}")
    assert layer.flush(HANG)
    stats = layer.stats()
    tell(f"left {stats['accepted'] - stats['sent']}")


def in_flight() -> None:
    """Fork while a request is on its way, and go on with the same session on both sides."""
    session = requests.Session()
    begin(http_session=session)
    act(0)
    assert layer.flush(HANG)  # there is a connection in the pool
    children = []
    for number in range(10):
        act(number + 1)
        time.sleep(0.15)  # its request is on its way: the server takes its time

        def work() -> None:
            act(CHILD + number)  # noqa: B023
            assert session.get(os.environ[URL] + "/v1/applications", timeout=20).ok
            assert layer.flush(HANG)
            tell(f"child {sorted(_ports(session))}")

        children.append(child(work))
        assert session.get(os.environ[URL] + "/v1/applications", timeout=20).ok
    tell(f"bad {reap(children)}")
    assert layer.flush(HANG)
    tell(f"parent {sorted(_ports(session))}")


def _ports(session: requests.Session) -> set[int]:
    """Give the local ports of the connections that lie in a session's pools."""
    pools: Any = session.get_adapter("http://").poolmanager.pools  # type: ignore[attr-defined]
    found = [connection for pool in pools._container.values() for connection in list(pool.pool.queue)]
    return {each.sock.getsockname()[1] for each in found if each is not None and each.sock is not None}


def nested() -> None:
    """Have children that have children of their own, each recording before and after."""
    begin()
    act(0)

    def generation(depth: int) -> None:
        act(CHILD * depth)
        if depth < 4:
            bad = reap([child(lambda: generation(depth + 1), skips_python=bool(depth % 2))])
            assert [] == bad
        act(CHILD * depth + 1)

    tell(f"bad {reap([child(lambda: generation(1), skips_python=False)])}")
    act(1)


def behind_python() -> None:
    """Fork so that no hook of Python's runs, as uWSGI does."""
    libc: Any = ctypes.PyDLL(None)  # keeps the interpreter's lock: nobody else's child gets it
    begin()
    act(0)
    assert layer.flush(HANG)
    children = []
    for number in range(10):
        assert layer.flush(HANG)
        act(number + 1)  # it lingers while the fork happens
        time.sleep(
            0.03
        )  # no thread waits for the interpreter's lock now: without the hooks, a child would inherit that

        def work() -> None:
            assert layer.flush(1)  # what waits is not ours
            assert layer.stats()["accepted"] == 0
            act(CHILD + number)  # noqa: B023

        children.append(child(work, fork=libc.fork))
    tell(f"bad {reap(children)}")


def behind_python_and_idle() -> None:
    """The same, and the children come to Python's end with nothing recorded."""
    libc: Any = ctypes.PyDLL(None)
    faulthandler.cancel_dump_traceback_later()  # a child at its end waits for the thread of this, which it has not
    begin()
    act(0)
    start = time.monotonic()
    tell(f"bad {reap([child(lambda: None, skips_python=False, fork=libc.fork)])}")
    tell(f"took {time.monotonic() - start:.3f}")


class Watcher:
    """Sees which modules the SDK's workers import where a fork would not wait for them."""

    def find_spec(self, name: str, *_: object) -> None:
        """Find nothing, and tell if a worker asks."""
        if threading.current_thread().name.startswith("layer-sdk") and threading.get_ident() not in _fork._importing:
            tell(f"imported {name!r}")


def imports() -> None:
    """Have workers send, be refused, and give up."""
    begin()
    sys.meta_path.insert(0, Watcher())
    act_many(10)
    assert layer.flush(HANG)
    tell("flushed True")


class Brake:
    """Takes its time over the first module that the SDK's workers import."""

    def __init__(self) -> None:
        self.reached = threading.Event()

    def find_spec(self, *_: object) -> None:
        """Find nothing, late."""
        if threading.current_thread().name.startswith("layer-sdk") and not self.reached.is_set():
            self.reached.set()
            time.sleep(0.5)


def while_loading() -> None:
    """Fork while a worker imports what it sends with."""
    begin()
    brake = Brake()
    sys.meta_path.insert(0, brake)
    act(0)
    tell(f"loading {brake.reached.wait(HANG)}")
    tell(f"bad {reap([child(lambda: act(CHILD)), child(lambda: act(CHILD + 1), skips_python=False)])}")


# ---- multiprocessing


def begin_there() -> None:
    if not layer.stats():
        begin()


def in_process(number: int) -> None:
    begin_there()
    act(CHILD + number)


def in_process_that_leaves(number: int) -> None:
    in_process(number)
    sys.exit(0)


def in_process_with_a_thread(number: int) -> None:
    """Leave a thread behind that records after the process's own finalizers have run."""
    begin_there()

    def late() -> None:
        time.sleep(0.3)
        act(CHILD + number)

    threading.Thread(target=late).start()


def in_pool(number: int) -> int:
    act(CHILD * 2 + number)
    return number


def processes() -> None:
    """Use multiprocessing with the start method that is told."""
    context: Any = multiprocessing.get_context(sys.argv[2])
    begin()
    act_many(10)
    targets = [in_process, in_process_that_leaves, in_process_with_a_thread]
    started = [context.Process(target=target, args=(number,)) for number, target in enumerate(targets)]
    for each in started:
        each.start()
    for each in started:
        each.join(HANG)
    tell(f"bad {[each.exitcode for each in started if each.exitcode]}")
    pool = context.Pool(2, begin_there)
    pool.map(in_pool, range(20))
    pool.close()
    pool.join()
    act(10)


WAYS = {
    way.__name__: way
    for way in (storm, in_flight, nested, behind_python, behind_python_and_idle, imports, while_loading, processes)
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
