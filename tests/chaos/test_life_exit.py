"""How processes end, on every Python found here: what was recorded is sent, in time, or counted."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from chaos import chaos_faults
from chaos.life_program import FIRST, URL

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.chaos_proxy import ChaosProxy
    from chaos.fake_layer import FakeLayer

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("life_ends.py")
PATHS = (ROOT, ROOT / "generated")
PYTHONS = {f"3.{minor}": ROOT / f".envs/wheel-3.{minor}/bin/python" for minor in range(8, 15)}
RANGE = 100_000  # numbers that each process has for itself
COUNT = 40
PATIENCE = 40.0  # seconds for an interpreter to start, to record and to end, with its fellows, on a busy machine

MakeHost = Callable[..., "ChaosHost"]


class Hosts:
    """The same program on every Python at once.

    Args:
        start: The fixture that starts host processes.
        fake_layer: Where they send to.
    """

    def __init__(self, start: MakeHost, fake_layer: FakeLayer) -> None:
        self._start = start
        self.fake_layer = fake_layer
        self.hosts: dict[str, ChaosHost] = {}

    def run(self, end: str, *arguments: str, url: str = "") -> None:
        found = {number: python for number, python in PYTHONS.items() if python.exists()}
        for place, (number, python) in enumerate((found or {"this": Path(sys.executable)}).items()):
            self.hosts[number] = self._start(
                PROGRAM,
                python=python,
                arguments=(end, *arguments),
                environment={URL: url or self.fake_layer.url, FIRST: str(place * RANGE)},
                paths=PATHS,
            )

    def wait_printed(self, text: str) -> None:
        for host in self.hosts.values():
            host.wait_printed(text, PATIENCE)

    def send(self, number: int) -> None:
        for host in self.hosts.values():
            host.send(number)

    def ends(self) -> dict[str, int]:
        return {number: host.wait(PATIENCE) for number, host in self.hosts.items()}

    def all(self, value: Any) -> dict[str, Any]:
        """Say the same of each Python."""
        return dict.fromkeys(self.hosts, value)

    def arrived(self) -> dict[str, list[int]]:
        """Give the numbers that arrived of each, once for each time; what a signal cuts short may have none yet."""
        numbers = sorted(int(key) for key in self.fake_layer.keys() if key)  # noqa: SIM118  (no dict)
        return {
            name: [number - place * RANGE for number in numbers if number // RANGE == place]
            for place, name in enumerate(self.hosts)
        }

    def accepted(self) -> dict[str, list[int]]:
        """Give the numbers whose recording had returned."""
        return {
            name: [number - place * RANGE for number in sorted(host.accepted())]
            for place, (name, host) in enumerate(self.hosts.items())
        }

    def printed(self, pattern: str) -> dict[str, list[str]]:
        return {name: re.findall(pattern, host.stdout) for name, host in self.hosts.items()}

    def complaints(self) -> dict[str, list[str]]:
        """Give the lines of stderr."""
        return {name: host.stderr.splitlines() for name, host in self.hosts.items()}


def show(text: str) -> None:
    """Print what was measured, for `pytest -rP`."""
    sys.stdout.write(text + "\n")


@pytest.fixture
def hosts(host: MakeHost, fake_layer: FakeLayer) -> Hosts:
    """A program on every Python."""
    return Hosts(host, fake_layer)


@pytest.mark.row(6, "end in order, all Pythons")
@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("run_off", 0),
        ("leave", 3),
        ("first_in_atexit_before", 0),
        ("first_in_atexit_after", 0),
        ("both_in_atexit", 0),
        ("begun_in_atexit", 0),
        ("narrow_session", 0),
    ],
)
def test_end_in_order_sends_everything_once(hosts: Hosts, end: str, status: int) -> None:
    """The end of the program, sys.exit, and records made while Python's own end is under way."""
    hosts.run(end)
    assert hosts.all(status) == hosts.ends()
    assert hosts.accepted() == hosts.arrived()
    assert {"narrow_session": hosts.all(COUNT + 1)}.get(end, hosts.all(COUNT)) == {
        name: len(numbers) for name, numbers in hosts.arrived().items()
    }
    assert hosts.all([]) == hosts.complaints()


@pytest.mark.row(6, "uncaught exception, all Pythons")
def test_uncaught_exception_sends_everything_once(hosts: Hosts) -> None:
    """The host's own exception is shown as ever, and nothing besides it."""
    hosts.run("fail")
    assert hosts.all(1) == hosts.ends()
    assert hosts.all(list(range(COUNT))) == hosts.arrived()
    assert hosts.all("ValueError: the host's own") == {name: lines[-1] for name, lines in hosts.complaints().items()}
    assert hosts.all(1) == {name: "\n".join(lines).count("Traceback") for name, lines in hosts.complaints().items()}


@pytest.mark.row(6, "Ctrl-C, all Pythons")
def test_ctrl_c_sends_everything_once(hosts: Hosts) -> None:
    """SIGINT ends a program by KeyboardInterrupt."""
    hosts.run("idle")
    hosts.wait_printed("ready")
    hosts.send(signal.SIGINT)
    assert hosts.all(-signal.SIGINT) == hosts.ends()
    assert hosts.all(list(range(COUNT))) == hosts.arrived()


@pytest.mark.row(6, "SIGTERM with our handler, all Pythons")
def test_sigterm_with_the_handler_sends_everything_once(hosts: Hosts) -> None:
    """layer.install_sigterm_handler() makes of SIGTERM an end in order."""
    hosts.run("idle_with_handler")
    hosts.wait_printed("ready")
    hosts.send(signal.SIGTERM)
    assert hosts.all(128 + signal.SIGTERM) == hosts.ends()
    assert hosts.all(list(range(COUNT))) == hosts.arrived()
    assert hosts.all([]) == hosts.complaints()


@pytest.mark.row(6, "a signal in the middle of recording")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_the_middle_of_recording_loses_nothing(hosts: Hosts, number: signal.Signals) -> None:
    """The exception may strike inside of the SDK: what was accepted before is sent once, and the end does not wait."""
    hosts.run("busy")
    for host in hosts.hosts.values():
        host.strike(number, after=100)
    assert hosts.all(-number if number == signal.SIGINT else 128 + number) == hosts.ends()
    arrived, accepted = hosts.arrived(), hosts.accepted()
    for name in hosts.hosts:
        assert [] == sorted(set(accepted[name]) - set(arrived[name]))
        assert len(arrived[name]) == len(set(arrived[name]))
        assert set(arrived[name]) <= {*accepted[name], len(accepted[name])}, "at most the one that was interrupted"
    took = [float(*seconds) for seconds in hosts.printed(r"took ([\d.]+)").values()]
    assert len(hosts.hosts) == len(took)
    assert max(took) < 4.0  # less than the budget: nothing was waited for in vain


@pytest.mark.row(6, "SIGTERM, SIGKILL, os._exit")
@pytest.mark.parametrize(("end", "number", "status"), [
    ("idle_half_sent", signal.SIGTERM, -signal.SIGTERM),
    ("idle_half_sent", signal.SIGKILL, -signal.SIGKILL),
    ("cut_off", 0, 7),
])  # fmt: skip
def test_end_that_skips_python_loses_only_what_was_queued(
    hosts: Hosts, end: str, number: signal.Signals, status: int
) -> None:
    """SIGTERM without a handler, SIGKILL and os._exit: the process ends at once; what was flushed is there, once."""
    hosts.run(end)
    if number:
        hosts.wait_printed("ready")
        hosts.send(number)
    assert hosts.all(status) == hosts.ends()
    for name, numbers in hosts.arrived().items():
        assert len(set(numbers)) == len(numbers)
        assert set(range(COUNT)) <= set(numbers) <= set(hosts.accepted()[name])


def test_thread_that_goes_on_is_not_held_up_and_loses_nothing(hosts: Hosts) -> None:
    """Where the main thread has ended and another one works on, recording costs it no request."""
    hosts.fake_layer.switch(delay=0.2)
    hosts.run("thread_goes_on")
    assert hosts.all(0) == hosts.ends()
    assert hosts.all(list(range(11))) == hosts.arrived()
    slowest = {name: float(*seconds) for name, seconds in hosts.printed(r"slowest ([\d.]+)").items()}
    show(f"slowest call by Python: {slowest}")
    assert max(slowest.values()) < 0.2


def test_thread_that_begins_late_loses_nothing(hosts: Hosts) -> None:
    """Python 3.12 lets nobody start a thread when the main thread has ended: whoever records sends."""
    hosts.run("thread_begins_late")
    assert hosts.all(0) == hosts.ends()
    assert hosts.all(list(range(10))) == hosts.arrived()


@pytest.mark.row(20, "workers killed, 20 of them")
def test_worker_that_is_killed_is_replaced(hosts: Hosts) -> None:
    """SystemExit in a worker ends that worker; the next record starts another, and nothing is lost or sent twice."""
    hosts.run("worker_killed")
    assert hosts.all(0) == hosts.ends()
    assert hosts.all(["20"]) == hosts.printed(r"deaths (\d+)")
    assert hosts.all(list(range(COUNT))) == hosts.arrived()


@pytest.mark.row(6, "end without a server, memory")
@pytest.mark.parametrize("fault", [chaos_faults.refuse(), chaos_faults.black_hole()], ids=["refused", "black hole"])
@pytest.mark.parametrize("budget", [1.0, 5.0])
def test_end_without_a_server_keeps_to_the_budget(
    hosts: Hosts, chaos_proxy: ChaosProxy, fault: chaos_faults.Fault, budget: float
) -> None:
    """All that is recorded, also late, has one budget; what is left is counted, and one line of the log says so."""
    chaos_proxy.use(fault)
    hosts.run("without_server", str(budget), url=chaos_proxy.url)
    assert hosts.all(0) == hosts.ends()
    took = {name: float(*seconds) for name, seconds in hosts.printed(r"took ([\d.]+)").items()}
    show(f"budget {budget}, ended after: {took}")
    for name in hosts.hosts:
        assert took[name] <= budget + 0.5
        lost: Counter[str] = Counter()
        for line in hosts.printed(r"dropped (\w+ \d+)")[name]:
            reason, count = line.split()
            lost[reason] += int(count)
        assert COUNT + 5 + 3 + 1 == sum(lost.values()), "actions and sessions, those in time and those too late"
        assert 1 == len(hosts.complaints()[name]), hosts.complaints()[name]
    assert hosts.all([]) == hosts.arrived()
