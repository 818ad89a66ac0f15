"""A copy of what a request holds, in the one step that takes the host's thread least: as bytes.

`marshal` copies what is plain without a line of Python, and without running anybody's code: whatever is no exact dict,
list, text or number it refuses. Nothing of it leaves the process. (https://docs.python.org/3/library/marshal.html)
"""

from __future__ import annotations

import marshal
from typing import Any

from layer_sdk._json import to_json_or_repr, weighed_json_or_repr

LARGEST = 256 * 1024  # bytes; beyond that, texts are shared rather than copied


def frozen(value: Any) -> tuple[Any, int]:
    """Copy a value as it is now: bytes for `thaw`, or the copy itself; and the bytes of memory that it takes."""
    try:
        copied = marshal.dumps(value)
    except ValueError:  # something in it is not plain, or it has no end
        return weighed_json_or_repr(value)
    size = len(copied)
    return (copied, size) if size <= LARGEST else weighed_json_or_repr(value)


def thaw(copied: bytes) -> Any:
    """Give what was copied, as recording reads everything."""
    return to_json_or_repr(marshal.loads(copied))  # noqa: S302  (bytes of our own)
