"""What has just come in: added to without a lock, emptied inside of one, and never left lying."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from layer_sdk._drafts import Built
from layer_sdk._ids import VERSION, Unnamed, id_of, new_session_id
from layer_sdk.delivery._account import Account
from layer_sdk.delivery._inbox import PART, ROOM, Inbox
from layer_sdk.delivery._record import LANE, OVERHEAD

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk.delivery._record import Record

MEMORY = 64 * 1024 * 1024


def nothing() -> Built:
    return Built([], [])


class Admitted:
    """Where records go that are admitted.

    Args:
        interrupt: Raised in the middle of the first admission, before or after it is counted.
    """

    def __init__(self, interrupt: str = "") -> None:
        self.account = Account()
        self.came: list[tuple[UUID, float]] = []
        self.records: list[Record] = []
        self._interrupt = interrupt

    def __call__(self, session_id: UUID, record: Record, came: float) -> None:
        interrupt, self._interrupt = self._interrupt, ""
        if interrupt == "before":
            raise KeyboardInterrupt
        self.account.accept(record)
        if interrupt == "after":
            raise KeyboardInterrupt
        self.came.append((session_id, came))
        self.records.append(record)


def inbox_of(admitted: Admitted, max_bytes: int = MEMORY, *, is_used: bool = True) -> Inbox:
    return Inbox(admitted.account, admitted, max_bytes, is_used=is_used)


def test_what_came_in_is_admitted_as_it_came() -> None:
    """In order, each with its weight, its number, whether it opens a session, and when it came."""
    admitted = Admitted()
    inbox = inbox_of(admitted)
    ids = [new_session_id() for _ in range(2)]
    inbox.items.append((ids[0], 100, nothing, True, 2, 1.5))
    inbox.items.append((ids[1], 7, nothing, False, 1, 2.5))
    inbox.empty()
    assert [(ids[0], 1.5), (ids[1], 2.5)] == admitted.came
    assert [100 + OVERHEAD + LANE, 7 + OVERHEAD] == [record.size for record in admitted.records]
    assert [(True, 2), (False, 1)] == [(record.opens, record.counts) for record in admitted.records]
    assert [nothing, nothing] == [record.build for record in admitted.records]
    assert not inbox.items


def test_session_has_its_name_from_the_first_look_on() -> None:
    """A session that came in without an id has one when it is admitted, the same for all that belongs to it."""
    admitted = Admitted()
    inbox = inbox_of(admitted)
    session = Unnamed()
    inbox.items.extend([(session, 1, nothing, True, 1, 0.0), (session, 1, nothing, False, 1, 0.0)])
    inbox.empty()
    first, second = (session_id for session_id, _ in admitted.came)
    assert first == second == id_of(session)
    assert VERSION == first.version


def test_threads_that_ask_for_a_name_get_the_same() -> None:
    """Eight threads look at once, a thousand times."""
    for _ in range(1000):
        session, barrier = Unnamed(), threading.Barrier(8)
        names: list[UUID] = []

        def look(session: Unnamed = session, barrier: threading.Barrier = barrier, names: list[UUID] = names) -> None:
            barrier.wait(10)
            names.append(session.name())

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [session.name()] * 8 == names


def test_who_gives_up_attending_is_told_of_what_is_in_here() -> None:
    """With somebody who attends, or nothing in here, all is well."""
    inbox = inbox_of(Admitted())
    assert (True, True) == (inbox.attend(is_possible=True), inbox.is_attended)
    inbox.items.append((new_session_id(), 1, nothing, False, 1, 0.0))
    assert (True, True) == (inbox.attend(is_possible=True), inbox.is_attended)
    assert (False, False) == (inbox.attend(is_possible=False), inbox.is_attended)
    inbox.empty()
    assert (True, False) == (inbox.attend(is_possible=False), inbox.is_attended)


@pytest.mark.parametrize(("used", "is_attended"), [(int(MEMORY * ROOM), True), (int(MEMORY * ROOM) + 1, False)])
def test_nobody_attends_while_memory_fills_up(used: int, is_attended: bool) -> None:  # noqa: FBT001
    """What is in here is not counted yet: it has to have its room."""
    admitted = Admitted()
    inbox = inbox_of(admitted)
    admitted.account.bytes = used
    inbox.attend(is_possible=True)
    assert is_attended == inbox.is_attended


def test_attention_ends_when_memory_is_filled_from_here() -> None:
    """What is admitted may be the last that there is room for."""
    admitted = Admitted()
    inbox = inbox_of(admitted, 100_000)
    assert inbox.attend(is_possible=True)
    inbox.items.append((new_session_id(), 70_000, nothing, False, 1, 0.0))
    inbox.empty()
    assert not inbox.is_attended


def test_with_a_spool_nobody_attends() -> None:
    """What is written first cannot wait in here."""
    inbox = inbox_of(Admitted(), is_used=False)
    inbox.attend(is_possible=True)
    assert not inbox.is_attended


def test_all_that_may_be_in_here_takes_its_part_of_memory() -> None:
    """The largest and what goes with it is a thousandth; where memory is smaller than that, nothing may come in."""
    assert MEMORY // PART == inbox_of(Admitted()).largest + OVERHEAD + LANE
    assert inbox_of(Admitted(), 1_000_000).largest < 0


@pytest.mark.parametrize(("interrupt", "admitted_later"), [("before", [1, 2, 3]), ("after", [2, 3])])
def test_interrupt_loses_nothing_and_repeats_nothing(interrupt: str, admitted_later: list[int]) -> None:
    """What was not counted when Ctrl-C struck stays the first; what was counted is whoever's who counted it."""
    admitted = Admitted(interrupt)
    inbox = inbox_of(admitted)
    inbox.items.extend((new_session_id(), number, nothing, False, 1, 0.0) for number in (1, 2, 3))
    with pytest.raises(KeyboardInterrupt):
        inbox.empty()
    inbox.empty()
    assert admitted_later == [record.size - OVERHEAD for record in admitted.records]
    assert 3 == admitted.account.sequence


def test_who_strikes_in_there_leaves_it_to_whom_it_struck() -> None:
    """A signal handler that asks for the account in the middle of it finds what is there, and admits nothing twice."""
    admitted = Admitted()
    seen: list[int] = []

    def admit(session_id: UUID, record: Record, came: float) -> None:
        inbox.empty()
        seen.append(len(inbox.items))
        admitted(session_id, record, came)

    inbox = Inbox(admitted.account, admit, MEMORY, is_used=True)
    inbox.items.extend((new_session_id(), number, nothing, False, 1, 0.0) for number in (1, 2, 3))
    inbox.empty()
    assert ([1, 2, 3], [2, 1, 0]) == ([record.size - OVERHEAD for record in admitted.records], seen)


def test_nothing_stays_unseen() -> None:
    """Four threads bring what they have, and look; one comes and goes. In the end all is there, once and in order."""
    admitted, lock = Admitted(), threading.Lock()
    inbox = inbox_of(admitted)
    count, chance, is_over = 3000, random.Random(6), threading.Event()  # noqa: S311
    sessions = [new_session_id() for _ in range(4)]

    def bring(session_id: UUID) -> None:
        for number in range(count):
            inbox.items.append((session_id, number, nothing, False, 1, float(number)))
            if not inbox.is_attended:
                with lock:
                    inbox.empty()

    def attend() -> None:
        while not is_over.is_set():
            with lock:
                inbox.empty()
                inbox.attend(is_possible=True)
            is_over.wait(chance.random() * 0.001)
            with lock:
                if not inbox.attend(is_possible=False):
                    inbox.empty()
            is_over.wait(chance.random() * 0.001)

    worker = threading.Thread(target=attend)
    hosts = [threading.Thread(target=bring, args=(session_id,)) for session_id in sessions]
    for thread in (worker, *hosts):
        thread.start()
    for thread in hosts:
        thread.join(60)
    is_over.set()
    worker.join(10)
    assert not inbox.items
    for session_id in sessions:
        assert [float(number) for number in range(count)] == [
            came for mine, came in admitted.came if mine == session_id
        ]
