"""What the spool has on disk: private folders, and in them segments, whose lock tells whether their owner lives.

A segment is `HEADER`, then entries, each written at once: `length u32 | crc32 u32 | type u8 | number u64 | payload`,
little endian. The length is that of the payload, and the checksum covers all that follows it. An acknowledgement is an
entry, too: its payload lists the numbers, u64 each, of records and notes that are done. A note is about records.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows: the package is there, the spool is not
    fcntl = None  # type: ignore[assignment]

HEADER = b"LAYERSP\x01"  # the magic and the version
RECORD, ACKNOWLEDGEMENT, NOTE = 1, 2, 3
KINDS = (RECORD, ACKNOWLEDGEMENT, NOTE)
MAX_PAYLOAD = 64 * 1024 * 1024
TRIES = 10
YOUNG = 60.0  # seconds in which an empty file is left to whoever is about to lock it
DESCRIPTORS = Path("/proc/self/fd")
NAME = re.compile(r"(\d+)-((\d+)-[0-9a-f]+)\.seg")  # milliseconds since 1970, owner: process and chance
SCOPE = re.compile(r"[0-9a-f]{32}")

_FRAME = struct.Struct("<IIBQ")
_CHECKED = struct.Struct("<BQ")
FRAME = _FRAME.size
ACKNOWLEDGEMENT_ROOM = FRAME + 8  # what the acknowledgement of one record takes at most


class SpoolError(OSError):
    """The spool cannot be opened, and will not be until somebody changes the folder or the settings."""


def frame(kind: int, number: int, payload: bytes) -> bytes:
    """Make an entry; ValueError if nobody would read it."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"more than {MAX_PAYLOAD} bytes")
    checksum = crc32(payload, crc32(_CHECKED.pack(kind, number)))
    return _FRAME.pack(len(payload), checksum, kind, number) + payload


class Found(NamedTuple):
    """A record in a segment: where its entry begins, and what it holds."""

    offset: int
    payload: bytes
    kind: int = RECORD

    def __repr__(self) -> str:
        return f"<{len(self.payload)} bytes at {self.offset}>"  # what they say is nobody's to see


def unsettled(data: bytes) -> tuple[dict[int, Found], int]:
    """Read a segment up to the first damage.

    Returns:
        The records and notes that nobody acknowledged, by number and in order, and where the intact part ends: 0 if
        it does not begin.
    """
    records: dict[int, Found] = {}
    if not data.startswith(HEADER):
        return records, 0
    end = len(HEADER)
    for kind, number, payload in _entries(data, end):
        if kind != ACKNOWLEDGEMENT:
            records[number] = Found(end, payload, kind)
        else:
            for done in struct.unpack_from(f"<{len(payload) // 8}Q", payload):
                records.pop(done, None)
        end += FRAME + len(payload)
    return records, end


def _entries(data: bytes, position: int) -> Iterator[tuple[int, int, bytes]]:
    while position + FRAME <= len(data):
        length, checksum, kind, number = _FRAME.unpack_from(data, position)
        position += FRAME
        if length > min(MAX_PAYLOAD, len(data) - position) or kind not in KINDS:
            return
        payload = data[position : position + length]
        if crc32(payload, crc32(_CHECKED.pack(kind, number))) != checksum:
            return
        position += length
        yield kind, number, payload


class Listed(NamedTuple):
    """A segment, as the command line shows it.

    Attributes:
        path: Where it is.
        process: The number of the process that began it.
        is_alive: Whether a process holds it, that one or an adopter.
        records: How many records in it are not settled.
        size: Its bytes.
        age: Seconds since it was begun.
    """

    path: Path
    process: int
    is_alive: bool
    records: int
    size: int
    age: float


class Segment:
    """A segment that is ours: nobody else can lock it as long as we live or until we let go. Not thread-safe.

    Attributes:
        name: Its name in the folder.
        size: Its bytes on disk.
        pending: How many of its records and notes are not settled.
    """

    __slots__ = ("_descriptor", "name", "pending", "size")

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.size = os.fstat(descriptor).st_size
        self.pending = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: int, name: str) -> Segment | None:
        """Make a new one; None where somebody took the empty file for that of a dead process before it was locked."""
        segment = cls(name, _open(folder, name, os.O_CREAT | os.O_EXCL))
        try:
            if _lock(segment._descriptor, folder, name):
                os.fchmod(segment._descriptor, 0o600)  # whatever the umask took away
                segment._put(HEADER)
                return segment
        except BaseException:
            with suppress(OSError):
                segment.remove(folder)
            segment.close()
            raise
        segment.close()
        return None

    @classmethod
    def seize(cls, folder: int, name: str) -> Segment | None:
        """Take the segment of a dead process; None if its owner may live, or if somebody else took it.

        Raises:
            OSError: It is not a private file of this user, or cannot be opened.
        """
        try:
            segment = cls(name, _open(folder, name))
        except FileNotFoundError:
            return None
        try:
            if not _is_young(os.fstat(segment._descriptor)) and _lock(segment._descriptor, folder, name):
                return segment
        except BaseException:
            segment.close()
            raise
        segment.close()
        return None

    @property
    def is_linked(self) -> bool:
        """Whether the file is still in a folder: what is written to a deleted one succeeds, for nothing."""
        return os.fstat(self._descriptor).st_nlink > 0

    def append(self, kind: int, number: int, payload: bytes) -> int:
        """Write an entry and give its size. What was not written whole is taken back: the rest stays readable."""
        return self._put(frame(kind, number, payload))

    def acknowledge(self, numbers: Iterable[int]) -> int:
        """Note that records are done, and give the bytes that it took."""
        done = list(numbers)
        return self.append(ACKNOWLEDGEMENT, 0, struct.pack(f"<{len(done)}Q", *done))

    def sync(self) -> None:
        """Wait until the disk has it."""
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def read(self, offset: int, number: int) -> bytes | None:
        """Read one record again; None where something else stands there."""
        head = os.pread(self._descriptor, FRAME, offset)
        if len(head) < FRAME:
            return None
        length = min(_FRAME.unpack(head)[0], MAX_PAYLOAD)
        data = head + os.pread(self._descriptor, length, offset + FRAME)
        return next((payload for _, found, payload in _entries(data, 0) if found == number), None)

    def recover(self) -> tuple[dict[int, Found], int]:
        """Read what is not settled, cut what is damaged, and give both: the records and the number of bytes lost.

        Raises:
            OSError: It is not a segment, or one of another version: it stays as it is.
        """
        data = _read(self._descriptor)
        records, end = unsettled(data)
        if not end and not HEADER.startswith(data):
            raise OSError(errno.EINVAL, "not a segment of this version")
        if end < len(data):
            os.ftruncate(self._descriptor, end)
        self.size = end
        self.pending = len(records)
        return records, len(data) - end

    def empty(self) -> None:
        """Take out every entry."""
        os.ftruncate(self._descriptor, len(HEADER))
        self.size = len(HEADER)

    def remove(self, folder: int) -> None:
        """Delete the file. The lock stays until `close`, so that nobody who has it open takes it."""
        with suppress(FileNotFoundError):
            os.unlink(self.name, dir_fd=folder)

    def let_go(self) -> None:
        """Leave the file to whoever comes next."""
        # A child between fork and exec may have the descriptor, too: closing ours alone would not unlock.
        with suppress(OSError, ValueError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close the descriptor. In a forked child, the parent's lock stays: it has a descriptor of its own."""
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            os.close(descriptor)

    def _put(self, data: bytes) -> int:
        written = os.write(self._descriptor, data)
        if written < len(data):
            os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_END) - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written
        return written


def create(folder: int, after: int, owner: str) -> tuple[int, Segment]:
    """Make a segment whose name comes after those that its owner made before, and give its stamp, too."""
    for _ in range(TRIES):
        after = max(after + 1, int(time.time() * 1000))
        segment = Segment.create(folder, f"{after:013}-{owner}.seg")
        if segment is not None:
            return after, segment
    raise BlockingIOError(errno.EAGAIN, "others lock every new file")


def new_owner() -> str:
    """Name an owner of segments: processes of several containers may have one number."""
    return f"{os.getpid()}-{os.urandom(4).hex()}"


def owner_of(name: str) -> str:
    """Give the owner whose name a segment has."""
    return name.split("-", 1)[1]


def close_strays(path: Path) -> None:
    """Close, in a forked child, what a thread of the parent was about to open in a folder."""
    with suppress(OSError):  # there is no /proc
        for descriptor in list(DESCRIPTORS.iterdir()):
            with suppress(OSError):
                if os.readlink(descriptor).startswith(f"{path}{os.sep}"):
                    os.close(int(descriptor.name))


def entries(directory: Path) -> list[Listed]:
    """List the segments of all scopes; OSError if there is no such folder, SpoolError if it is not private."""
    return list(_survey(directory, is_purge=False))


def purge(directory: Path) -> list[Listed]:
    """Delete the segments that no process holds, and list them; it raises what `entries` does."""
    return [each for each in _survey(directory, is_purge=True) if not each.is_alive]


def _survey(directory: Path, *, is_purge: bool) -> Iterator[Listed]:
    directory = directory.absolute()
    os.close(open_folder(directory, create=False))
    for scope in sorted(directory.iterdir()):
        if SCOPE.fullmatch(scope.name):
            folder = open_scope(scope, create=False)
            try:
                for name in sizes(folder):
                    with suppress(OSError):  # gone in the meantime, or nothing of ours
                        yield _look(folder, scope / name, is_purge=is_purge)
            finally:
                os.close(folder)


def _look(folder: int, path: Path, *, is_purge: bool) -> Listed:
    segment = Segment.seize(folder, path.name)
    try:
        records, size = _peek(folder, path.name)
        if is_purge and segment is not None:
            segment.remove(folder)
    finally:
        if segment is not None:
            segment.let_go()
    stamp, process, _ = path.name.split("-")
    age = max(0.0, time.time() - int(stamp) / 1000)
    return Listed(path, int(process), segment is None, records, size, age)


def _peek(folder: int, name: str) -> tuple[int, int]:
    descriptor = _open(folder, name)
    try:
        data = _read(descriptor)
        return sum(found.kind == RECORD for found in unsettled(data)[0].values()), len(data)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    parts: list[bytes] = []
    while not parts or parts[-1]:
        parts.append(os.pread(descriptor, 1 << 24, sum(map(len, parts))))
    return b"".join(parts)


def _open(folder: int, name: str, flags: int = 0) -> int:
    return os.open(name, flags | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


def _lock(descriptor: int, folder: int, name: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had the lock before may have deleted the file: then this is a lock on nothing.
        return os.path.samestat(os.fstat(descriptor), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        return False


def _is_young(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(errno.EPERM, "not a file of its own")
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise OSError(errno.EPERM, "not private to this user")
    return not status.st_size and time.time() - status.st_mtime < YOUNG


def open_folder(path: Path, *, create: bool = True) -> int:
    """Open the folder of all scopes, and make it if it is missing.

    Raises:
        SpoolError: A symlink leads there, somebody else owns it, or others can write to it.
    """
    if fcntl is None:
        raise SpoolError("The spool needs a POSIX system: it relies on flock")
    for step in [*reversed(path.parents), path]:
        if step.is_symlink():
            raise SpoolError(f"The spool follows no symlink, and {step} is one: name the folder that it leads to")
        if create and not step.exists():
            _make(str(step), None)
    return _open_private(path, str(path), None)


def open_scope(path: Path, *, create: bool = True) -> int:
    """Open the folder of one scope, which lies in that of all scopes; see `open_folder`."""
    root = open_folder(path.parent, create=create)
    try:
        if create:
            _make(path.name, root)
        return _open_private(path, path.name, root)
    finally:
        os.close(root)


def sizes(folder: int) -> dict[str, int]:
    """List the segments in a folder, the oldest first, with their bytes."""
    # A descriptor of its own: that of the folder, and with it the place in the list, is shared with forked processes.
    descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    found = {}
    try:
        with os.scandir(descriptor) as files:
            for file in files:
                with suppress(FileNotFoundError):
                    if NAME.fullmatch(file.name):
                        found[file.name] = file.stat(follow_symlinks=False).st_size
    finally:
        os.close(descriptor)
    return dict(sorted(found.items()))


def _make(name: str, folder: int | None) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)
        os.chmod(name, 0o700, dir_fd=folder)  # whatever the umask took away


def _open_private(path: Path, name: str, folder: int | None) -> int:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise SpoolError(f"The spool follows no symlink and needs a folder, which {path} is not") from error
        raise
    status = os.fstat(descriptor)
    if status.st_uid == os.geteuid() and not status.st_mode & 0o022:
        return descriptor
    os.close(descriptor)
    if status.st_uid != os.geteuid():
        raise SpoolError(f"The spool folder {path} belongs to user {status.st_uid}, not to {os.geteuid()}")
    raise SpoolError(f"The spool folder {path} can be written by others: make its mode 0700")
