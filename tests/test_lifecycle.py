from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = {f"3.{minor}": ROOT / f".envs/wheel-3.{minor}/bin/python" for minor in range(8, 15)}
FOUND = {number: python for number, python in PYTHONS.items() if python.exists()} or {"this": Path(sys.executable)}


def run(program: str, python: Path = Path(sys.executable)) -> str:
    """Run a program with a Python and give what it prints; it must end well and complain of nothing."""
    done = subprocess.run(
        [str(python), "-c", f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'generated')]}\n{program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


# An exception strikes at each line in turn, as one of a signal handler may.
INTERRUPTED = """
import threading
from layer_sdk.delivery import _lifecycle

class Stop(BaseException):
    pass

def strike(number):
    def trace(frame, event, _):
        nonlocal number
        number -= event == "line"
        if number < 0:
            sys.settrace(None)
            raise Stop
        return trace
    return trace

struck, is_over = 0, False
while not is_over:
    try:
        sys.settrace(strike(struck))
        _lifecycle.is_ending()
        _lifecycle.is_main_alive()
        sys.settrace(None)
        is_over = True
    except Stop:
        struck += 1
print(struck > 1, _lifecycle.is_ending(), _lifecycle.is_main_alive(), threading.main_thread().is_alive())
"""


@pytest.mark.parametrize("python", FOUND.values(), ids=FOUND)
def test_exception_of_a_signal_handler_does_not_end_the_main_thread(python: Path) -> None:
    """Each recording asks whether the main thread goes on; Ctrl-C at whatever line of that leaves it going on."""
    assert "True False True True" == run(INTERRUPTED, python)
