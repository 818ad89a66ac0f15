"""The report: what was measured, on what and how, in words, tables and plots."""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import targets
from environments import ROOT, interpreter

SECTIONS = ("openai_calls", "startup", "memory", "endings", "outage", "growth", "own")
PLOTS = {
    "openai_calls": ("cpu", "wall"),
    "startup": ("startup",),
    "memory": ("memory",),
    "outage": ("outage",),
    "growth": ("growth",),
    "own": ("waiting",),
}

HEAD = """\
# Benchmarks

What recording costs an application: Layer beside the SDK that was published before it, and beside its peers.
`make bench` measures all of this anew and writes this page, `make bench-quick` prints a part of it in a few minutes.
Nothing leaves the machine: a fake OpenAI that answers at once and the sink of all telemetry run beside the client, each
in a process of its own.

{about}

## Method

- Each client has an environment of its own, pinned in `requirements/bench`, with the same version of openai in all of
  them but `layer_published`, whose SDK knows openai before 2 alone. Each is set up as its documentation says, with what
  is said recorded, as Layer does; the adapters in `benchmarks/peers` show how.
- A figure is a difference: each client is measured beside a plain one, in the same environment and the same run,
  taking turns in short blocks, and the figure is the median of the differences of neighbours, with their quartiles in
  brackets. The time of a block is that of its median call: what a rare long one takes shows in the p99. `none` is the
  plain client measured against itself: what its figures differ from nothing is what those of the others are worth.
- The servers have one of the cores, and the clients the others: or it would be chance which of them share one.
- Processes are started anew as often as there is time, since of two that do the same one may be faster as long as it
  lives. From the second start on there are only the cases that a goal below depends on, and the peers that were best in
  one of them: the time goes to the figures that are close.
- What a block sets off is flushed before the next begins, and the processor's time is that of all threads of the
  process, until the flush is over. The sink counts what has arrived, so nobody wins by dropping.
- A *session* is what a client has for a unit of work: Layer's session, a span, an observation, a run or a trace around
  the calls.
- Layer sends a prompt and an output for each call; the others send one record for it. Where a call has no session,
  Layer makes one for it, which is a request of its own.

## Limits

- The machine is small: the client, the fake OpenAI and the sink compete for its cores, and the time of calls in many
  threads or tasks is mostly waiting for each other. The processor's time is the sounder figure.
- Loopback has no latency: who sends while the call waits (`layer_published`) would look worse in a real network.
- The sink understands what these clients send well enough to count it; it is none of their servers, and answers at
  once.
- Of many tasks or threads there are few blocks, and the client itself is up to four times slower in the first of them,
  while it opens its connections. With 100 tasks a call takes most of a second, which is as long as Layer gives way to
  an application that is busy: of some of them question and answer go as requests of their own.
- Layer runs without orjson, as it is installed where nobody asks for the extra.
- LangSmith and Opik do not record embeddings, and `layer_published` no asynchronous calls.
- Opik's reports of its own use and errors, which go elsewhere than its records, are turned off. In Logfire's
  environment every process that uses pydantic loads it; its plain client is kept from that.
"""


def about(versions: dict[str, str], load: list[float], minutes: float, *, is_quick: bool) -> dict[str, str]:
    """Say what was measured, when and on what."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607 (the maintainer's own)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    before, after = load
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "commit": commit.stdout.strip(),
        "machine": f"{processor()}, {os.cpu_count()} cores, {memory()} GiB, {platform.system()}",
        "load": f"{before:.1f} before, {after:.1f} after (of one minute, this run's own work in it)",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "run": f"{minutes:.0f} minutes{', a quick one' if is_quick else ''}",
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


def processor() -> str:
    """Name the processor."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def memory() -> int:
    """Count the memory, in gibibytes."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))


def written(facts: dict[str, str], found: dict[str, list[Any]], *, plots: bool) -> str:
    """Write the page."""
    parts = [HEAD.format(about="\n".join(f"- {name}: {fact}" for name, fact in facts.items()))]
    parts += [f"## {targets.TITLE}\n", targets.written(found)]
    for name in SECTIONS:
        if name in found:
            section = importlib.import_module(name)
            pictures = [f"![{each}](benchmarks/{each}.svg)\n" for each in PLOTS.get(name, ()) if plots]
            parts += [f"## {section.TITLE}\n", *pictures, section.written(found[name])]
    return "\n".join(parts)


def draw(figures: Path, folder: Path) -> None:
    """Draw the plots, in an environment of their own."""
    script = Path(__file__).with_name("plots.py")
    command = [interpreter("report"), str(script), str(figures), str(folder)]
    subprocess.run(command, check=True, stdout=sys.stderr)
