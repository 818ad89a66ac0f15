from __future__ import annotations

import json
import logging
import os
import random
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_sdk import _log
from layer_sdk.delivery._segment import DESCRIPTORS, HEADER, RECORD, SCOPE, frame
from layer_sdk.delivery._spool import Adopted, Spool, SpoolError, entries, purge
from spool_host import number_of

HOST = Path(__file__).parent / "spool_host.py"
KILLS = int(os.environ.get("SPOOL_KILLS", "30"))  # the long version has 200
RACE_SECONDS = 3 if KILLS < 100 else 15
MIB = 1024 * 1024
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MakeSpool = Callable[..., Spool]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Name a folder for spools that is not there yet."""
    return tmp_path / "spool"


@pytest.fixture
def make_spool(directory: Path) -> Iterator[MakeSpool]:
    """Make spools of one scope, closed in the end."""
    made: list[Spool] = []

    def make(**options: Any) -> Spool:
        made.append(Spool(**{"directory": directory, "scope": "tests", **options}))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Give the warnings logged so far."""
    caplog.set_level(logging.DEBUG, "layer_sdk")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "layer_sdk"]


def die(spool: Spool) -> None:
    """Leave the files of a spool as the death of its process does: closed, and nothing noted."""
    spool.after_fork_in_child()


def payloads(adopted: list[Adopted]) -> list[bytes]:
    return [each.payload for each in adopted]


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no file."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def on_disk(directory: Path) -> int:
    return sum(path.stat().st_size for path in files(directory))


@contextmanager
def host(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run a process of tests/spool_host.py; its forks end with its input."""
    command = [sys.executable, str(HOST), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Read what the host says next."""
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def say(process: subprocess.Popen[str], line: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    """Close the input, and wait until the last of the host's forks has closed the output."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    assert "" == process.stdout.read()


# What it does.


def test_what_a_dead_process_left_is_adopted(make_spool: MakeSpool) -> None:
    """Records that were not settled come back, in order; those that were do not."""
    first = make_spool()
    assert [1, 2, 3, 4] == [first.write(each) for each in (b"a", b"b", b"", b"d")]
    first.settle([2, 99])
    die(first)
    second = make_spool()
    assert [b"a", b"", b"d"] == payloads(second.adopt())
    assert [] == second.adopt()


def test_live_process_keeps_its_records(make_spool: MakeSpool) -> None:
    """Nobody adopts from a spool that is open, the process itself least of all."""
    first = make_spool()
    first.write(b"a")
    assert ([], []) == (first.adopt(), make_spool().adopt())


def test_closed_spool_leaves_what_is_not_settled(make_spool: MakeSpool, directory: Path) -> None:
    """An orderly end is no different, but leaves no file where there is nothing to leave."""
    first, second = make_spool(), make_spool()
    first.settle([first.write(b"a") or 0])
    second.write(b"b")
    first.close()
    second.close()
    assert 1 == len(files(directory))
    assert [b"b"] == payloads(make_spool().adopt())


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="needs a list of the open files")
def test_closed_spool_is_free_at_once(make_spool: MakeSpool, directory: Path) -> None:
    """Nobody has to wait for a process that was forked in the meantime and has the file open, too."""
    spool = make_spool()
    spool.write(b"a")
    path = files(directory)[0]
    inherited = next(os.dup(int(each.name)) for each in list(DESCRIPTORS.iterdir()) if each.resolve() == path)
    spool.close()
    assert [b"a"] == payloads(make_spool().adopt())
    os.close(inherited)


def test_each_scope_has_its_own(make_spool: MakeSpool, directory: Path) -> None:
    """A process adopts only what belongs to its scope, whose name does not show on disk."""
    die_of = make_spool(scope="https://one.example/app")
    die_of.write(b"a")
    die(die_of)
    assert [] == make_spool(scope="https://another.example/app").adopt()
    assert all(SCOPE.fullmatch(path.name) for path in directory.iterdir())
    assert [b"a"] == payloads(make_spool(scope="https://one.example/app").adopt())


def test_released_records_do_not_come_back(make_spool: MakeSpool, directory: Path) -> None:
    """What an adopter settled before it died itself is not adopted again; the last one deletes the file."""
    first, second, third = make_spool(), make_spool(), make_spool()
    for each in (b"a", b"b", b"c"):
        first.write(each)
    die(first)
    tokens = [each.token for each in second.adopt()]
    second.release(tokens[0], tokens[2])
    die(second)
    adopted = third.adopt()
    assert [b"b"] == payloads(adopted)
    assert 1 == len(files(directory))
    third.release(adopted[0].token)
    assert [] == files(directory)


def test_adoption_can_be_limited(make_spool: MakeSpool) -> None:
    """No further segment is taken once there is enough; the rest is for the next call."""
    for each in (b"a" * 10, b"b" * 10, b"c" * 10):
        spool = make_spool()
        spool.write(each)
        die(spool)
    last = make_spool()
    first, second = payloads(last.adopt(max_bytes=11)), payloads(last.adopt(max_bytes=11))
    assert (2, 1) == (len(first), len(second))
    assert [b"a" * 10, b"b" * 10, b"c" * 10] == sorted(first + second)


def test_nothing_waits_where_nothing_was_taken(make_spool: MakeSpool) -> None:
    """More is said to wait only when there was enough: who asks until something comes must not ask for ever."""
    for each in (b"a", b"b"):
        spool = make_spool()
        spool.write(each)
        die(spool)
    last = make_spool()
    first = payloads(last.adopt(max_bytes=1))
    assert (1, 1) == (len(first), last.stats()["waiting"])
    with no_more_files():
        assert ([], 0) == (last.adopt(max_bytes=1), last.stats()["waiting"])
    assert ([], 0) == (last.adopt(max_bytes=0), last.stats()["waiting"])
    assert [b"a", b"b"] == sorted(first + payloads(last.adopt(max_bytes=1)))


def test_segments_rotate_and_go_when_they_are_settled(make_spool: MakeSpool, directory: Path) -> None:
    """A segment begins anew after 4 MiB, and is deleted with its last record."""
    spool = make_spool()
    numbers = [spool.write(bytes(MIB)) or 0 for _ in range(9)]
    assert 3 == len(files(directory))
    spool.settle(numbers[1:8])
    assert 2 == len(files(directory))  # the middle one is gone
    spool.settle(numbers)
    assert [len(HEADER)] == [path.stat().st_size for path in files(directory)]  # the current one is empty
    assert {"segments": 1, "bytes": len(HEADER), "written": 9, "settled": 9}.items() <= spool.stats().items()
    spool.close()
    assert [] == files(directory)


def test_settling_is_noted_at_once(make_spool: MakeSpool) -> None:
    """Every settled record is settled on disk when the call returns, in whatever order and however often it is."""
    spool = make_spool()
    numbers = [spool.write(b"%d" % n) or 0 for n in range(100)]
    spool.settle(reversed(numbers[50:]))
    spool.settle(iter(numbers[20:60]))
    die(spool)
    assert [b"%d" % n for n in range(20)] == payloads(make_spool().adopt())


def test_statistics(make_spool: MakeSpool, directory: Path) -> None:
    """Everything is counted."""
    first, second = make_spool(), make_spool()
    for each in (b"a", b"b"):
        first.write(each)
    die(first)
    tokens = [each.token for each in second.adopt()]
    second.release(tokens[0])
    second.settle([second.write(b"c") or 0, second.write(b"d") or 0, 77])
    second.write(b"e")
    counts = {"written": 3, "adopted": 2, "settled": 3, "torn_tails": 0, "errors": 0}
    expected = {"state": "ok", "reason": "", "segments": 2, "waiting": 0, "bytes": on_disk(directory), **counts}
    assert expected == second.stats()
    second.close()
    assert "closed" == second.stats()["state"]


def test_closed_spool_does_nothing(make_spool: MakeSpool, directory: Path) -> None:
    """After the end every call is harmless."""
    spool = make_spool()
    number = spool.write(b"a") or 0
    spool.close()
    spool.settle([number])
    spool.release(("x", 1))
    spool.close()
    assert (None, [], 0) == (spool.write(b"b"), spool.adopt(), spool.stats()["errors"])
    assert [b"a"] == payloads(make_spool().adopt())


@pytest.mark.parametrize(("fsync", "expected"), [("always", 2), ("none", 0)])
def test_waiting_for_the_disk(
    make_spool: MakeSpool, monkeypatch: pytest.MonkeyPatch, fsync: str, expected: int
) -> None:
    """With `always`, each write waits for the disk; with `none`, none does. All else is the same."""
    synced: list[int] = []
    fdatasync = os.fdatasync

    def counted(descriptor: int) -> None:
        synced.append(descriptor)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    spool = make_spool(fsync=fsync)
    assert [1, 2] == [spool.write(b"a"), spool.write(b"b")]
    assert expected == len(synced)
    die(spool)
    assert [b"a", b"b"] == payloads(make_spool().adopt())


def test_mistake_of_the_caller_is_no_trouble_of_the_spool(
    make_spool: MakeSpool, internal_errors: list[BaseException]
) -> None:
    """What cannot be written or settled is reported as a mistake, nothing is raised, and the spool goes on."""
    spool = make_spool()

    def failing() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    assert None is spool.write("text")  # type: ignore[arg-type]
    assert [1, 2] == [spool.write(b"a"), spool.write(b"b")]
    spool.settle([[]])  # type: ignore[list-item]
    spool.settle(failing())
    assert (3, "ok") == (spool.write(b"c"), spool.stats()["state"])
    assert [TypeError, TypeError, ZeroDivisionError] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_mistake_is_told_when_no_lock_is_held(
    make_spool: MakeSpool, internal_errors: list[BaseException], warnings: Callable[[], list[str]]
) -> None:
    """A quiet write and settling log nothing: the next call that may log does it for them, closing at the latest."""
    spool = make_spool()
    assert None is spool.write("text", is_quiet=True)  # type: ignore[arg-type]
    assert ([], []) == (internal_errors, warnings())
    assert 1 == spool.write(b"a", is_quiet=True)
    assert ([], []) == (internal_errors, warnings())
    assert 2 == spool.write(b"b")
    assert [TypeError] == [type(error) for error in internal_errors]
    spool.settle([[]])  # type: ignore[list-item]
    assert (1, 1) == (len(internal_errors), len(warnings()))
    spool.close()
    assert [TypeError, TypeError] == [type(error) for error in internal_errors]
    internal_errors.clear()


# Damage.


def test_damage_at_every_place(make_spool: MakeSpool, directory: Path) -> None:
    """Cut or changed at any byte, a segment gives what is before, the rest is counted, and the file can be released."""
    intact = HEADER + b"".join(frame(RECORD, number, b"payload %d" % number) for number in range(3))
    ends = [intact.index(b"payload %d" % number) + 9 for number in range(3)]
    whole = [b"payload 0", b"payload 1", b"payload 2"]
    spool = make_spool()
    folder = next(directory.iterdir())
    torn = 0
    for place in range(len(intact)):
        for content in (intact[:place], intact[:place] + bytes([intact[place] ^ 0x55]) + intact[place + 1 :]):
            path = folder / f"{place:013}-{len(content)}-0a.seg"
            path.touch(0o600)
            path.write_bytes(content)
            os.utime(path, (0, 0))  # an empty one would be left to its maker for a minute
            adopted = spool.adopt()
            assert [each for each, end in zip(whole, ends) if end <= place] == payloads(adopted)
            torn += content[:place] != content or place not in (0, len(HEADER), *ends)
            assert torn == spool.stats()["torn_tails"]
            spool.release(*[each.token for each in adopted])
            path.unlink() if path.exists() and place < len(HEADER) else None
            assert [] == files(directory)


def test_file_that_is_no_segment_is_left_alone(
    make_spool: MakeSpool, directory: Path, warnings: Callable[[], list[str]]
) -> None:
    """It is counted once, told with its name and without its contents, and neither changed nor deleted."""
    spool = make_spool()
    path = next(directory.iterdir()) / "0000000000001-1-0a.seg"
    path.touch(0o600)
    path.write_bytes(b"secret")
    assert ([], []) == (spool.adopt(), spool.adopt())
    assert (1, 1) == (spool.stats()["torn_tails"], spool.stats()["errors"])
    expected = "A file in the spool was left alone (not a segment of this version): 0000000000001-1-0a.seg"
    assert [expected] == warnings()
    assert b"secret" == path.read_bytes()


def test_torn_tail_is_told(make_spool: MakeSpool, directory: Path, warnings: Callable[[], list[str]]) -> None:
    """A loss is told by its size."""
    first = make_spool()
    first.write(b"kept")
    first.write(b"secret")
    die(first)
    path = files(directory)[0]
    path.write_bytes(path.read_bytes()[:-1])
    spool = make_spool()
    assert [b"kept"] == payloads(spool.adopt())
    assert {"bytes": on_disk(directory), "segments": 1}.items() <= spool.stats().items()
    assert ["The end of a spool segment was damaged: 22 bytes were cut"] == warnings()


# Who may touch it.


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_everything_is_private(make_spool: MakeSpool, directory: Path, mask: int) -> None:
    """Folders are 0700 and files 0600, whatever the umask."""
    before = os.umask(mask)
    try:
        spool = make_spool(directory=directory / "deep" / "down")
        spool.write(b"a")
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [directory, *directory.rglob("*")]}
    assert 5 == len(modes)
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


def test_symlink_on_the_way_is_refused(make_spool: MakeSpool, tmp_path: Path) -> None:
    """Neither the folder nor one above may be a symlink; the error names it."""
    (tmp_path / "real").mkdir(0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    for path in (link, link / "spool"):
        with pytest.raises(SpoolError, match=f"{link} is one"):
            make_spool(directory=path)
    assert [] == list((tmp_path / "real").iterdir())


def test_symlink_in_place_of_a_scope_is_refused(make_spool: MakeSpool, directory: Path, tmp_path: Path) -> None:
    """The folder of a scope is not followed elsewhere."""
    make_spool().close()
    scope = next(directory.iterdir())
    scope.rmdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    scope.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolError, match=str(scope)):
        make_spool()
    with pytest.raises(SpoolError, match=str(scope)):
        entries(directory)


def test_file_in_place_of_the_folder_is_refused(make_spool: MakeSpool, directory: Path) -> None:
    """A folder it must be."""
    directory.touch()
    with pytest.raises(SpoolError, match=f"needs a folder, which {directory} is not"):
        make_spool()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
@pytest.mark.parametrize("is_scope", [False, True])
def test_folder_that_others_can_write_is_refused(
    make_spool: MakeSpool,
    directory: Path,
    mode: int,
    is_scope: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    """Somebody could put records there."""
    make_spool().close()
    folder = next(directory.iterdir()) if is_scope else directory
    folder.chmod(mode)
    with pytest.raises(SpoolError, match=f"{folder} can be written by others"):
        make_spool()


@as_root
@pytest.mark.parametrize("is_scope", [False, True])
def test_folder_of_somebody_else_is_refused(
    make_spool: MakeSpool,
    directory: Path,
    is_scope: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    """Somebody could read it, and delete it."""
    make_spool().close()
    folder = next(directory.iterdir()) if is_scope else directory
    os.chown(folder, 12345, -1)
    with pytest.raises(SpoolError, match=f"{folder} belongs to user 12345, not to 0"):
        make_spool()


def plant_symlink(path: Path, target: Path) -> None:
    path.symlink_to(target)


def plant_hard_link(path: Path, target: Path) -> None:
    path.hardlink_to(target)


def plant_readable(path: Path, target: Path) -> None:
    path.write_bytes(target.read_bytes())
    path.chmod(0o644)


def plant_pipe(path: Path, target: Path) -> None:
    os.mkfifo(path, 0o600)


def plant_folder(path: Path, target: Path) -> None:
    path.mkdir()


def plant_foreign(path: Path, target: Path) -> None:
    path.touch(0o600)
    path.write_bytes(target.read_bytes())
    os.chown(path, 12345, -1)


PLANTED = [plant_symlink, plant_hard_link, plant_readable, plant_pipe, plant_folder]


@pytest.mark.parametrize("plant", [*PLANTED, pytest.param(plant_foreign, marks=as_root)])
def test_planted_file_is_refused(
    make_spool: MakeSpool, directory: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    """What looks like a segment but is not a private file of ours is neither read, changed nor deleted."""
    target = tmp_path / "target"
    target.touch(0o600)
    target.write_bytes(HEADER + frame(RECORD, 1, b"planted") + b"torn")
    before = target.read_bytes()
    spool = make_spool()
    path = next(directory.iterdir()) / "0000000000001-1-0a.seg"
    plant(path, target)
    assert ([], []) == (spool.adopt(), spool.adopt())
    assert (1, "ok", 1) == (spool.stats()["errors"], spool.stats()["state"], spool.write(b"a"))
    assert before == target.read_bytes()
    assert os.path.lexists(path)


def test_environment_that_cannot_lock_says_so(directory: Path) -> None:
    """Without `fcntl`, as on Windows, the module can be imported and the spool cannot be opened."""
    program = (
        "import sys\n"
        "sys.modules['fcntl'] = None\n"
        "from pathlib import Path\n"
        "from layer_sdk.delivery._spool import Spool, SpoolError\n"
        "try:\n"
        "    Spool(Path(sys.argv[1]), 'tests')\n"
        "except SpoolError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "The spool needs a POSIX system: it relies on flock\n" == done.stdout
    assert not directory.exists()


# Trouble.


class Clock:
    """A clock that stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_folder_that_vanishes(make_spool: MakeSpool, directory: Path, warnings: Callable[[], list[str]]) -> None:
    """Writes give None, one warning is logged, and after half a minute there is a new folder."""
    clock = Clock()
    spool = make_spool(clock=clock)
    number = spool.write(b"a") or 0
    shutil.rmtree(directory)
    assert [None] * 3 == [spool.write(b"b") for _ in range(3)]
    assert {"state": "broken", "reason": "the folder or its files were deleted", "errors": 1}.items() <= (
        spool.stats().items()
    )
    expected = "The spool cannot be written (the folder or its files were deleted): records are in memory only"
    assert [expected] == warnings()
    clock.now = 29.9
    spool.settle([number])
    assert (None, []) == (spool.write(b"c"), spool.adopt())
    clock.now = 30.0
    assert 2 == spool.write(b"d")
    assert "ok" == spool.stats()["state"]
    die(spool)
    assert [b"d"] == payloads(make_spool().adopt())
    assert [expected] == warnings()


def test_folder_that_vanishes_before_the_first_write(make_spool: MakeSpool, directory: Path) -> None:
    """It is the same without a segment."""
    clock = Clock()
    spool = make_spool(clock=clock)
    shutil.rmtree(directory)
    assert ([], None) == (spool.adopt(), spool.write(b"a"))
    clock.now = 30.0
    assert 1 == spool.write(b"b")


def test_folder_that_becomes_a_symlink_stays_out_of_use(make_spool: MakeSpool, directory: Path, tmp_path: Path) -> None:
    """What would be refused at the beginning is refused later, too, without an exception."""
    clock = Clock()
    spool = make_spool(clock=clock)
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    assert 1 == spool.write(b"a")  # it is still the same folder
    files(tmp_path / "elsewhere")[0].unlink()
    assert None is spool.write(b"b")
    clock.now = 30.0
    assert None is spool.write(b"c")
    assert "follows no symlink" in spool.stats()["reason"]


def test_limit_on_the_size_of_a_file(directory: Path) -> None:
    """A write that fits only in part is taken back, and none is tried for half a minute; then a new file is begun."""
    with host("limited", directory) as process:
        told = heard(process)
    assert [*range(1, 25), *[None] * 76] == told["numbers"]
    assert ("broken", 1) == (told["broken"]["state"], told["broken"]["errors"])
    assert (None, 25, "ok") == (told["early"], told["late"], told["stats"]["state"])
    assert ["The spool cannot be written (No space left on device): records are in memory only"] == told["warnings"]
    spool = Spool(directory, "tests")
    assert [*range(24), b"late"] == [each if each == b"late" else number_of(each) for each in payloads(spool.adopt())]
    assert 0 == spool.stats()["torn_tails"]
    spool.close()


def run(program: str, *arguments: object) -> int:
    command = [shutil.which(program) or program, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() or run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path):
        pytest.skip("mounting is not permitted here")
    yield path
    run("umount", "-l", path)


def test_full_disk(
    make_spool: MakeSpool, disk: Path, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk ends, writes give None with one warning, and go on when there is room again."""
    clock = Clock()
    spool = make_spool(directory=disk / "spool", clock=clock)
    numbers = [spool.write(bytes(3000)) for _ in range(500)]
    accepted = [number for number in numbers if number is not None]
    assert 250 < len(accepted) < 349
    assert {"state": "broken", "reason": "No space left on device", "errors": 1}.items() <= spool.stats().items()
    assert 1 == len(warnings())
    clock.now = 30.0
    monkeypatch.setattr(_log, "limiter", _log.Limiter())  # a minute later
    assert (None, 2) == (spool.write(b"a"), spool.stats()["errors"])
    spool.settle(accepted)
    clock.now = 60.0
    assert len(accepted) + 1 == spool.write(b"b")
    assert (1, "ok") == (len(warnings()), spool.stats()["state"])
    die(spool)
    adopter = make_spool(directory=disk / "spool")
    assert [b"b"] == payloads(adopter.adopt())
    assert 0 == adopter.stats()["torn_tails"]


def test_nothing_stays_of_a_segment_that_was_of_no_use(make_spool: MakeSpool, disk: Path) -> None:
    """A segment without records is deleted when it cannot be written any more."""
    spool = make_spool(directory=disk / "spool")
    spool.settle([spool.write(b"a") or 0])
    (disk / "other").touch()
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert None is spool.write(bytes(5000))
    assert {"state": "broken", "bytes": 0, "segments": 0}.items() <= spool.stats().items()
    assert [] == files(disk / "spool")


def test_disk_that_becomes_read_only(make_spool: MakeSpool, disk: Path, warnings: Callable[[], list[str]]) -> None:
    """Neither writing nor settling raises, nothing is adopted, and writing goes on when it can."""
    clock = Clock()
    dead, spool = make_spool(directory=disk / "spool"), make_spool(directory=disk / "spool", clock=clock)
    dead.write(b"a")
    die(dead)
    assert 0 == run("mount", "-o", "remount,ro", disk)
    assert (None, []) == (spool.write(b"b"), spool.adopt())
    assert "Read-only file system" == spool.stats()["reason"]
    assert 1 == len([each for each in warnings() if "cannot be written (Read-only file system)" in each])
    assert "Read-only file system" == make_spool(directory=disk / "another").stats()["reason"]
    assert 0 == run("mount", "-o", "remount,rw", disk)
    clock.now = 30.0
    assert 1 == spool.write(b"c")
    assert [b"a"] == payloads(spool.adopt())


@pytest.fixture
def write_protect() -> Iterator[Callable[[Path], None]]:
    """Let files be opened for reading alone, until the test ends or `umount` takes it back."""
    protected: list[Path] = []

    def protect(path: Path) -> None:
        if os.geteuid() or run("mount", "--bind", path, path):
            pytest.skip("mounting is not permitted here")
        protected.append(path)
        assert 0 == run("mount", "-o", "remount,ro,bind", path)

    yield protect
    for path in protected:
        run("umount", "-l", path)


def test_order_outlives_passing_trouble(
    make_spool: MakeSpool, directory: Path, write_protect: Callable[[Path], None]
) -> None:
    """While the first segment of a process cannot be opened, its later ones wait; those of others do not."""
    first, second, last = make_spool(max_bytes=8000), make_spool(), make_spool()
    for number in range(3):
        first.write(b"%d" % number + bytes(1000))  # a segment for each
    protected = files(directory)[0]
    second.write(b"other")
    die(first)
    die(second)
    write_protect(protected)
    assert [b"other"] == payloads(last.adopt())
    assert (1, 0) == (last.stats()["errors"], last.stats()["torn_tails"])
    assert 0 == run("umount", protected)
    assert [b"0", b"1", b"2"] == [each[:1] for each in payloads(last.adopt())]


def test_settling_that_fails_is_done_later(directory: Path) -> None:
    """What could not be noted on a full disk is noted by the next call that finds room, and counted once."""
    with host("indebted", directory) as process:
        told = heard(process)
    assert {"settled": 2, "errors": 1, "state": "ok"}.items() <= told["full"].items()
    assert {"settled": 2, "errors": 2}.items() <= told["still"].items()
    assert {"settled": 3, "errors": 2, "bytes": on_disk(directory)}.items() <= told["stats"].items()
    spool = Spool(directory, "tests")
    found = spool.adopt()
    assert [3, 4] == [number_of(each) for each in payloads(found)]
    spool.release(*[each.token for each in found])
    assert (0, []) == (spool.stats()["torn_tails"], files(directory))
    spool.close()


def test_segment_of_a_debt_goes_with_its_last_record(directory: Path) -> None:
    """Where nothing is left to be noted, as every record has found its end, the file is deleted: that takes no room."""
    with host("indebted", directory, 1) as process:
        told = heard(process)
    assert {"settled": 5, "errors": 1, "segments": 0, "bytes": 0}.items() <= told["stats"].items()
    assert [] == files(directory)


def test_cap(
    make_spool: MakeSpool, directory: Path, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is never more on disk than was said, settling included, and what is settled makes room again."""
    spool = make_spool(max_bytes=100_000)
    held: list[int] = []
    refused = 0
    draw = random.Random(1)  # noqa: S311  (only a mixture)
    for _ in range(3000):
        number = spool.write(bytes(draw.choice((0, 10, 1000, 5000))))
        assert on_disk(directory) <= 100_000
        if number is not None:
            held.append(number)
            continue
        refused += 1
        assert "full" == spool.stats()["state"]
        draw.shuffle(held)
        spool.settle([held.pop() for _ in range(draw.randint(0, len(held)))])
        assert on_disk(directory) <= 100_000
    assert refused > 10
    assert None is spool.write(bytes(100_000))
    monkeypatch.setattr(_log, "limiter", _log.Limiter())  # a minute later
    assert None is spool.write(bytes(100_000))
    spool.settle(held)
    assert spool.write(b"a") is not None
    assert ["The spool is full (100000 bytes): until it is emptied, records are in memory only"] == warnings()
    assert "ok" == spool.stats()["state"]


def test_cap_counts_what_others_left(make_spool: MakeSpool, directory: Path) -> None:
    """The cap is that of the scope; what others delete makes room within half a minute."""
    clock = Clock()
    first, second = make_spool(max_bytes=100_000), make_spool(max_bytes=100_000, clock=clock)
    held = [first.write(bytes(9000)) or 0 for _ in range(10)]
    assert [1, None] == [second.write(bytes(9000)), second.write(bytes(9000))]
    first.settle(held)
    assert None is second.write(bytes(9000))
    clock.now = 30.0
    assert 2 == second.write(bytes(9000))
    assert on_disk(directory) == second.stats()["bytes"]


# Threads, signals and forks.


def test_order_of_each_thread(make_spool: MakeSpool) -> None:
    """While eight threads write and settle, each record has a number of its own, and those of a thread are in order."""
    spool = make_spool(max_bytes=8 * 64 * 1024)
    kept: dict[int, list[int]] = {}

    def work(thread: int) -> None:
        kept[thread] = []
        for turn in range(1000):
            number = spool.write(struct.pack("<II", thread, turn))
            assert number is not None
            if turn % 10:
                spool.settle([number])
            else:
                kept[thread].append(number)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 800 == len({number for numbers in kept.values() for number in numbers})
    die(spool)
    found: dict[int, list[int]] = {thread: [] for thread in range(8)}
    for payload in payloads(make_spool().adopt()):
        thread_number, turn = struct.unpack("<II", payload)
        found[thread_number].append(turn)
    assert {thread: list(range(0, 1000, 10)) for thread in range(8)} == found


def test_call_in_the_middle_of_a_call(make_spool: MakeSpool, warnings: Callable[[], list[str]]) -> None:
    """What comes back into a call is turned away, without a deadlock; what it settled is settled with the next call."""
    calls: list[object] = []

    def clock() -> float:
        calls.append(spool.write(b""))
        calls.extend(spool.adopt())
        spool.settle([1])
        return 0.0

    dead = make_spool()
    dead.write(b"left")
    spool = make_spool(max_bytes=1000, clock=clock)
    assert [1, 2, None] == [spool.write(bytes(300)), spool.write(bytes(300)), spool.write(bytes(500))]
    assert ({None}, 0) == (set(calls), spool.stats()["settled"])
    spool.settle(())
    assert 1 == spool.stats()["settled"]
    assert 1 == len(warnings())


def test_close_in_the_middle_of_a_call(make_spool: MakeSpool, warnings: Callable[[], list[str]]) -> None:
    """Closing takes nothing from under a write that is under way."""

    def clock() -> float:
        spool.close()
        return 0.0

    spool = make_spool(max_bytes=1000, clock=clock)
    assert [1, None, None] == [spool.write(bytes(300)), spool.write(bytes(900)), spool.write(b"")]
    assert ("closed", 0) == (spool.stats()["state"], spool.stats()["errors"])
    assert ["The spool is full (1000 bytes): until it is emptied, records are in memory only"] == warnings()


def test_quiet_write_waits_for_nobody(make_spool: MakeSpool) -> None:
    """A signal handler may hold what another thread waits for within the spool: then its record is not written."""
    is_inside, may_leave = threading.Event(), threading.Event()

    def clock() -> float:
        is_inside.set()
        may_leave.wait(20)
        return 0.0

    spool = make_spool(max_bytes=1000, clock=clock)
    answers: list[int | None] = []
    writer = threading.Thread(target=spool.write, args=(bytes(2000),))
    handler = threading.Thread(target=lambda: answers.append(spool.write(b"a", is_quiet=True)))
    writer.start()
    assert is_inside.wait(20)
    handler.start()
    handler.join(2)
    answers_meanwhile = list(answers)
    may_leave.set()
    for thread in (writer, handler):
        thread.join(20)
    assert [None] == answers_meanwhile
    assert 1 == spool.write(b"b", is_quiet=True)


def test_signal_in_the_middle_of_a_call(make_spool: MakeSpool) -> None:
    """A signal handler that writes, settles or adopts in the middle of a call does no harm and does not hang."""
    spool, later = make_spool(max_bytes=64 * 1024), make_spool()
    accepted: list[bytes] = []
    calls = 0

    def handler(*_: object) -> None:
        nonlocal calls
        calls += 1
        payload = b"handler %d" % calls
        number = spool.write(payload)
        if number is not None:
            accepted.append(payload)
            if calls % 2:
                spool.settle([number])
                accepted.remove(payload)
        spool.adopt()

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0003)
    try:
        for turn in range(4000):
            payload = b"main %d" % turn
            number = spool.write(payload)
            if number is not None and turn % 50:
                spool.settle([number])
            elif number is not None:
                accepted.append(payload)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert calls > 10
    spool.settle(())
    die(spool)
    assert sorted(accepted) == sorted(payloads(later.adopt()))


def test_child_that_outlives_its_parent(directory: Path, make_spool: MakeSpool) -> None:
    """The child has a segment of its own and nothing of the parent's, whose records can be adopted while it lives."""
    dead = make_spool()
    dead.write(b"older")
    die(dead)
    with host("outlived", directory) as process:
        parent, child = sorted((heard(process), heard(process)), key=len)
        assert {"parent": process.pid, "adopted": 1} == parent
        assert (11, 0, 0) == (child["number"], child["adopted"], child["before"]["written"])
        process.kill()
        process.wait()
        spool = make_spool()
        expected = [b"older", *(b"parent %d" % n for n in range(10)), b"parent after"]
        assert expected == payloads(spool.adopt())
        end(process)
    assert [b"child"] == payloads(spool.adopt())


def test_forks_while_segments_come_and_go(directory: Path) -> None:
    """Whenever a fork happens, the child keeps nothing of the parent's locked."""
    with host("storm", directory, 50) as process:
        parent = heard(process)
        process.kill()
        process.wait()
        listed = [each for each in entries(directory) if each.size]
        assert any(each.process == parent["parent"] for each in listed)
        assert [] == [each for each in listed if each.process == parent["parent"] and each.is_alive]
        assert 50 == len([each for each in listed if each.is_alive])
        end(process)


@pytest.mark.row(8, "8 dying owners, 4 adopters at once")
def test_each_record_is_adopted_once(tmp_path: Path) -> None:
    """While eight processes write and die, four adopt: together they have each record, and no two the same."""
    with host("race", tmp_path, RACE_SECONDS) as process:
        told = heard(process)
    notes = [path.read_text().split() for path in tmp_path.glob("*.adopted")]
    adopted = [int(number) for each in notes for number in each]
    assert told["written"] == sorted(adopted)
    assert [] == files(tmp_path / "spool")
    shares = len([each for each in notes if each])
    assert shares > told["rounds"]  # more than one of the four had something to adopt
    sys.stdout.write(f"{told['rounds']} rounds, {len(adopted)} adopted in {shares} shares, each once\n")


@pytest.mark.row(7, "SIGKILL of the spool alone")
def test_nothing_that_was_accepted_is_lost_by_a_kill(tmp_path: Path, make_spool: MakeSpool) -> None:
    """Killed at any moment, a process leaves every record that it accepted and did not settle, in order."""
    seed = random.randrange(10**9)  # noqa: S311  (only a mixture)
    draw = random.Random(seed)  # noqa: S311  (as above)
    spool = make_spool()
    total = kept = 0
    with host("writers", tmp_path) as process:
        for _ in range(KILLS):
            (tmp_path / "notes").write_bytes(bytes(24))
            say(process, draw.randrange(10**9))
            child = heard(process)["process"]
            threading.Event().wait(draw.uniform(0.02, 0.15))
            os.kill(child, signal.SIGKILL)
            assert {"ended": child} == heard(process)
            accepted, settling, settled = struct.unpack("<QQQ", (tmp_path / "notes").read_bytes())
            adopted = spool.adopt()
            found = [number_of(each.payload) for each in adopted]
            # One may have been written and not noted; of those that were just being settled, any may be there still:
            # a whole segment of them is deleted after the next one has its acknowledgement.
            assert sorted(set(found)) == found, seed
            assert set(range(settling + 1, accepted + 1)) <= set(found) <= set(range(settled + 1, accepted + 2)), seed
            spool.release(*[each.token for each in adopted])
            assert [] == [path for path in files(tmp_path / "spool") if path.stat().st_size]
            total, kept = total + accepted, kept + len(found)
    torn = spool.stats()["torn_tails"]
    sys.stdout.write(f"{KILLS} kills, {total} accepted, {kept} adopted, 0 missing, {torn} torn tails cut\n")
    assert total > 0


# The command line.


def test_segments_of_all_scopes_are_listed(make_spool: MakeSpool, directory: Path) -> None:
    """Owner, records, bytes and age of each are told, and listing changes nothing."""
    alive, dead = make_spool(scope="one"), make_spool(scope="two")
    for spool in (alive, dead):
        numbers = [spool.write(b"payload") or 0 for _ in range(3)]
        spool.settle(numbers[:1])
    die(dead)
    listed = entries(directory)
    assert files(directory) == sorted(each.path for each in listed)
    assert [False, True] == sorted(each.is_alive for each in listed)
    assert {(os.getpid(), 2, len(HEADER) + 3 * 24 + 25)} == {(each.process, each.records, each.size) for each in listed}
    assert all(0 <= each.age < 60 for each in listed)
    assert listed[0].path == entries(directory)[0].path
    assert [b"payload"] * 2 == payloads(make_spool(scope="two").adopt())


def test_purge_deletes_what_nobody_holds(make_spool: MakeSpool, directory: Path) -> None:
    """The dead go, damaged or not; the living stay."""
    alive, dead = make_spool(scope="one"), make_spool(scope="two")
    alive.write(b"a")
    dead.write(b"b")
    die(dead)
    odd = next(directory.iterdir()) / "0000000000001-1-0a.seg"
    odd.touch(0o600)
    odd.write_bytes(b"no segment")
    assert 2 == len(purge(directory))
    assert [True] == [each.is_alive for each in entries(directory)]
    assert [] == purge(directory)
    assert 2 == alive.write(b"c")


def test_list_of_a_folder_that_is_not_there(directory: Path) -> None:
    """It is an error, and nothing is made."""
    with pytest.raises(FileNotFoundError):
        entries(directory)
    assert not directory.exists()


def test_list_of_a_folder_that_is_not_private(directory: Path) -> None:
    """The command line refuses what the spool refuses."""
    directory.mkdir()
    directory.chmod(0o777)
    for look in (entries, purge):
        with pytest.raises(SpoolError):
            look(directory)


# All together, against a model.

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([0, 1, 50, 300])),
        st.tuples(st.just("settle"), st.integers(0, 2**16)),
        st.tuples(st.sampled_from(["die", "close"]), st.just(0)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(OPERATIONS)
def test_any_sequence_of_calls(operations: list[tuple[str, int]]) -> None:
    """Processes that follow one another, each with rotating segments, have what was neither refused nor settled."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "spool"
        waiting: dict[bytes, Any] = {}
        spool, generation = Spool(directory, "tests", 4000), 0
        for turn, (operation, argument) in enumerate(operations):
            if operation == "write":
                payload = b"%d %d " % (generation, turn) + bytes(argument)
                number = spool.write(payload)
                if number is not None:
                    waiting[payload] = number
                assert number is not None or "full" == spool.stats()["state"]
            elif operation == "settle":
                done = random.Random(argument).sample(  # noqa: S311  (only a mixture)
                    sorted(waiting), argument % (len(waiting) + 1)
                )
                spool.settle([waiting.pop(each) for each in done])
            else:
                die(spool) if operation == "die" else spool.close()
                spool, generation = Spool(directory, "tests", 4000), generation + 1
                waiting = adopted_in_order(spool, waiting)
            assert on_disk(directory) <= 4000
            assert 0 == spool.stats()["errors"]
        spool.settle(waiting.values())
        spool.close()
        assert [] == files(directory)


def adopted_in_order(spool: Spool, waiting: dict[bytes, Any]) -> dict[bytes, Any]:
    """Adopt, and check that it is what waits, with the records of each generation in order."""
    adopted = {each.payload: each.token for each in spool.adopt()}
    assert waiting.keys() == adopted.keys()
    for generation in {payload.split()[0] for payload in adopted}:
        turns = [int(payload.split()[1]) for payload in adopted if payload.split()[0] == generation]
        assert sorted(turns) == turns
    return adopted
