"""What a spool is made of, for who has asked for one: most have not, and need not load it."""

from __future__ import annotations

from ._journal import Journal
from ._segment import entries as list_segments
from ._segment import purge as purge_segments
from ._spool import MAX_BYTES as MAX_SPOOL_BYTES
from ._spool import Spool

__all__ = ["MAX_SPOOL_BYTES", "Journal", "Spool", "list_segments", "purge_segments"]
