"""A program whose records are still to be put into words when something happens: `life_deferred.py WAY`. Python 3.8."""

from __future__ import annotations

import atexit
import datetime
import decimal
import os
import sys
import threading
import time
from typing import Any, NoReturn

from chaos.chaos_guest import accepted
from chaos.life_forks import CHILD, HANG, Watcher, child, reap
from chaos.life_program import FIRST, Clock, act, act_many, begin, tell, tell_drop, tell_later
from layer_sdk import layer

COUNT = 20


class Held:
    """Words that have to be waited for."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self.began = threading.Event()
        self.may_go = threading.Event()

    def __call__(self) -> list[dict[str, Any]]:
        """Give the actions."""
        self.began.set()
        self.may_go.wait()
        return [{"kind": "embeddings", "data": {"key": str(number)}} for number in self._numbers]


def fork_while_building() -> None:
    """Fork while a worker is in the middle of words, and go on on both sides."""
    begin()
    act(0)
    assert layer.flush(HANG)
    held = Held(1, 2)
    with layer.session() as session_id:
        tell_later(held, session_id)
        assert held.began.wait(HANG)
        act(3, session_id)

    def work() -> None:
        assert layer.stats()["accepted"] == 0
        assert layer.flush(1)
        act(CHILD + number, session_id)
        assert layer.flush(HANG)

    for number in range(4):
        tell(f"bad {reap([child(work, skips_python=bool(number % 2))])}")
    held.may_go.set()
    assert layer.flush(HANG)
    for number in (1, 2):
        accepted.note(number)
    stats = layer.stats()
    tell(f"left {stats['accepted'] - stats['sent']}")


def hang_at_the_end() -> None:
    """End while words are being made that never come; what others recorded is sent, and the budget kept to."""
    clock = Clock()
    atexit.register(clock.tell)
    begin(shutdown_timeout=1.0, on_drop=tell_drop)
    held = Held(1000)
    with layer.session() as session_id:
        assert layer.flush(HANG)
        tell_later(held, session_id)
        assert held.began.wait(HANG)
        tell_later(Held(), session_id)
    act_many(COUNT)
    clock.start()


def end_before_workers_start() -> None:
    """As above, but the thread that is to start another worker has its turn when Python starts no more."""
    sys.setswitchinterval(30.0)
    hang_at_the_end()


def slow_at_the_end() -> None:
    """End while each action takes a while to be put into words."""

    def slow(action: Any) -> Any:
        time.sleep(0.02)
        return action

    begin(before_send=slow)
    act_many(2 * COUNT, lanes=2)


def record_at_the_end() -> None:
    """Have the last words record as well, while Python's own end is under way."""

    def audit(action: Any) -> Any:
        number = int(action.data["key"]) - int(os.environ[FIRST])
        if number < COUNT:
            act(COUNT + number)
        return action

    begin(before_send=audit)
    act_many(COUNT)


def leave_in_words() -> NoReturn:
    """End at once from within the words, as a `before_send` with a grudge does."""
    begin(before_send=lambda _: sys.exit(3))
    act_many(COUNT)
    flushed = layer.flush(HANG)
    dropped = layer.stats()["dropped"]
    tell(f"flushed {flushed}")
    tell(f"dropped {dropped}")
    sys.exit(0)


def imports() -> None:
    """Have workers put all kinds of values into words."""
    begin(before_send=lambda action: action)
    odd = [datetime.datetime.now(datetime.timezone.utc), decimal.Decimal(1), {1, 2}, b"bytes", object(), os.environ]
    sys.meta_path.insert(0, Watcher())
    for number, value in enumerate([*odd, ValueError("its text")]):
        error = value if isinstance(value, Exception) else None
        fields = {"kind": "embeddings", "data": {"key": str(number), "odd": value}, "error": error}
        tell_later(lambda fields=fields: [fields, {"kind": "of no kind"}])  # type: ignore[misc]
    tell(f"flushed {layer.flush(HANG)}")
    tell(f"sent {layer.stats()['sent']}")


WAYS = {
    way.__name__: way
    for way in (
        fork_while_building,
        hang_at_the_end,
        end_before_workers_start,
        slow_at_the_end,
        record_at_the_end,
        leave_in_words,
        imports,
    )
}

if __name__ == "__main__":
    WAYS[sys.argv[1]]()
