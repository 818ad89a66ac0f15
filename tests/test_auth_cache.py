from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

import pytest

from clock import Clock, stop_for_tokens
from layer_sdk import LayerAuthError, LayerRequestError
from layer_sdk._secrets import Secret
from layer_sdk._tokens import ROUNDED, Granted, TokenCache


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the time for whoever keeps the token."""
    return stop_for_tokens(monkeypatch)


class Provider:
    """Gives tokens that are numbered, when the test lets it.

    Attributes:
        asked: How often it was asked.
        error: What to raise instead.
        gate: It answers while this is set.
    """

    def __init__(self, lifetime: float = 100.0 + ROUNDED) -> None:
        self.asked = 0
        self.error: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._lifetime = lifetime

    def __call__(self) -> Granted:
        self.asked += 1
        number, error = self.asked, self.error
        assert self.gate.wait(30)
        if error is not None:
            raise error
        return Granted(Secret(f"t{number}"), self._lifetime)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other threads do."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def got(cache: TokenCache) -> str:
    return cache.get().reveal()


# ---- renewal ahead of expiry


def test_others_go_on_with_the_old_token_while_one_renews(clock: Clock) -> None:
    """In the last part of a token's life one thread asks for the next; nobody else waits, or asks."""
    asked = Provider()
    cache = TokenCache(asked)
    assert "t1" == got(cache)
    clock.now += 95
    asked.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(got, cache)
        until(lambda: asked.asked == 2)
        assert ["t1"] * 20 == [got(cache) for _ in range(20)]
        asked.gate.set()
        assert "t2" == renewing.result(30)
    assert ("t2", 2) == (got(cache), asked.asked)


def test_renewal_that_lasts_longer_than_the_token_is_waited_for(clock: Clock) -> None:
    """Once the old token is dead, whoever comes waits for the fetch that is under way."""
    asked = Provider()
    cache = TokenCache(asked)
    got(cache)
    clock.now += 95
    asked.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(got, cache)
        until(lambda: asked.asked == 2)
        clock.now += 2.5
        waiting = pool.submit(got, cache)
        time.sleep(0.05)
        assert not waiting.done()
        asked.gate.set()
        assert ("t2", "t2") == (renewing.result(30), waiting.result(30))
    assert 2 == asked.asked


@pytest.mark.parametrize("error", [LayerRequestError("away"), LayerAuthError("refused")])
def test_failed_renewal_is_no_error_while_the_old_token_lives(clock: Clock, error: Exception) -> None:
    """The old token is used, and the provider asked again after a while; once the token is dead, it is an error."""
    asked = Provider()
    cache = TokenCache(asked)
    got(cache)
    asked.error = error
    clock.now += 93
    assert ["t1"] * 5 == [got(cache) for _ in range(5)]
    assert 2 == asked.asked
    clock.now += 1
    assert ("t1", 3) == (got(cache), asked.asked)
    clock.now += 3
    with pytest.raises(type(error)):
        got(cache)
    asked.error = None
    assert "t5" == got(cache)


def test_failed_renewal_does_not_prolong_the_old_token(clock: Clock) -> None:
    """The pause after a failed renewal ends with the token."""
    asked = Provider(lifetime=2 + ROUNDED)
    cache = TokenCache(asked)
    got(cache)
    asked.error = LayerRequestError("away")
    clock.now += 1.9
    assert "t1" == got(cache)
    clock.now += 0.05
    with pytest.raises(LayerRequestError):
        got(cache)


# ---- one fetch


def waiting_for(cache: TokenCache) -> int:
    event: Any = cache._flight.is_over if cache._flight is not None else None
    return len(event._cond._waiters)


def failing_together(threads: int, error: BaseException) -> tuple[list[BaseException | None], Provider, TokenCache]:
    asked = Provider()
    asked.error = error
    asked.gate.clear()
    cache = TokenCache(asked)
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(got, cache)]
        until(lambda: asked.asked == 1)
        futures += [pool.submit(got, cache) for _ in range(threads - 1)]
        until(lambda: waiting_for(cache) == threads - 1)
        asked.error = None
        asked.gate.set()
        return [future.exception(30) for future in futures], asked, cache


def test_failure_is_shared_by_those_who_waited_for_it() -> None:
    """All that waited get the error, each one of its own with the cause; the next caller asks anew."""
    error = LayerRequestError("away")
    error.__cause__ = OSError("no route")
    errors, asked, cache = failing_together(8, error)
    assert [(LayerRequestError, "away", error.__cause__)] * 8 == [
        (type(each), str(each), each.__cause__) for each in errors if each is not None
    ]
    assert 8 == len({id(each) for each in errors})
    assert (1, "t2") == (asked.asked, got(cache))


def test_thread_that_is_stopped_while_it_fetches_leaves_nobody_waiting() -> None:
    """After a KeyboardInterrupt in the one that fetches, one of those who waited takes over."""
    errors, asked, _ = failing_together(8, KeyboardInterrupt())
    assert [KeyboardInterrupt] == [type(each) for each in errors if each is not None]
    assert 2 == asked.asked


def test_need_of_a_token_in_the_middle_of_fetching_it() -> None:
    """A signal handler or hook that needs a token on the very thread that fetches it gets an error, no deadlock."""
    found: list[Any] = []

    def fetch() -> Granted:
        try:
            found.append(got(cache))
        except LayerRequestError as error:
            found.append(str(error))
        return Granted(Secret("t1"), 60)

    cache = TokenCache(fetch)
    assert "t1" == got(cache)
    assert ["A token is needed in the middle of fetching it: by a signal handler, or by http_session"] == found


# ---- refused tokens


def test_refusal_of_an_old_token_leaves_the_newer_one(clock: Clock) -> None:
    """Only the token that was refused is forgotten; without one, whichever is kept."""
    asked = Provider()
    cache = TokenCache(asked)
    old = cache.get()
    cache.forget(old)
    assert "t2" == got(cache)
    cache.forget(old)
    assert "t2" == got(cache)
    cache.forget(Secret("t2"))
    assert "t3" == got(cache)
    cache.forget()
    assert "t4" == got(cache)


def test_herd_of_refusals_is_one_fetch() -> None:
    """Thirty threads whose token was refused cause one request for another."""
    asked = Provider()
    cache = TokenCache(asked)
    old = cache.get()
    start = threading.Barrier(30)

    def refuse(_: int) -> str:
        start.wait(30)
        cache.forget(old)
        return got(cache)

    with ThreadPoolExecutor(30) as pool:
        assert {"t2"} == set(pool.map(refuse, range(30)))
    assert 2 == asked.asked


def test_nothing_is_locked_while_a_token_is_fetched() -> None:
    """Forgetting does not wait for a fetch that is under way."""
    asked = Provider()
    asked.gate.clear()
    cache = TokenCache(asked)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(got, cache)
        until(lambda: asked.asked == 1)
        cache.forget()
        assert not fetching.done()
        asked.gate.set()
        assert "t1" == fetching.result(30)


# ---- fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_child_forked_in_the_middle_of_a_fetch_fetches_itself() -> None:
    """A child does not wait for a thread of the parent's, and whoever held the lock, it is free."""
    asked = Provider()
    asked.gate.clear()
    cache = TokenCache(asked)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(got, cache)
        until(lambda: asked.asked == 1)
        with cache._lock:
            child = os.fork()
            if child == 0:
                asked.gate = threading.Event()
                asked.gate.set()
                os._exit(0 if got(cache) == "t2" else 1)
        try:
            until(lambda: os.waitpid(child, os.WNOHANG) == (child, 0))
        except AssertionError:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            asked.gate.set()
        assert "t1" == fetching.result(30)


# ---- secrets


def test_secret_does_not_show() -> None:
    """Neither repr nor str nor pickle gives a secret away; two with one value are equal."""
    secret = Secret("s3cr3t")
    assert ("***", "***", "[***]") == (repr(secret), str(secret), f"{[secret]}")
    assert (True, False, False) == (secret == Secret("s3cr3t"), secret == Secret("other"), secret == "s3cr3t")
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(secret)
