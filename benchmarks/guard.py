"""A guard against regressions: the instructions of capture, enqueue, serialise and send against committed budgets.

They are counted by callgrind, so that how busy the machine is does not matter. `--rewrite` makes the budgets what is
measured now. Budgets differ by interpreter and processor; where there are none, all is measured and nothing fails.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Callable, NamedTuple

from environments import interpreter, variables
from figures import table
from servers import counted, running

WORK = Path(__file__).with_name("guard_work.py")
BUDGETS = Path(__file__).with_name("budgets.json")
ALLOWED = 1.15
TRIES = 5
SETTLED = {"PYTHONHASHSEED": "0"}  # or dicts would be searched for longer in one process than in another
ONE, ALL = "the caller's thread", "all threads"


class Stage(NamedTuple):
    """A stage of the work: how often it does it, which threads count, and how many requests it must have made."""

    times: int
    threads: str = ONE
    requests: int | None = None


STAGES = {
    "dumps": Stage(200),
    "post": Stage(50),
    "pieces": Stage(20),
    "plain": Stage(50),
    "capture": Stage(50),
    "listen": Stage(20),
    "chat": Stage(40, ALL, 40),
    "enqueue": Stage(200),
    "send": Stage(50),
    "send-32": Stage(30),
    "deliver": Stage(40, ALL, 40),
    "deliver-10": Stage(100, ALL, 10),
}
# What the budgets are of, made of the stages.
COSTS: dict[str, tuple[str, Callable[[dict[str, float]], float]]] = {
    "capture": ("a chat of 1 KB, into its lane, less the plain one", lambda cost: cost["capture"] - cost["plain"]),
    "listen": ("a stream of 50 chunks, likewise", lambda cost: cost["listen"] - cost["pieces"]),
    "chat": ("such a chat in a session of its own, to Layer's answer", lambda cost: cost["chat"] - cost["plain"]),
    "enqueue": ("an action of 1 KB, on its thread", lambda cost: cost["enqueue"]),
    "serialise": ("31 KB more of text, serialised and sent", lambda cost: cost["send-32"] - cost["send"]),
    "send": ("an action of 1 KB, prepared, serialised, sent and answered", lambda cost: cost["send"]),
    "deliver": ("a session with one action, from recording to its answer", lambda cost: cost["deliver"]),
    "deliver-10": ("an action of ten in a session, likewise", lambda cost: cost["deliver-10"]),
}


def main() -> int:
    """Measure and compare; 1 if a budget is exceeded."""
    if shutil.which("valgrind") is None:
        print("guard: needs valgrind, such as from `apt-get install valgrind`")
        return 1
    counts = measured()
    costs = {name: round(of(counts)) for name, (_, of) in COSTS.items()}
    kept: dict[str, dict[str, int]] = json.loads(BUDGETS.read_text("utf-8")) if BUDGETS.exists() else {}
    version = ".".join(platform.python_version_tuple()[:2])
    key = f"{platform.python_implementation().lower()}-{version}-{platform.machine()}"
    if "--rewrite" in sys.argv:
        BUDGETS.write_text(json.dumps({**kept, key: costs}, indent=2, sort_keys=True) + "\n", "utf-8")
        kept[key] = costs
    budgets = kept.get(key, {})
    print(report(costs, budgets, counts))
    exceeded = over(costs, budgets)
    if exceeded:
        print(f"guard: over budget: {', '.join(exceeded)}. If that is worth it, `make bench-budgets` and say why.")
    elif not budgets:
        print(f"guard: there are no budgets for {key}; nothing was compared")
    return 1 if exceeded else 0


def over(costs: dict[str, int], budgets: dict[str, int]) -> list[str]:
    """Name what costs more than its budget allows."""
    return [name for name, cost in costs.items() if cost > budgets.get(name, cost) * ALLOWED]


def measured() -> dict[str, float]:
    """Run the work under callgrind; the instructions of each stage, for each time it is done."""
    with running("hole") as hole, running("sink") as sink, tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--quiet"]
        tool += [f"--callgrind-out-file={folder}/out"]
        command = [*tool, interpreter("layer"), str(WORK), hole, sink]
        with subprocess.Popen(
            command,
            env={**variables("layer", "layer"), **SETTLED},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            return Counting(process, Path(folder), sink).counts()


class Counting:
    """Counts what a process does between the beginning and the end of a stage.

    Args:
        process: Runs under callgrind.
        folder: Where callgrind writes.
        sink: Where the process sends.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path, sink: str) -> None:
        self._process = process
        self._folder = folder
        self._sink = sink

    def counts(self) -> dict[str, float]:
        """Follow the process to its end."""
        counts: dict[str, float] = {}
        tries = made = 0
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, name = line.split()
            answer = "go on"
            if what == "begin":
                tries, made = tries + 1, self._requests()
                self._control("--instr=on")
                self._control("--zero")
            else:
                self._control("--dump")
                self._control("--instr=off")
                stage = STAGES[name]
                counts[name] = self._read(stage) / stage.times
                if stage.requests not in (None, self._requests() - made) and tries < TRIES:
                    answer = "again"  # what waits for company was sent before it came: the machine is too busy
                else:
                    tries = 0
            print(answer, file=self._process.stdin, flush=True)
        return counts

    def _requests(self) -> int:
        return counted(self._sink).get("guard", Counter())["requests"]

    def _control(self, option: str) -> None:
        command = ["callgrind_control", option, str(self._process.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _read(self, stage: Stage) -> int:
        total = 0
        for path in self._folder.glob("out.*"):
            text = path.read_text("utf-8")
            thread, count = (
                re.search(r"^thread: (\d+)", text, re.MULTILINE),
                re.search(r"^totals: (\d+)", text, re.MULTILINE),
            )
            if count is not None and (stage.threads == ALL or (thread is not None and thread[1] == "1")):
                total += int(count[1])
            path.unlink()
        return total


def report(costs: dict[str, int], budgets: dict[str, int], counts: dict[str, float]) -> str:
    """Write the costs beside their budgets, and beside what plain Python takes."""
    rows = [
        [
            name,
            COSTS[name][0],
            f"{cost:,}",
            f"{budgets[name]:,}" if name in budgets else "",
            f"{cost / budgets[name]:.2f}" if name in budgets else "",
            f"{cost / counts['post']:.2f}",
            f"{cost / counts['dumps']:.2f}",
        ]
        for name, cost in costs.items()
    ]
    return table(["cost", "of", "instructions", "budget", "ratio", "to a bare post", "to json.dumps"], rows)


if __name__ == "__main__":
    sys.exit(main())
