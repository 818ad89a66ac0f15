"""An event loop that records, and measures how late it is: `life_loop.py`."""

from __future__ import annotations

import asyncio
import time

from chaos.life_program import act, begin, tell
from layer_sdk import layer

COUNT = 1000


async def main() -> None:
    """Record at a good pace while another task looks at the clock; flush without holding the loop up."""
    begin()
    lags: list[float] = []

    async def watch() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - start - 0.001)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.3)
    idle = sorted(lags)
    lags.clear()
    for first in range(0, COUNT, 10):
        async with layer.session() as session_id:
            for number in range(first, first + 10):
                act(number, session_id)
        await asyncio.sleep(0.01)
    flushed = await layer.aflush(30)
    watcher.cancel()
    busy = sorted(lags)
    tell(f"flushed {flushed}")
    for name, found in (("idle", idle), ("busy", busy)):
        middle, late = found[len(found) // 2], found[len(found) * 99 // 100]
        tell(f"{name} p50 {middle * 1000:.2f} p99 {late * 1000:.2f} max {found[-1] * 1000:.2f}")
    tell(f"median {busy[len(busy) // 2] * 1000:.3f}")


asyncio.run(main())
