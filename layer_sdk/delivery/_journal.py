"""The engine's side of the spool: records as bytes and back, and which of them are written when."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any, Iterable
from uuid import UUID

from layer_sdk import schemas
from layer_sdk._drafts import moment_at
from layer_sdk._log import swallow

from ._record import Note, Record
from ._segment import NOTE

if TYPE_CHECKING:
    from ._lane import Flight, Request
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

    def take(self, session_id: UUID, record: Record, *, is_trouble: bool, is_quiet: bool = False) -> None:
        """Write a record that is about to be accepted, if it is one to write.

        Args:
            session_id: Its session.
            record: The record.
            is_trouble: Whether the server is away, or memory is half full.
            is_quiet: Whether a warning has to wait, as the engine's lock is held.
        """
        if (self._is_write_ahead or is_trouble) and record.waiter is None:
            self.keep(session_id, record, is_quiet=is_quiet)

    def keep(self, session_id: UUID, record: Record, *, is_quiet: bool = False) -> bool:
        """Write a record, unless it stands there; tell whether it does now."""
        if record.entry is None and record.counts:
            record.key = record.key or f"{self._nonce}-{next(self._numbers)}"
            record.entry = self._spool.write(_encode(session_id, record), is_quiet=is_quiet)
        return record.entry is not None

    def keep_all(self, session_id: UUID, records: Iterable[Record]) -> None:
        """Write what is left of a lane, but for explicit calls, whose callers have it back.

        The next process reads in the order of writing: what stands there already is written again, if it comes behind
        something that does not.
        """
        is_behind = False
        for record in records:
            if record.waiter is not None or not record.counts:
                continue
            if record.entry is None:
                is_behind = self.keep(session_id, record) or is_behind
            elif is_behind:
                self._move_behind(session_id, record)

    def _move_behind(self, session_id: UUID, record: Record) -> None:
        if record.parked:
            ((_, request),) = self.load([record])
            if request is None:
                return
            record.unpark(request)
        before, record.entry = record.entry, None
        if self.keep(session_id, record):
            self._spool.settle([before])
        else:
            record.entry = before

    def note(self, session_id: UUID, flight: Flight) -> None:
        """Write what the request is that creates a session, before it is sent: another process repeats it as it was."""
        first, last = flight.records[0], flight.records[-1]
        is_written = first.entry is not None and last.entry is not None
        if not flight.creates or not is_written or not flight.is_as_written:
            return
        before = first.note
        note = {"key": flight.key, "first": first.key, "last": last.key, "actions": len(flight.records) - 1}
        first.note = self._spool.write(_dumps({"session_id": session_id.hex, "note": note}), NOTE)
        if before is not None:
            self._spool.settle([before])

    def load(self, records: Iterable[Record]) -> list[tuple[Record, Request | None]]:
        """Read records back that are on disk alone; None stands for one that is gone."""
        found = list(records)
        payloads = self._spool.read([record.entry for record in found])
        return [(record, None if payload is None else _loaded(payload)) for record, payload in zip(found, payloads)]

    def mark(self, entries: Iterable[Any]) -> None:
        """Say that records have found their end; they are forgotten by the next `settle`. Does no I/O."""
        self._spool.mark(entries)

    def settle(self) -> None:
        """Forget what was marked, whoever marked it: when this returns, nobody will send it again."""
        self._spool.settle()

    def adopt(self, max_bytes: int) -> list[tuple[UUID, Record | Note]]:
        """Bring back some of what dead processes left, each record by one process alone.

        Args:
            max_bytes: Stop after the file with which so much is taken.
        """
        found: list[tuple[UUID, Record | Note]] = []
        for adopted in self._spool.adopt(max_bytes):
            try:
                found.append(_decode(adopted.payload, adopted.token))
            except (KeyError, TypeError, ValueError) as error:  # written by another version
                swallow("reading the spool", error)
                self._spool.release(adopted.token)
        return found

    @property
    def has_waiting(self) -> bool:
        """Whether there is more to adopt."""
        return bool(self._spool.stats()["waiting"])

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


_dumps_text = json.JSONEncoder(separators=(",", ":")).encode


def _dumps(content: dict[str, Any]) -> bytes:
    return _dumps_text(content).encode("ascii")


def _encode(session_id: UUID, record: Record) -> bytes:
    request = record.request
    if isinstance(request, schemas.SessionRequest):
        return _dumps({"session_id": session_id.hex, "key": record.key, "session": request.to_dict()})
    if request.error or request.scanners or request.additional_properties:
        return _dumps({"session_id": session_id.hex, "key": record.key, "action": request.to_dict()})
    # The common action, written by hand: the host's call waits for it, and this is a quarter faster.
    content = _dumps_text([part if isinstance(part, dict) else None for part in (request.data, request.attributes)])
    start, end = request.start_time.timestamp(), request.end_time.timestamp()
    return (
        f'{{"session_id":"{session_id.hex}","key":"{record.key}","kind":"{request.kind.value}",'
        f'"start":{start},"end":{end},"content":{content}}}'
    ).encode("ascii")


def _decode(payload: bytes, token: Any) -> tuple[UUID, Record | Note]:
    content = json.loads(payload)
    session_id = UUID(content["session_id"])
    if "note" in content:
        return session_id, Note(**content["note"], entry=token)
    record = Record(_request(content))
    record.key = str(content["key"])
    record.entry = token
    record.was_adopted = True
    return session_id, record


def _request(content: dict[str, Any]) -> Request:
    if "session" in content:
        return schemas.SessionRequest.from_dict(content["session"])
    if "action" in content:
        return schemas.SessionActionRequest.from_dict(content["action"])
    data, attributes = content["content"]
    return schemas.SessionActionRequest(
        kind=schemas.SessionActionKind(content["kind"]),
        start_time=moment_at(content["start"]),
        end_time=moment_at(content["end"]),
        attributes=schemas.UNSET if attributes is None else attributes,
        data=data,
    )


def _loaded(payload: bytes) -> Request | None:
    try:
        return _request(json.loads(payload))
    except (KeyError, TypeError, ValueError) as error:  # the disk gave back something else
        swallow("reading the spool", error)
        return None
