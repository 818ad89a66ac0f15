"""Sessions on their way: out of an embedded Layer into a file, out of a file into any Layer, onto the terminal."""

from __future__ import annotations

from ._canonical import Members, write
from ._follow import Arrival, Follow
from ._lines import FormatError, read_lines
from ._source import Source, SourceError, UnreachableError, Wanted, export, moment
from ._target import Import, StoppedError, target

__all__ = [
    "Arrival",
    "Follow",
    "FormatError",
    "Import",
    "Members",
    "Source",
    "SourceError",
    "StoppedError",
    "UnreachableError",
    "Wanted",
    "export",
    "moment",
    "read_lines",
    "target",
    "write",
]
