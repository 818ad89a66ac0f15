from __future__ import annotations

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import Clock
from layer_sdk import _log
from layer_sdk._log import INTERVAL, MAX_MESSAGES, Limiter, guard, logger, swallow, warn


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the module's limiter a clock of the test's."""
    made = Clock()
    monkeypatch.setattr(_log, "limiter", Limiter(clock=made))
    return made


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what was logged since the last call."""
    found = [record.getMessage() for record in caplog.records if record.name == "layer_sdk"]
    caplog.clear()
    return found


# ---- the limit


def test_same_warning_once_a_minute_with_a_count(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The first is logged, the next ones are held back, and the first after a minute tells how many there were."""
    warn("lost %s", "a")
    assert ["lost a"] == lines(caplog)
    for name in "bcd":
        warn("lost %s", name)
    clock.now += INTERVAL - 0.001
    warn("lost %s", "e")
    assert [] == lines(caplog)
    clock.now += 0.001
    warn("lost %s", "f")
    assert ["lost f (5 times since the last such line)"] == lines(caplog)
    clock.now += INTERVAL
    warn("lost %s", "g")
    assert ["lost g"] == lines(caplog)


def test_other_warning_is_not_held_back(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Each message has a minute of its own."""
    for message in ("one", "two", "one", "two"):
        warn(message)
    assert ["one", "two"] == lines(caplog)
    clock.now += INTERVAL
    warn("two")
    assert ["two (2 times since the last such line)"] == lines(caplog)


def test_interval_is_a_minute() -> None:
    """The limit is the one that the design names."""
    assert 60.0 == INTERVAL


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 70)), max_size=60))
def test_limiter_counts_every_occurrence(steps: list[tuple[str, int]]) -> None:
    """What was told and what is held back make up what happened, and no two tellings are closer than the interval."""
    clock = Clock()
    limiter = Limiter(clock=clock)
    told = dict.fromkeys("abc", 0)
    at: dict[str, list[float]] = {name: [] for name in "abc"}
    for name, pause in steps:
        clock.now += pause
        times = limiter.admit(name)
        told[name] += times
        at[name] += [clock.now] * bool(times)
    clock.now += INTERVAL
    for name in "abc":
        assert 1 + sum(each == name for each, _ in steps) == told[name] + limiter.admit(name)
        assert all(later - earlier >= INTERVAL for earlier, later in zip(at[name], at[name][1:]))


def test_limiter_under_threads() -> None:
    """However many threads ask at once, one is told to log, and none is lost from the count."""
    clock = Clock()
    limiter = Limiter(clock=clock)
    start = threading.Barrier(16)

    def ask(_: int) -> int:
        start.wait()
        return sum(limiter.admit("x") for _ in range(500))

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(ask, range(16)))
    assert [0] * 15 + [1] == sorted(told)
    clock.now += INTERVAL
    assert 16 * 500 == limiter.admit("x")


def test_limiter_remembers_so_many_and_no_more() -> None:
    """Its memory has a limit; what was logged longest ago is forgotten first."""
    clock = Clock()
    limiter = Limiter(clock=clock, size=3)
    assert [1, 1, 1, 0, 0, 0] == [limiter.admit(name) for name in "abcabc"]
    clock.now += INTERVAL
    assert [2, 1] == [limiter.admit(name) for name in "ad"]
    clock.now += INTERVAL - 1
    assert [0, 0, 1] == [limiter.admit(name) for name in "adb"]


def test_memory_of_the_limiter_is_bounded() -> None:
    """A million different messages take no more room than a thousand."""
    limiter = Limiter()
    for number in range(3 * MAX_MESSAGES):
        limiter.admit(str(number))
    held_back = [number for number in range(3 * MAX_MESSAGES) if not limiter.admit(str(number))]
    assert len(held_back) <= MAX_MESSAGES


def test_arguments_may_be_anything(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The count stands last, whatever the arguments are."""
    for _ in range(2):
        warn("%s of %d%%", "50", 3)
        clock.now += INTERVAL / 2 + 1
    warn("%s of %d%%", "50", 3)
    assert ["50 of 3%", "50 of 3% (2 times since the last such line)"] == lines(caplog)


# ---- the guard


def fail(words: str) -> None:
    raise LookupError(words)


def test_guard_keeps_an_exception_from_the_host(
    internal_errors: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """The host goes on; type and place are logged, never the text; observers hear the exception itself."""
    with guard("recording an action"):
        fail("the prompt, a token and other secrets")
    assert [LookupError] == [type(error) for error in internal_errors]
    (line,) = lines(caplog)
    assert line.startswith("An error inside the Layer SDK while recording an action was ignored: LookupError at ")
    assert line.endswith(f"test_log.py:{fail.__code__.co_firstlineno + 1}")
    assert "secret" not in caplog.text
    internal_errors.clear()


def test_guarded_exception_leaves_no_traceback_in_the_log(
    internal_errors: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """A traceback would hold the exception's text."""
    with guard("x"):
        fail("secret")
    assert [(logging.WARNING, None, None)] == [(r.levelno, r.exc_info, r.exc_text) for r in caplog.records]
    internal_errors.clear()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_guard_lets_the_end_of_the_program_pass(kind: type[BaseException]) -> None:
    """What is no Exception is not ours to keep."""
    with pytest.raises(kind), guard("x"):
        raise kind


def test_guard_is_silent_when_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged and what the block did stays done."""
    done = []
    with guard("x"):
        done.append(1)
    assert ([1], []) == (done, lines(caplog))


def test_exception_that_was_never_raised(
    internal_errors: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """An exception without a traceback is reported without a place."""
    swallow("x", ValueError("secret"))
    assert ["An error inside the Layer SDK while x was ignored: ValueError at an unknown place"] == lines(caplog)
    internal_errors.clear()


# ---- the host's logging


@pytest.fixture
def broken_handler() -> Callable[[], None]:
    """Give the host a handler that raises."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("the host's disk is full")

    handler = Broken()
    logger.addHandler(handler)
    return lambda: logger.removeHandler(handler)


def test_handler_of_the_host_that_raises(
    internal_errors: list[BaseException], broken_handler: Callable[[], None]
) -> None:
    """A handler that cannot log does not turn our warning into the host's exception."""
    try:
        warn("x")
        with guard("x"):
            fail("x")
    finally:
        broken_handler()
    assert [OSError, LookupError, OSError] == [type(error) for error in internal_errors]
    internal_errors.clear()


def test_import_configures_no_logging() -> None:
    """The only handler is a NullHandler, no level is set, and without configuration nothing is printed."""
    code = (
        "import logging, layer_sdk, layer_sdk._log as log\n"
        "assert [logging.NullHandler] == [type(handler) for handler in log.logger.handlers]\n"
        "assert (logging.NOTSET, True, []) == (log.logger.level, log.logger.propagate, logging.getLogger().handlers)\n"
        "log.warn('x')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (0, b"", b"") == (ended.returncode, ended.stdout, ended.stderr)
