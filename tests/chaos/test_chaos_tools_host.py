"""Host processes are struck down when they are meant to be, and what they had accepted is known."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chaos.conftest import MakeHost

GENEROUS = 30.0  # seconds; guards against hangs, measures nothing
ROOT = Path(__file__).resolve().parent.parent.parent
OTHERS = [
    each for each in sorted(ROOT.glob(".envs/wheel-*/bin/python")) if f"3.{sys.version_info[1]}" not in each.parts[-3]
]

COUNTING = """
import itertools, time
from chaos.chaos_guest import accepted
for number in itertools.count():
    accepted.note(number)
    print(number, flush=True)
"""

HANGING = """
import threading
def waits_here():
    threading.Event().wait()
print("ready", flush=True)
waits_here()
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_dead(pid: int) -> None:
    end = time.monotonic() + GENEROUS
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("python", [sys.executable, *OTHERS], ids=lambda path: Path(path).parent.parent.name)
def test_what_was_accepted_outlives_a_kill(host: MakeHost, python: str | Path) -> None:
    """The noted numbers are there without a gap, and none is missing that was printed after it was noted."""
    process = host(COUNTING, python=python)
    pause = process.strike(low=0.02, high=0.1, after=10)
    assert -signal.SIGKILL == process.wait(GENEROUS)
    assert 0.02 <= pause <= 0.1
    noted = process.accepted()
    printed = [int(line) for line in process.stdout.split("\n")[:-1]]
    assert list(range(len(noted))) == noted
    assert len(printed) in (len(noted), len(noted) - 1)
    assert "" == process.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_other_signals_can_be_sent(host: MakeHost, number: signal.Signals) -> None:
    """The process ends by the signal it was sent, and whoever looks sees which it was."""
    process = host(COUNTING)
    process.strike(number)
    assert -number == process.wait(GENEROUS)
    assert ("KeyboardInterrupt" in process.stderr) == (number == signal.SIGINT)


def test_moments_come_from_the_seed(host: MakeHost) -> None:
    """Two hosts with one seed are struck after the same pause."""
    one, two = (host(COUNTING, seed=5) for _ in range(2))
    assert one.strike() == two.strike()


def test_a_program_may_be_a_file(host: MakeHost, tmp_path: Path) -> None:
    """A file runs as it is, with arguments, variables, folders to import from, and lines on its stdin."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "imported_by_host.py").write_text("NAME = 'imported'")
    file = tmp_path / "file.py"
    file.write_text(
        "from __future__ import annotations\n"
        "import os, sys, imported_by_host\n"
        "print(sys.argv[1], os.environ['OWN'], imported_by_host.NAME, input(), __name__)"
    )
    process = host(file, arguments=["one"], environment={"OWN": "two"}, paths=[tmp_path / "library"])
    process.tell("three")
    process.wait_printed("__main__")
    process.assert_exit(GENEROUS)
    assert "one two imported three __main__\n" == process.stdout


def test_threads_and_sessions_are_told_apart(host: MakeHost) -> None:
    """Numbers of many threads are all there, by session, in each session's order."""
    process = host("""
import threading
from chaos.chaos_guest import accepted
def work(session):
    for number in range(5000):
        accepted.note(number, session)
threads = [threading.Thread(target=work, args=(session,)) for session in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
""")
    process.assert_exit(GENEROUS)
    assert {session: list(range(5000)) for session in range(4)} == process.accepted_by_session()


def test_forked_children_note_for_themselves(host: MakeHost) -> None:
    """A child's numbers do not overwrite its parent's."""
    process = host("""
import os
from chaos.chaos_guest import accepted
for child in range(5):
    accepted.note(child)
    if os.fork() == 0:
        accepted.note(100 + child)
        raise SystemExit
for child in range(5):
    os.wait()
""")
    process.assert_exit(GENEROUS)
    assert [0, 1, 2, 3, 4, 100, 101, 102, 103, 104] == sorted(process.accepted())


def test_too_many_numbers_are_an_error(host: MakeHost) -> None:
    """A host cannot believe that a number was noted which was not."""
    process = host(COUNTING, capacity=3)
    process.assert_exit(GENEROUS, status=1)
    assert ([0, 1, 2], True) == (process.accepted(), "IndexError" in process.stderr)


def test_a_host_that_hangs_shows_where(host: MakeHost) -> None:
    """When it does not end in time, it is killed, and the test fails with the stacks of its threads."""
    process = host(HANGING)
    process.wait_printed("ready")
    with pytest.raises(AssertionError, match=r"(?s)has not ended within 0.1 s \(seed \d+\).*waits_here"):
        process.assert_exit(0.1)
    assert -signal.SIGKILL == process.wait(GENEROUS)


def test_a_wrong_end_shows_the_stderr(host: MakeHost) -> None:
    """The failure says how it ended and what it complained about."""
    process = host("raise ValueError('the reason')")
    with pytest.raises(AssertionError, match=r"(?s)ended with 1 instead of 0.*the reason"):
        process.assert_exit(GENEROUS)
    with pytest.raises(AssertionError, match=r"(?s)ended with 1 before it could note 1 numbers.*the reason"):
        process.wait_accepted(1)


@pytest.mark.parametrize("python", [sys.executable, *OTHERS], ids=lambda path: Path(path).parent.parent.name)
def test_watchdog_guards_parent_and_child(host: MakeHost, python: str | Path) -> None:
    """A process that hangs ends itself with its stacks, and so does a child that it forked."""
    process = host(
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    time.sleep(100)\n"
        "print(os.waitpid(child, 0)[1], flush=True)\n"
        "time.sleep(100)\n",
        python=python,
        guard=1.5,
    )
    process.assert_exit(GENEROUS, status=1)
    assert 2 == process.stderr.count("Timeout (0:00:0")
    assert "256\n" == process.stdout


@pytest.mark.parametrize("python", [sys.executable, *OTHERS], ids=lambda path: Path(path).parent.parent.name)
def test_watchdog_does_not_hang_a_forked_child_that_ends(host: MakeHost, python: str | Path) -> None:
    """A child that ends as programs do, and not by `os._exit`, ends at once."""
    process = host("import os, sys\nif os.fork() == 0:\n    sys.exit(0)\nprint(os.wait()[1])", python=python)
    process.assert_exit(GENEROUS)
    assert ("0\n", "") == (process.stdout, process.stderr)


def test_kill_spares_the_children_and_close_does_not(host: MakeHost) -> None:
    """A signal is for the process alone: its child lives on, until the host is closed."""
    process = host("""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print(child.pid, flush=True)
time.sleep(100)
""")
    process.wait_printed("\n")
    child = int(process.stdout)
    process.send()
    assert -signal.SIGKILL == process.wait(GENEROUS)
    assert is_alive(child)
    process.close()
    wait_dead(child)
    assert -signal.SIGKILL == process.status()
    assert not Path(f"/proc/{process.pid}").exists()


def test_signals_after_the_end_reach_nobody(host: MakeHost) -> None:
    """A process that has ended is not confused with another one of its number."""
    process = host("import os; os._exit(7)")
    process.assert_exit(GENEROUS, status=7)
    process.send()
    process.close()
    process.send()
    assert 7 == process.status()


def test_nothing_of_the_host_is_inherited_but_what_was_asked_for(host: MakeHost) -> None:
    """Sockets and files of the test are not open in the host."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    process = host("import os; print(sorted(int(each) for each in os.listdir('/proc/self/fd')))")
    process.assert_exit(GENEROUS)
    os.close(descriptor)
    assert "[0, 1, 2, 3]\n" == process.stdout  # 3 is the listing itself
