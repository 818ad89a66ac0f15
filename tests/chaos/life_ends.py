"""A host program that records and comes to the end that it is told: `life_ends.py END`. Runs on Python 3.8."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from typing import Any, NoReturn

import requests
from requests.adapters import HTTPAdapter

from chaos.life_program import Clock, act, act_many, begin, tell, tell_drop
from layer_sdk import layer
from layer_sdk.delivery._flights import Flights

COUNT = 40
LATE = 10


def run_off() -> None:
    begin()
    act_many(COUNT)


def fail() -> NoReturn:
    begin()
    act_many(COUNT)
    raise ValueError("the host's own")


def leave() -> NoReturn:
    begin()
    act_many(COUNT)
    sys.exit(3)


def wait_for_the_end() -> NoReturn:
    """Wait in short steps: a signal that comes right before a sleep is seen after it."""
    while True:
        time.sleep(0.05)


def idle() -> None:
    """Wait for a signal."""
    begin()
    act_many(COUNT)
    tell("ready")
    wait_for_the_end()


def idle_with_handler() -> None:
    layer.install_sigterm_handler()
    idle()


def busy() -> None:
    """Record until a signal comes, with SIGTERM handled."""
    layer.install_sigterm_handler()
    clock = Clock()
    atexit.register(clock.tell)
    begin()
    number = 0
    try:
        while True:
            act_many(50, number, lanes=1)
            number += 50
    finally:
        clock.start()


def sent_then_queued() -> None:
    begin()
    act_many(COUNT)
    assert layer.flush(30)
    tell("flushed")
    act_many(COUNT, first=COUNT)


def idle_half_sent() -> None:
    sent_then_queued()
    tell("ready")
    wait_for_the_end()


def cut_off() -> NoReturn:
    sent_then_queued()
    os._exit(7)


def thread_goes_on() -> None:
    """Leave a thread behind that records on its own pace, as a server does whose main thread has nothing to do."""
    begin()
    act(LATE)
    assert layer.flush(30)
    thread_begins_late()


def thread_begins_late() -> None:
    """Have nothing recorded before the main thread has ended: some Pythons let nobody start a thread then."""
    if layer.stats() == {}:
        begin()

    def work() -> None:
        slowest = 0.0
        threading.main_thread().join()  # from here on the interpreter waits for this thread alone
        for number in range(LATE):
            start = time.monotonic()
            act(number)
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.01)
        tell(f"slowest {slowest:.4f}")

    threading.Thread(target=work).start()


def first_in_atexit_before() -> None:
    atexit.register(act_many, COUNT)
    begin()


def first_in_atexit_after() -> None:
    begin()
    atexit.register(act_many, COUNT)


def begun_in_atexit() -> None:
    def late() -> None:
        begin()
        act_many(COUNT)

    atexit.register(late)


def both_in_atexit() -> None:
    """Record in atexit after workers have run, before and behind the SDK's own handler, with flushes between."""
    atexit.register(act_many, 10, first=30)

    begin()
    act_many(20)

    def late() -> None:
        act_many(10, first=20)
        assert layer.flush(10)

    atexit.register(late)


def is_worker(thread: threading.Thread) -> bool:
    return thread.name.startswith("layer-sdk")


def worker_killed() -> None:
    """Have twenty workers die of SystemExit, each in the middle of its turn."""
    begin()
    take = Flights.take
    deaths: list[int] = []

    def dying(self: Flights) -> Any:
        if len(deaths) < 20 and threading.current_thread() is not threading.main_thread():
            deaths.append(1)
            raise SystemExit
        return take(self)

    Flights.take = dying  # type: ignore[method-assign]
    for number in range(COUNT):
        act(number)
        while number < 20 and (len(deaths) <= number or any(map(is_worker, threading.enumerate()))):
            time.sleep(0.001)
    tell(f"deaths {len(deaths)}")


def narrow_session() -> None:
    """Give the SDK a session whose one connection has to be waited for."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1, pool_block=True))
    begin(http_session=session)
    act_many(1, first=1000)
    assert layer.flush(30)  # so that there is a connection, and its pool
    act_many(COUNT)


def without_server() -> None:
    """End while nobody answers; what comes too late is recorded behind the SDK's own handler."""
    clock = Clock()
    atexit.register(clock.tell)
    atexit.register(act_many, 3, first=COUNT, lanes=1)
    begin(shutdown_timeout=float(sys.argv[2]), on_drop=tell_drop)
    act_many(COUNT)
    time.sleep(0.3)  # some are under way
    clock.start()


def main() -> None:
    ENDS[sys.argv[1]]()


ENDS = {
    name: function
    for name, function in list(globals().items())
    if callable(function) and getattr(function, "__module__", "") == "__main__"
}

if __name__ == "__main__":
    main()
