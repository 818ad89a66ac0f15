"""Let chance loose on background delivery for a while: faults come and go, threads record, processes are killed.

Prints its seed, so that a run can be had again, and its figures. Ends with status 1 where a record is missing, came
twice or out of order, a request was repeated with another body, or the account did not balance.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chaos import chaos_faults
from chaos.chaos_host import ChaosHost
from chaos.chaos_proxy import ChaosProxy
from chaos.fake_layer import FakeLayer
from chaos.life_program import SPOOL, URL
from chaos.recorded import balance, recover
from layer_sdk import Layer

ROOT = Path(__file__).resolve().parent.parent
THREADS = 4
KILLS = 10  # a round
RANGE = 10_000_000  # numbers that each thread has for itself
FAULTS = [
    (),
    (chaos_faults.latency(0.05, 0.05),),
    (chaos_faults.bandwidth(200_000),),
    (chaos_faults.swallow_response(0.2), chaos_faults.half_response(0.1)),
    (chaos_faults.reset_after(3000, 0.3),),
    (chaos_faults.black_hole(0.1),),
    (chaos_faults.slow_close(0.1, 0.3),),
    (chaos_faults.refuse(),),
]
ANSWERS: list[dict[str, Any]] = [{}, {"*": {503: 0.3}}, {"*": {429: 0.2, 500: 0.1}}, {"create": {502: 0.5}}]


class Recorders:
    """Threads that record numbered actions, a session of some at a time."""

    def __init__(self, mine: Layer, chance: random.Random) -> None:
        self.recorded = [0] * THREADS
        self._mine = mine
        self._stop = threading.Event()
        seeds = [chance.randrange(10**9) for _ in range(THREADS)]
        self._threads = [threading.Thread(target=self._work, args=(n, seed)) for n, seed in enumerate(seeds)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, and wait for the end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, place: int, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  (a repeatable draw)
        while not self._stop.is_set():
            with self._mine.session():
                for _ in range(chance.randrange(1, 40)):
                    with self._mine.action(kind="embeddings") as action:
                        action.data = {"key": str(place * RANGE + self.recorded[place]), "text": "x" * 500}
                    self.recorded[place] += 1
                    time.sleep(chance.random() * 0.004)

    def numbers(self) -> set[int]:
        """Give what was recorded."""
        return {place * RANGE + number for place, count in enumerate(self.recorded) for number in range(count)}


def main() -> int:
    """Run; the exit status."""
    options = _options()
    print(f"seed {options.seed}: repeat with --seed {options.seed} --seconds {options.seconds}")
    chance = random.Random(options.seed)  # noqa: S311  (a repeatable draw)
    with tempfile.TemporaryDirectory() as folder, FakeLayer(options.seed) as fake, proxy_for(fake) as proxy:
        figures = Trouble(fake, proxy, Path(folder), chance).run(options.seconds)
    print(json.dumps(figures, indent=2))
    bad = ("missing", "twice", "out_of_order", "bodies_changed", "account_wrong", "dropped", "left_on_disk")
    return 1 if any(figures[name] for name in bad) else 0


class Trouble:
    """One run against one fake Layer behind one proxy, in a folder of its own."""

    def __init__(self, fake: FakeLayer, proxy: ChaosProxy, folder: Path, chance: random.Random) -> None:
        self._fake, self._proxy, self._folder, self._chance = fake, proxy, folder, chance
        self._spool = folder / "spool"
        self._mine = Layer()
        self._killed: set[int] = set()
        self._rounds = self._wrong = 0

    def run(self, seconds: float) -> dict[str, Any]:
        """Make trouble for so many seconds, then let everything arrive; the figures."""
        self._fake.switch(duplicate_detection=True)
        self._mine.init(base_url=self._proxy.url, application_id="life", spool_dir=self._spool, http_timeout=1)
        recorders = Recorders(self._mine, self._chance)
        recorders.start()
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._round()
        recorders.stop()
        self._proxy.use()
        self._fake.switch(chances={})
        recover(self._mine)
        stats = self._mine.stats()
        self._mine.shutdown()
        self._recover_rest()
        return self._judge(recorders.numbers() | self._killed, stats)

    def _recover_rest(self) -> None:
        """Take over what those left who were killed after the last look, as the next process does."""
        following = Layer()
        following.init(base_url=self._proxy.url, application_id="life", spool_dir=self._spool)
        recover(following)
        following.shutdown()

    def _round(self) -> None:
        """Change what goes wrong, kill ten processes meanwhile, and look at the account."""
        self._proxy.use(*self._chance.choice(FAULTS))
        self._fake.switch(chances=self._chance.choice(ANSWERS))
        self._rounds += 1
        first = THREADS * RANGE + self._rounds * 1_000_000
        host = ChaosHost(
            ROOT / "tests" / "chaos" / "life_kills.py",
            self._folder / f"host-{self._rounds}",
            arguments=[str(KILLS), str(self._chance.randrange(10**9)), str(first)],
            environment={URL: self._proxy.url, SPOOL: f"always:{self._spool}"},
            paths=(ROOT, ROOT / "generated"),
        )
        with host:
            host.assert_exit(within=50)
            self._killed.update(host.accepted())
        self._wrong += balance(self._mine.stats()) != 0
        time.sleep(self._chance.random() * 2)

    def _judge(self, expected: set[int], stats: dict[str, Any]) -> dict[str, Any]:
        arrived = {int(key) for key in self._fake.keys()}  # noqa: SIM118  (no dict)
        return {
            "accepted": len(expected),
            "arrived": len(arrived),
            "kills": KILLS * self._rounds,
            "requests": stats["requests"],
            "retries": stats["retries"],
            "missing": len(expected - arrived),
            "more": len(arrived - expected),  # of a killed process, one may be written and not yet noted
            "twice": len(self._fake.duplicates()),
            "out_of_order": len(self._fake.order_violations()),
            "bodies_changed": len(self._fake.changed_bodies()),
            "account_wrong": self._wrong,
            "dropped": stats["dropped"],
            "left_on_disk": len(list(self._spool.rglob("*.seg"))),
        }


def proxy_for(fake: FakeLayer) -> ChaosProxy:
    """Make a proxy before a fake Layer."""
    return ChaosProxy(fake.host, fake.port, fake.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
