"""The database: one SQLite file, one connection, one thread that owns it."""

from __future__ import annotations

import asyncio
import logging
import queue
import shutil
import sqlite3
import tempfile
import threading
import weakref
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, TypeVar

from ._problems import Refusal
from ._schema import VERSION, create_tables
from ._settings import StartError

if TYPE_CHECKING:
    import os

_logger = logging.getLogger("layer_sdk.devserver")
_T = TypeVar("_T")
_Work = Callable[[sqlite3.Connection], Any]

_OURS = 0x4C617972  # "Layr", in the header of our files
_MOST_AT_ONCE = 500


@dataclass(frozen=True)
class _Job:
    work: _Work
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class Store:
    """The database of an embedded Layer.

    All work is done one after the other by the one thread that has the connection. What waits at the same time shares
    a transaction, and nobody is answered before it is committed.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, on_open: Callable[[sqlite3.Connection], None] | None = None
    ) -> None:
        self._path = path
        self._on_open = on_open
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._remove: Callable[[], Any] = _nothing

    def open(self) -> None:
        """Open the file, or do nothing where it is open.

        Raises:
            StartError: If the file can not be opened or written, or is of something else.
        """
        if self._thread:
            return
        file = Path(self._path) if self._path is not None else self._temporary()
        opened: Future[None] = Future()
        thread = threading.Thread(target=self._serve, args=(file, opened), name="layer-devserver-store", daemon=True)
        thread.start()
        try:
            opened.result()
        except BaseException:
            self._remove()
            raise
        self._thread = thread

    def close(self) -> None:
        """Finish what was begun and close the file, or do nothing where it is closed."""
        thread, self._thread = self._thread, None
        if thread:
            self._jobs.put(None)
            thread.join()
            self._remove()

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Carry out work in the thread of the database, as part of a transaction.

        Args:
            work: What to do with the connection. It may be called again after a rollback.

        Returns:
            What the work returned, after the commit.

        Raises:
            Refusal: If the work refuses, which it may only do before it writes, or the database fails (503).
        """
        if not self._thread:
            raise Refusal(503, "The database is closed.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._jobs.put(_Job(work, loop, answer))
        return await answer

    def _temporary(self) -> Path:
        folder = tempfile.mkdtemp(prefix="layer-devserver-")
        # A finalizer also runs when the interpreter exits without a close.
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder) / "layer.db"

    def _serve(self, file: Path, opened: Future[None]) -> None:
        try:
            connection = _connected(file, self._on_open or _nothing)
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever opens
            opened.set_exception(error)
            return
        opened.set_result(None)
        while True:
            jobs, is_last = self._waiting()
            _carry_out(connection, jobs)
            if is_last:
                break
        connection.close()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """Wait for work, then take all that is there; the second value says whether it is the last."""
        jobs = []
        job = self._jobs.get()
        while job:
            jobs.append(job)
            if self._jobs.empty() or len(jobs) == _MOST_AT_ONCE:
                return jobs, False
            job = self._jobs.get()
        return jobs, True


def _nothing(*_anything: object) -> None:
    pass


def _carry_out(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    try:
        with _transaction(connection):
            outcomes = [(job, _outcome(connection, job)) for job in jobs]
    except Exception as error:  # noqa: BLE001 - it is handed to whoever waits
        if len(jobs) > 1:
            # One by one, so that only the work that fails is answered with a failure.
            for job in jobs:
                _carry_out(connection, [job])
            return
        outcomes = [(job, _failure(error)) for job in jobs]
    _tell(outcomes)


def _failure(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    _logger.error("The database failed: %s", error)
    return Refusal(503, f"The database failed, and nothing of this request is recorded: {error}.")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Where a commit failed, SQLite may have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _outcome(connection: sqlite3.Connection, job: _Job) -> Any:
    try:
        return job.work(connection)
    except Refusal as refusal:
        return refusal


def _tell(outcomes: list[tuple[_Job, Any]]) -> None:
    for loop in {job.loop for job, _ in outcomes}:
        theirs = [(job.answer, outcome) for job, outcome in outcomes if job.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, theirs)
        except RuntimeError:
            continue  # the loop has ended, so nobody waits there


def _settle(outcomes: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for answer, outcome in outcomes:
        if answer.done():
            continue  # given up by who waited
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _connected(file: Path, on_open: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    if not file.parent.is_dir():
        raise StartError(f"The folder of the database {file} does not exist. Make it first, or choose another file.")
    try:
        connection = sqlite3.connect(str(file), timeout=1, isolation_level=None)
        try:
            _prepare(connection, file)
            with _transaction(connection):
                on_open(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        wanted = "a SQLite file that this user may write and that no other embedded Layer has open"
        raise StartError(f"The database {file} can not be used: {error}. It must be {wanted}.") from error
    return connection


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    # Exclusive: a second connection to the file would be a mistake, so it fails at once instead of being half right.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    is_new = (
        not _number(connection, "user_version") and not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    )
    if not is_new:
        _check_version(connection, file)
        _check_search(connection, file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with _transaction(connection):
        if is_new:
            create_tables(connection)
        connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _check_version(connection: sqlite3.Connection, file: Path) -> None:
    if _number(connection, "application_id") != _OURS:
        raise StartError(f"The file {file} is a database of something else. Choose another file.")
    version = _number(connection, "user_version")
    if version != VERSION:
        raise StartError(
            f"The database {file} has schema version {version}, this release knows version {VERSION}. "
            "Choose another file, or use the release of protectai-layer-sdk that made it."
        )


def _check_search(connection: sqlite3.Connection, file: Path) -> None:
    try:
        connection.execute("SELECT 1 FROM texts LIMIT 0")
    except sqlite3.OperationalError as error:
        raise StartError(
            f"The database {file} has a search index that this Python's SQLite can not read: {error}. "
            "Choose another file, or a Python whose SQLite has FTS5."
        ) from error


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
