"""`layer-sdk spool`: what a journal on disk holds; send it, or delete it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from ._facade import Layer
from .delivery import list_segments, purge_segments
from .exceptions import LayerSDKException

if TYPE_CHECKING:
    import argparse

WIDTH = 30
TICK = 0.1


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=("list", "send", "delete"), help="what to do")
    parser.add_argument("directory", help="the folder that was given as spool_dir")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds that sending may take (default: 300)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {"list": _list, "send": _send, "delete": _delete}
    try:
        return actions[options.action](options)
    except (LayerSDKException, OSError) as error:
        print(f"layer-sdk spool: {error}", file=sys.stderr)
        return 1


def _list(options: argparse.Namespace) -> int:
    segments = list_segments(Path(options.directory))
    for each in segments:
        owner = f"process {each.process}" if each.is_alive else "nobody"
        print(
            f"{each.path.name}  {each.records:>8} records  {each.size:>10} bytes  {each.age:>8.0f} s  held by {owner}"
        )
    print(f"{sum(each.records for each in segments)} records in {len(segments)} segments")
    return 0


def _delete(options: argparse.Namespace) -> int:
    deleted = purge_segments(Path(options.directory))
    print(f"deleted {sum(each.records for each in deleted)} records in {len(deleted)} segments")
    return 0


def _send(options: argparse.Namespace) -> int:
    """Adopt what dead processes left for the server and application that the environment names, and send it."""
    sender = Layer()
    sender.init(spool_dir=options.directory, delivery="background")
    ends = time.monotonic() + options.timeout
    is_done = False
    while not is_done and time.monotonic() < ends:
        sender.flush(TICK)
        stats = sender.stats()
        is_done = not stats["queued"] + stats["in_flight"] + stats["spool"]["waiting"]
        _show(stats)
    stats = sender.stats()
    sender.shutdown(0.0)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return _tell(stats, Path(options.directory))


def _tell(stats: dict[str, Any], directory: Path) -> int:
    """Say what became of the records, once the sender has let go of what it could not send; the exit status."""
    # The disk is asked for what is left: what nobody took over in time is in no account.
    left = sum(each.records for each in list_segments(directory) if not each.is_alive)
    lost = sum(stats["dropped"].values())
    print(f"sent {stats['sent']} records, {stats['dead_lettered']} refused for good, {left} left", end="")
    print(f", {lost} lost" if lost else "")
    return 1 if left or lost else 0


def _show(stats: dict[str, int]) -> None:
    """Draw a progress bar where there is somebody to see it."""
    if not sys.stderr.isatty():
        return
    total = stats["accepted"] or 1
    ended = stats["sent"] + stats["dead_lettered"]
    filled = WIDTH * ended // total
    bar = "#" * filled + "." * (WIDTH - filled)
    print(f"\r[{bar}] {ended} of {stats['accepted']}", end="", file=sys.stderr, flush=True)
