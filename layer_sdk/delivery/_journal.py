"""The engine's side of the spool: records as bytes and back, and which of them are written when."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any, Iterable, Iterator
from uuid import UUID

from layer_sdk._log import swallow
from layer_sdk.schemas import SessionActionRequest, SessionRequest

from ._record import Record

if TYPE_CHECKING:
    from ._spool import Spool

ALWAYS = "always"  # before the recording call returns; the other mode spills: in trouble, and what is left at the end


class Journal:
    """Writes records to a spool and brings back what a dead process left there.

    Args:
        spool: The journal on disk.
        mode: `always` or `spill`.
    """

    def __init__(self, spool: Spool, mode: str) -> None:
        self._spool = spool
        self._begin()
        self._is_write_ahead = mode == ALWAYS

    def take(self, session_id: UUID, record: Record, *, is_trouble: bool) -> None:
        """Write a record that is about to be accepted, if it is one to write."""
        if self._is_write_ahead or is_trouble:
            self.keep(session_id, record)

    def keep(self, session_id: UUID, record: Record) -> bool:
        """Write a record, unless it stands there; tell whether it does now."""
        if record.entry is None and record.counts:
            record.key = f"{self._nonce}-{next(self._numbers)}"
            record.entry = self._spool.write(_encode(session_id, record))
        return record.entry is not None

    def settle(self, entries: Iterable[Any]) -> None:
        """Forget records that have found their end."""
        self._spool.settle(entries)

    def adopt(self) -> Iterator[tuple[UUID, Record]]:
        """Bring back what dead processes left, each record by one process alone."""
        for adopted in self._spool.adopt():
            try:
                session_id, record = _decode(adopted.payload)
            except (KeyError, TypeError, ValueError) as error:  # written by another version
                swallow("reading the spool", error)
                self._spool.release(adopted.token)
                continue
            record.entry = adopted.token
            yield session_id, record

    def _begin(self) -> None:
        self._nonce = uuid.uuid4().hex  # with a number behind it, a key that no other process makes
        self._numbers = itertools.count(1)

    def after_fork(self) -> None:
        """Leave the parent's segment to the parent."""
        self._begin()
        self._spool.after_fork_in_child()

    def stats(self) -> dict[str, Any]:
        """Account for the spool."""
        return self._spool.stats()

    def close(self) -> None:
        """Let go of the segment; what it still holds is the next process's."""
        self._spool.close()


def _encode(session_id: UUID, record: Record) -> bytes:
    kind = "session" if isinstance(record.request, SessionRequest) else "action"
    content = {"session_id": str(session_id), "key": record.key, kind: record.request.to_dict()}
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _decode(payload: bytes) -> tuple[UUID, Record]:
    content = json.loads(payload)
    request: SessionRequest | SessionActionRequest
    if "session" in content:
        request = SessionRequest.from_dict(content["session"])
    else:
        request = SessionActionRequest.from_dict(content["action"])
    record = Record(request)
    record.key = str(content["key"])
    return UUID(content["session_id"]), record
