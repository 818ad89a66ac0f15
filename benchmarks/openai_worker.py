"""A process with an OpenAI client, plain or instrumented: makes calls in blocks when told to, and says what they took.

Run by workers.py in the environment of a peer. Orders come as lines of JSON on the standard input, answers go out the
same way; the process ends with the input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Callable, Iterator

from calls import Calls
from peers import Peer, prepared


class Blocks:
    """Makes blocks of calls.

    Args:
        calls: What can be called.
        peer: What watches.
    """

    def __init__(self, calls: Calls, peer: Peer) -> None:
        self._calls = calls
        self._peer = peer
        self._loop = asyncio.new_event_loop()
        self._pools: dict[int, ThreadPoolExecutor] = {}

    def block(self, order: dict[str, Any]) -> dict[str, Any]:
        """Make a block of calls, and let what they set off come to its end; the processor's time is that of both."""
        began, cpu = time.perf_counter_ns(), time.process_time_ns()
        times, failed = self._made(order)
        made = time.perf_counter_ns()
        if order["is_flushed"]:
            self._peer.flush()
        ended = time.perf_counter_ns()
        return {
            "times": times,
            "failed": failed,
            "wall": made - began,
            "flush": ended - made,
            "cpu": time.process_time_ns() - cpu,
            "memory": memory("VmRSS"),
            "peak": memory("VmHWM"),
            "threads": threading.active_count(),
        }

    def _made(self, order: dict[str, Any]) -> tuple[list[int], int]:
        if order["tasks"]:
            return self._loop.run_until_complete(self._in_tasks(order)), 0
        if order["threads"]:
            return self._in_threads(order), 0
        with self._session(is_wanted=order["session"] == "one") as options:
            return self._in_a_row(order, options)

    @contextmanager
    def _session(self, *, is_wanted: bool = True) -> Iterator[dict[str, Any]]:
        if not is_wanted:
            yield {}
            return
        with self._peer.session() as given:
            yield given if isinstance(given, dict) else {}

    def _in_a_row(self, order: dict[str, Any], options: dict[str, Any]) -> tuple[list[int], int]:
        call, each = self._calls.named(order["call"]), order["session"] == "each"
        times: list[int] = []
        failed = 0
        end = time.perf_counter() + order["seconds"]
        for number in range(order["calls"]):
            began = time.perf_counter_ns()
            try:
                if each:
                    with self._session() as mine:
                        call(number, mine)
                else:
                    call(number, options)
            except Exception:  # noqa: BLE001 (with the sink away, what watches may raise into the call)
                failed += 1
            times.append(time.perf_counter_ns() - began)
            if time.perf_counter() > end:
                break
        return times, failed

    async def _in_tasks(self, order: dict[str, Any]) -> list[int]:
        call, numbers = self._calls.awaited(order["call"]), iter(range(order["calls"]))
        times: list[int] = []

        async def some() -> None:
            for number in numbers:
                began = time.perf_counter_ns()
                await call(number, {})
                times.append(time.perf_counter_ns() - began)

        await asyncio.gather(*[some() for _ in range(order["tasks"])])
        return times

    def _in_threads(self, order: dict[str, Any]) -> list[int]:
        count: int = order["threads"]
        pool = self._pools.setdefault(count, ThreadPoolExecutor(count))
        call: Callable[..., object] = self._calls.named(order["call"])

        def some(first: int) -> list[int]:
            times = []
            for number in range(first, order["calls"], count):
                began = time.perf_counter_ns()
                call(number, {})
                times.append(time.perf_counter_ns() - began)
            return times

        return [each for times in pool.map(some, range(count)) for each in times]


def memory(name: str) -> int:
    """Read what the process has of memory, in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def main() -> None:
    """Start what instruments, then follow orders."""
    name, openai_url, sink_url = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a peer prints is no answer
    module = prepared(name)
    peer = module.start(f"{sink_url}/{name}")
    blocks = Blocks(Calls(openai_url, peer.wrapped), peer)
    print(json.dumps({name: version(name) for name in module.PACKAGES}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(blocks.block(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
