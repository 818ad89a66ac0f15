"""Processes for the tests of the spool, which write, adopt, fork and are killed: `spool_host.py ROLE FOLDER [N]`."""

from __future__ import annotations

import json
import logging
import mmap
import os
import random
import resource
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

from layer_sdk.delivery._spool import Spool, Token

SCOPE = "tests"
FILLER = b" " + b"x" * 2000
OWNERS, ADOPTERS = 8, 4


def payload(number: int) -> bytes:
    return b"%d" % number + FILLER


def number_of(content: bytes) -> int:
    return int(content.split()[0])


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    return child


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def writers(folder: Path) -> None:
    """For each line of input, fork a process that writes until it is killed; `notes` has its progress."""
    for line in sys.stdin:
        child = fork(partial(write_for_ever, folder, int(line)))
        tell(process=child)
        os.waitpid(child, 0)
        tell(ended=child)


def write_for_ever(folder: Path, seed: int) -> None:
    """Note what is accepted before the next is written, and the settled before and after."""
    draw = random.Random(seed)  # noqa: S311  (only a mixture)
    with (folder / "notes").open("r+b") as file:
        notes = memoryview(mmap.mmap(file.fileno(), 24)).cast("Q")
    spool = Spool(folder / "spool", SCOPE, 64 * 1024 * 1024)
    settles_at = 0
    while True:
        number = spool.write(payload(notes[0] + 1))
        assert number == notes[0] + 1, spool.stats()
        notes[0] = number
        if number > settles_at:
            notes[1] = draw.randint(notes[2], number)
            spool.settle(range(notes[2] + 1, notes[1] + 1))
            notes[2] = notes[1]
            settles_at = number + draw.randrange(4000)


def race(folder: Path, seconds: int) -> None:
    """Let owners die while adopters are at it; each adopter notes what it adopted in a file of its own."""
    written: list[int] = []
    rounds = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        written += race_once(folder, rounds)
        rounds += 1
    tell(written=written, rounds=rounds)


def race_once(folder: Path, turn: int) -> list[int]:
    stop = memoryview(mmap.mmap(-1, 8)).cast("Q")
    adopters = [fork(partial(adopt, folder, f"{turn}-{n}", stop)) for n in range(ADOPTERS)]
    starts = [turn * 10_000 + n * 100 for n in range(OWNERS)]
    parts = [range(start, start + 1 + start // 100 % 40) for start in starts]
    owners = [fork(partial(own, folder, part)) for part in parts]
    for owner in owners:
        os.waitpid(owner, 0)
    stop[0] = 1
    endings = [os.waitpid(adopter, 0)[1] for adopter in adopters]
    if any(endings):
        sys.exit("an adopter failed")
    return [number for part in parts for number in part]


def own(folder: Path, numbers: range) -> None:
    spool = Spool(folder / "spool", SCOPE, 64 * 1024)
    for number in numbers:
        spool.write(b"%d" % number)
    die()


def adopt(folder: Path, name: str, stop: memoryview) -> None:
    spool = Spool(folder / "spool", SCOPE, 64 * 1024)
    with (folder / f"{name}.adopted").open("w") as notes:
        is_last = False
        while not is_last:
            is_last = bool(stop[0])
            found = spool.adopt()
            notes.writelines(f"{each.payload.decode()}\n" for each in found)
            spool.release(*[each.token for each in found])
            time.sleep(0.0005)
    spool.close()
    os._exit(0 if spool.stats()["errors"] == 0 else 1)


def outlived(folder: Path) -> None:
    """Fork a child that lives on, with records of its own, until its input ends."""
    spool = Spool(folder, SCOPE)
    os.register_at_fork(after_in_child=spool.after_fork_in_child)
    for number in range(10):
        spool.write(b"parent %d" % number)
    adopted = spool.adopt()

    def live_on() -> None:
        before = spool.stats()
        number = spool.write(b"child")
        tell(before=before, number=number, adopted=len(spool.adopt()))
        os.read(0, 1)
        die()

    fork(live_on)
    spool.write(b"parent after")
    tell(parent=os.getpid(), adopted=len(adopted))
    signal.pause()


def storm(folder: Path, forks: int) -> None:
    """Fork again and again while threads begin, adopt and delete segments; children live on until their input ends."""
    spools = [Spool(folder, SCOPE, 1024 * 1024) for _ in range(200)]
    told, tells = os.pipe()

    def start_over() -> None:
        for spool in spools:
            spool.after_fork_in_child()

    def live_on() -> None:
        spools[0].write(b"child")
        os.write(tells, b".")
        os.read(0, 1)

    os.register_at_fork(after_in_child=start_over)
    for work in (keep, hammer, turn_over):
        threading.Thread(target=work, args=(folder, spools), daemon=True).start()
    for _ in range(forks):
        fork(live_on)
    for _ in range(forks):
        os.read(told, 1)
    tell(parent=os.getpid())
    signal.pause()


def keep(_: Path, spools: list[Spool]) -> None:
    """Begin segments that will still be there in the end."""
    for spool in spools[2:]:
        spool.write(b"kept")


def hammer(_: Path, spools: list[Spool]) -> None:
    while True:
        spools[0].settle([spools[0].write(bytes(65536)) or 0 for _ in range(4)])  # the third begins a segment


def turn_over(folder: Path, spools: list[Spool]) -> None:
    """Leave segments behind, adopt them, and release those of the time before."""
    held: list[Token] = []
    while True:
        spools[1] = Spool(folder, SCOPE, 1024 * 1024)
        spools[1].write(bytes(3000))
        spools[1].close()
        found = spools[0].adopt()
        spools[0].release(*held)
        held = [each.token for each in found]


class Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


def limited(folder: Path) -> None:
    """Write until a limit on the size of files stops it, and on after the limit is gone."""
    now = [0.0]
    listener = Listener()
    logging.getLogger("layer_sdk").addHandler(listener)
    spool = Spool(folder, SCOPE, clock=lambda: now[0])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    numbers = [spool.write(payload(number)) for number in range(100)]
    broken = spool.stats()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    early = spool.write(b"early")
    now[0] = 30.0
    late = spool.write(b"late")
    tell(numbers=numbers, broken=broken, early=early, late=late, stats=spool.stats(), warnings=listener.heard)
    die()


def indebted(folder: Path, is_all: int = 0) -> None:
    """Settle where no file may grow, and again: in vain, and after the limit is gone, or all that there is."""
    spool = Spool(folder, SCOPE)
    numbers = [spool.write(payload(number)) or 0 for number in range(1, 6)]
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (spool.stats()["bytes"], hard))
    spool.settle(numbers[:2])
    full = spool.stats()
    if is_all:
        spool.settle(numbers)
        tell(full=full, stats=spool.stats())
        die()
    spool.settle(numbers[:2])
    still = spool.stats()
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    spool.settle(numbers[4:])
    tell(full=full, still=still, stats=spool.stats())
    die()


def main(role: str, folder: str, *numbers: str) -> None:
    roles: tuple[Callable[..., None], ...] = (writers, race, outlived, storm, limited, indebted)
    {each.__name__: each for each in roles}[role](Path(folder), *map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
