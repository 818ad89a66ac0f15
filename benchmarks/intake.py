"""What recording costs the host, as ratios measured side by side in one run.

Intake in memory and with the write-ahead spool, beside `json.dumps` of the same 2 KB action and beside
`queue.Queue.put`; and the 99th percentile of an instrumented function with a healthy and with a black-holed server.
A script: with `--json` it prints rows for the report.
"""

from __future__ import annotations

import json
import queue
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator
from uuid import UUID

from layer_sdk import Layer

ROUNDS = 60
CALLS = 200
DATA: dict[str, Any] = {"messages": [{"role": "user", "content": "Where is my order? " * 110}]}
ATTRIBUTES = {"model.id": "gpt-4o-mini"}
WHOLE = {
    "kind": "completion_prompt",
    "start_time": "2026-03-02T09:30:00.000000Z",
    "end_time": "2026-03-02T09:30:00.000000Z",
    "attributes": ATTRIBUTES,
    "data": DATA,
}


def main() -> None:
    """Measure and print."""
    with socket.socket() as hole, tempfile.TemporaryDirectory() as folder:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        url = f"http://127.0.0.1:{hole.getsockname()[1]}"
        costs, waits = intake(url, folder), black_hole(url)
    if "--json" in sys.argv:
        rows = [{"intake": name, "cost": cost, "dumps": costs["json.dumps"]} for name, cost in costs.items()]
        print(json.dumps([*rows, waits]))
    else:
        report(costs, waits)


def intake(url: str, folder: str) -> dict[str, float]:
    """Measure recording, with and without a spool, beside what plain Python takes."""
    memory, spooled = _layer(url), _layer(url, spool_dir=Path(folder) / "spool")
    waiting: queue.Queue[object] = queue.Queue()
    costs = side_by_side(
        {
            "json.dumps": lambda: json.dumps(WHOLE),
            "queue.Queue.put": lambda: waiting.put(WHOLE),
            "intake": recording(memory),
            "intake with spool": recording(spooled),
        }
    )
    for mine in (memory, spooled):
        mine.shutdown(0.01)
    return costs


def _layer(url: str, **options: Any) -> Layer:
    mine = Layer()
    mine.init(base_url=url, application_id="bench", max_queue_bytes=1 << 40, http_timeout=60, **options)
    return mine


def recording(mine: Layer) -> Callable[[], object]:
    """Make a call of the recorder with a session that exists already."""
    session_id = mine.create_session(wait=False)
    parts = mine._parts  # noqa: SLF001  (what decorators and instrumentation call)
    assert parts is not None
    found, append = UUID(session_id), parts.recorder.append
    return lambda: append(found, kind="completion_prompt", attributes=ATTRIBUTES, data=DATA)


def side_by_side(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Take turns in short blocks; the median block of each, in microseconds a call."""
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                call()
            blocks[name].append((time.perf_counter() - began) / CALLS * 1e6)
    return {name: statistics.median(values) for name, values in blocks.items()}


def report(costs: dict[str, float], waits: dict[str, float]) -> None:
    """Print each cost and its ratio to `json.dumps`, and how a function fares without a server."""
    for name, cost in costs.items():
        print(f"{name:18} {cost:7.2f} us   {cost / costs['json.dumps']:5.2f} x json.dumps")
    healthy, hole = waits["healthy"], waits["black hole"]
    print(f"p99 of a call      {healthy:7.2f} us healthy, {hole:7.2f} us black hole   ratio {hole / healthy:.2f}")
    print(f"shutdown(1.0) with a black-holed server took {waits['shutdown']:.2f} s")


def black_hole(url: str) -> dict[str, float]:
    """Compare what a decorated function costs with a healthy and with a black-holed server."""
    with healthy_server() as healthy:
        layers = {"healthy": _layer(healthy), "black hole": _layer(url)}
        functions = {name: mine.action(kind="embeddings")(answer) for name, mine in layers.items()}
        times: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(3000):
            for name, function in functions.items():
                began = time.perf_counter()
                function()
                times[name].append(time.perf_counter() - began)
                time.sleep(0.001)  # what the call set off is not to fall into the next one
        p99 = {name: statistics.quantiles(values, n=100)[98] * 1e6 for name, values in times.items()}
        began = time.perf_counter()
        layers["black hole"].shutdown(1.0)
        ended = time.perf_counter() - began
        layers["healthy"].shutdown()
    return {**p99, "shutdown": ended}


def answer() -> dict[str, Any]:
    """Be the instrumented function."""
    return DATA


@contextmanager
def healthy_server() -> Iterator[str]:
    """Run an embedded Layer in a process of its own; its address."""
    command = [sys.executable, "-m", "layer_sdk", "dev", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()


if __name__ == "__main__":
    main()
