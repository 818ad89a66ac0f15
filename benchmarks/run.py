"""Everything that is measured beside other SDKs, and the report of it: `docs/benchmarks.md`.

The figures are kept in `docs/benchmarks/figures.json`; `--render` writes the page of them anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from effort import PEERS, QUICK, Effort
from environments import FOLDER, ROOT
from report import SECTIONS, about, draw, written
from servers import running
from workers import Servers, pairs_of

DOCS = ROOT / "docs"
FIGURES = DOCS / "benchmarks" / "figures.json"


def main() -> None:
    """Measure, and write."""
    options = arguments()
    if options.render:
        kept = json.loads(FIGURES.read_text("utf-8"))
        write(kept["about"], kept["found"])
        return
    effort = (QUICK if options.quick else Effort())._replace(**({"peers": options.peers} if options.peers else {}))
    began, before = time.monotonic(), os.getloadavg()[0]
    FOLDER.mkdir(parents=True, exist_ok=True)
    clients, apart = cores()
    keep_to(apart)
    with running("openai") as openai, running("sink") as sink:
        keep_to(clients)
        servers = Servers(openai, sink)
        versions = versions_of(effort, servers)
        found = {name: measured(name, effort, servers) for name in options.only}
    load, minutes = [before, os.getloadavg()[0]], (time.monotonic() - began) / 60
    facts = about(versions, load, minutes, is_quick=options.quick)
    if options.merge:
        kept = json.loads(FIGURES.read_text("utf-8"))
        told = kept["about"].get("measured anew", "").split("; ")
        told.append(f"{', '.join(options.only)}: {facts['date']}, {facts['commit']}")
        write({**kept["about"], "measured anew": "; ".join(filter(None, told))}, {**kept["found"], **found})
    elif options.quick or options.peers or options.only != list(SECTIONS):
        print(written(facts, found, plots=False))
    else:
        write(facts, found)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="few peers and turns, printed: a look, not a result")
    parser.add_argument("--render", action="store_true", help="measure nothing, write the page anew")
    parser.add_argument(
        "--merge", action="store_true", help="put what is measured in the place of what the page has of it"
    )
    parser.add_argument("--peers", type=lambda text: tuple(text.split(",")), help="of " + ",".join(PEERS))
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=list(SECTIONS), help="of " + ",".join(SECTIONS)
    )
    options = parser.parse_args()
    if unknown := (set(options.peers or ()) - set(PEERS)) | (set(options.only) - set(SECTIONS)):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return options


def cores() -> tuple[set[int], set[int]]:
    """Share the machine's cores out: the last one is the servers', where there are several.

    Else it is chance, and lasts for a block or a hundred, whether a client shares one with the server it waits for.
    """
    found = sorted(os.sched_getaffinity(0))
    return set(found[:-1] or found), set(found[-1:])


def keep_to(cores: set[int]) -> None:
    """Have what is started from now on run on these cores."""
    os.sched_setaffinity(0, cores)


def versions_of(effort: Effort, servers: Servers) -> dict[str, str]:
    """Ask one process of each peer; this makes the environments, too, where they are not there yet."""
    versions: dict[str, str] = {}
    for peer in effort.peers:
        with pairs_of([peer], servers) as pairs:
            for name, number in pairs[peer].peer.versions.items():
                versions.setdefault(f"{name} (with {peer})" if versions.get(name, number) != number else name, number)
    return versions


def measured(name: str, effort: Effort, servers: Servers) -> list[Any]:
    """Measure a section, and say how long it took."""
    began = time.monotonic()
    print(f"{name} ...", file=sys.stderr, flush=True)
    rows: list[Any] = importlib.import_module(name).measure(effort, servers)
    (FOLDER / f"{name}.json").write_text(json.dumps(rounded(rows)), "utf-8")  # should a later section fail
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def write(facts: dict[str, str], found: dict[str, list[Any]]) -> None:
    """Keep the figures, draw the plots and write the page, as `--render` would of what is kept."""
    found = rounded(found)
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({"about": facts, "found": found}, indent=1) + "\n", "utf-8")
    draw(FIGURES, FIGURES.parent)
    page = DOCS / "benchmarks.md"
    page.write_text(written(facts, found, plots=True), "utf-8")
    print(f"Wrote {Path(os.path.relpath(page))}")


def rounded(value: Any) -> Any:
    """Leave out what no figure is exact to."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
