"""Takes a flight to the server once, and judges what comes of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from layer_sdk import schemas

from ._outcome import DONE, RETRY, Outcome, judge

if TYPE_CHECKING:
    from uuid import UUID

    from layer_sdk.schemas import SessionActionRequest, SessionRequest

    from ._lane import Flight

MAX_NAMES = 100_000  # sessions that the server knows by another id than ours, remembered


class Wire(Protocol):
    """What delivery says to Layer."""

    def create_session(self, request: SessionRequest, key: str | None = None) -> UUID:
        """Create a session; the id that the server gave it."""

    def append_action(self, session_id: UUID, request: SessionActionRequest, key: str | None = None) -> None:
        """Append an action."""


class LateWire(Wire, Protocol):
    """What says it, and has first to be loaded."""

    def load(self) -> None:
        """Be ready to say something."""


class Carrier:
    """Sends, and knows the ids that the server has given to sessions of ours.

    Args:
        wire: Says it to Layer, with no retries of its own: the schedule is the engine's.

    Attributes:
        is_loaded: Whether it is ready.
    """

    def __init__(self, wire: LateWire) -> None:
        self._wire = wire
        self.is_loaded = False
        self._names: OrderedDict[UUID, UUID] = OrderedDict()

    def load(self) -> None:
        """Be ready to carry, which takes a while the first time."""
        self._wire.load()
        self.is_loaded = True

    def name_of(self, session_id: UUID) -> UUID:
        """Give the id that the server knows a session by."""
        return self._names.get(session_id, session_id)

    def rename(self, ours: UUID, theirs: UUID) -> None:
        """Remember the server's word. Call with the engine's lock held."""
        self._names[ours] = theirs
        while len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)

    def carry(self, session_id: UUID, flight: Flight) -> tuple[UUID | None, Outcome]:
        """Send a flight of a session; the id that the server answered with, if any, and what the answer means."""
        try:
            return self._say(session_id, flight), Outcome(DONE)
        except Exception as error:  # noqa: BLE001  (every error has its row in the table)
            return None, judge(error)
        except BaseException as error:  # noqa: BLE001  (every error has its row in the table)
            return None, Outcome(RETRY, type(error).__name__, error)

    def _say(self, session_id: UUID, flight: Flight) -> UUID | None:
        if isinstance(flight.request, schemas.SessionRequest):
            return self._wire.create_session(flight.request, flight.key)
        self._wire.append_action(self.name_of(session_id), flight.request, flight.key)
        return None
