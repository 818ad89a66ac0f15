"""What has just come in: the host's threads put it here without a lock, and whoever holds the engine's takes it out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Callable, Tuple

from layer_sdk._ids import id_of

from ._record import ABSENT, LANE, OVERHEAD, Record

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk._ids import Session

    from ._account import Account
    from ._record import Build

    # A plain tuple, since the host makes one each time: session, bytes, build, opens, counts, and when, monotonic.
    Incoming = Tuple[Session, int, Build, bool, int, float]
    Admit = Callable[[UUID, Record, float], None]

MOST = 256  # that may be in here
PART = 1024  # of memory, that one of them may take: a quarter in all
ROOM = 0.625  # of memory, that may be used up beside it


class Inbox:
    """A queue that is added to at any moment, and emptied inside of the engine's lock.

    Who adds to it looks at `is_attended` afterwards, and who gives up attending looks into it afterwards: one of the
    two sees what the other has done, so that nothing stays here unseen.

    Args:
        account: Counts what is admitted.
        admit: Puts what was in here into its lane. Called inside.
        max_bytes: Of records in memory.
        is_used: Whether anybody may attend at all.

    Attributes:
        items: What has come in, in order.
        is_attended: Whether a worker is sure to look in here soon, so that none has to be called.
        largest: The bytes of the largest that may come in here; less than none where memory is small.
    """

    def __init__(self, account: Account, admit: Admit, max_bytes: int, *, is_used: bool) -> None:
        self._account = account
        self._admit = admit
        self._room = int(max_bytes * ROOM) if is_used else -1
        self._is_emptying = False
        self.items: deque[Incoming] = deque()
        self.is_attended = False
        self.largest = max_bytes // PART - OVERHEAD - LANE

    def attend(self, *, is_possible: bool) -> bool:
        """Say whether somebody will look in here soon: not while memory fills up, lest this adds to it. Call inside.

        Returns:
            Whether that will do; else what is in here has to be looked at now.
        """
        self.is_attended = is_possible and self._account.bytes <= self._room
        return self.is_attended or not self.items

    def empty(self) -> None:
        """Have all of it admitted. Call inside; whoever strikes in there by surprise leaves it to whom it struck."""
        if self._is_emptying:
            return
        try:
            self._is_emptying = True
            while self.items:
                self._admit_first()
        finally:
            self._is_emptying = False
        self.mind_room()

    def mind_room(self) -> None:
        """Have nobody attend any more, if so much memory is used up by now. Call inside."""
        if self.is_attended and self._account.bytes > self._room:
            self.is_attended = False
            self.empty()

    def _admit_first(self) -> None:
        first, accepted = self.items[0], self._account.sequence
        session, size, build, opens, counts, came = first
        record = Record(ABSENT, None, counts, size, build, opens)
        try:
            self.items.popleft()
            self._admit(id_of(session), record, came)
        except BaseException:  # out of a signal handler: what is not counted yet has to stay here
            if self._account.sequence == accepted and (not self.items or self.items[0] is not first):
                self.items.appendleft(first)
            raise
