"""The state of the journal on disk."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_sdk.delivery.spooling import MAX_SPOOL_BYTES, list_segments

from ._report import Verdict, failure, ok, warning

if TYPE_CHECKING:
    from ._subject import Subject

PRIVATE = "make it a folder of its own, of the user that the application runs as, with mode 0700"


def judge(subject: Subject) -> Verdict:
    """Look at the folder, at what waits in it, and at the room that is left."""
    folder, label = subject.values["spool_dir"], subject.labels["spool_dir"]
    if folder is None:
        return ok("none: what waits when the process dies is lost")
    folder = Path(folder).absolute()
    if not folder.exists():
        return _to_be_made(folder, label)
    if not folder.is_dir():
        return failure(f"{folder} is a file, not a folder", f"name a folder in {label}, or remove the file")
    try:
        waiting = list_segments(folder)
        _write(folder)
    except OSError as error:
        return _unusable(folder, label, error)
    return _described(folder, sum(each.records for each in waiting if not each.is_alive), len(waiting))


def _to_be_made(folder: Path, label: str) -> Verdict:
    parent = next(each for each in folder.parents if each.exists())
    if not parent.is_dir():
        return failure(f"{folder} cannot be made: {parent} is a file", f"name another folder in {label}")
    try:
        _write(parent)
    except OSError as error:
        return _unusable(parent, label, error)
    return ok(f"{folder} will be made; {_room(parent)}")


def _write(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"layer-sdk doctor")


def _unusable(folder: Path, label: str, error: OSError) -> Verdict:
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return failure(
            f"{folder} cannot be written: {error.strerror}",
            f"name a folder in {label} that the user of the application may write to (user {_user()})",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return failure(f"{folder} cannot be written: {error.strerror}", f"make room, or name another folder in {label}")
    return failure(f"{folder} cannot be used: {error.strerror or error}", PRIVATE)


def _described(folder: Path, orphans: int, segments: int) -> Verdict:
    text = f"{folder} can be written; {segments} segments, {_room(folder)}"
    if shutil.disk_usage(folder).free < MAX_SPOOL_BYTES:
        return warning(text, f"make room: the spool may take {MAX_SPOOL_BYTES >> 20} MiB")
    if orphans:
        return warning(
            f"{text}; {orphans} records wait that dead processes left",
            f"the next process of the same server and application sends them, or `layer-sdk spool send {folder}`",
        )
    return ok(text)


def _room(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free >> 20} MiB are free"


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "of this process"
