"""Record a million actions in forty thousand sessions against a Layer that fails, loses answers and is slow.

Prints its seed and figures, and ends with status 1 where an order was broken, something is missing, the account does
not balance, or memory grew beyond its bound. `--records` and `--sessions` make it shorter.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chaos.fake_layer import FakeLayer
from layer_sdk import Layer

BUDGET = 64 * 1024 * 1024
TEXT = "x" * 2000
FAILING, LOST, DELAY = 0.05, 0.01, 0.002


def main() -> int:
    """Run; the exit status."""
    options = _options()
    with FakeLayer(options.seed) as fake:
        fake.switch(chances={"*": {503: FAILING}}, drop_after_read=LOST, duplicate_detection=True, delay=DELAY)
        mine = Layer()
        mine.init(base_url=fake.url, application_id="soak", max_queue_bytes=BUDGET, overflow="block")
        engine: Any = mine._parts.sink  # type: ignore[union-attr]  # noqa: SLF001
        engine._limits = engine._limits._replace(block_timeout=600.0)  # noqa: SLF001
        base = resident()
        began = time.monotonic()
        wrong = record(mine, options.records, options.sessions, random.Random(options.seed))  # noqa: S311
        is_flushed = mine.flush(600)
        took = time.monotonic() - began
        grown = resident() - base
        stats = mine.stats()
        mine.shutdown()
        figures = {
            "seed": options.seed,
            "seconds": round(took, 1),
            "accepted": stats["accepted"],
            "sent": stats["sent"],
            "requests": stats["requests"],
            "retries": stats["retries"],
            "arrived": fake.count(),
            "order violations": len(fake.order_violations()),
            "carried out twice": len(fake.duplicates()),
            "account wrong": wrong,
            "grown MiB": round(grown / 2**20, 1),
        }
    print(json.dumps(figures, indent=2))
    is_right = is_flushed and not wrong and not figures["order violations"] and not figures["carried out twice"]
    return 0 if is_right and figures["arrived"] == options.records and grown < 1.5 * BUDGET else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    return parser.parse_args()


def record(mine: Layer, records: int, sessions: int, chance: random.Random) -> int:
    """Record in a random order of sessions, a burst at a time; how often the account did not balance."""
    parts = mine._parts  # noqa: SLF001  (what decorators and instrumentation call)
    assert parts is not None
    from uuid import UUID

    each = records // sessions
    wrong = 0
    for _ in range(sessions):
        session_id = UUID(mine.create_session(wait=False))
        for number in range(each):
            parts.recorder.append(session_id, kind="embeddings", data={"key": str(number), "text": TEXT})
        if chance.random() < 0.01:
            stats = mine.stats()
            ended = stats["sent"] + stats["dead_lettered"] + sum(stats["dropped"].values())
            wrong += stats["accepted"] != stats["queued"] + stats["in_flight"] + ended
    return wrong


def resident() -> int:
    """Give the most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())
