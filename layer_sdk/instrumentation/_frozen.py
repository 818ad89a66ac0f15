"""A copy of what a request holds, in the one step that takes the host's thread least: as bytes.

`marshal` copies what is plain without a line of Python, and without running anybody's code. What is no exact dict,
list, text or number it refuses, but for what gives its bytes away, as NumPy's texts and numbers do. Nothing of it
leaves the process. (https://docs.python.org/3/library/marshal.html)
"""

from __future__ import annotations

import marshal
import sys
from typing import Any

from layer_sdk._json import to_json_or_repr, weighed_json_or_repr

from ._snapshot import SCALARS

LARGEST = 256 * 1024  # bytes; beyond that, texts are shared rather than copied


def frozen(value: Any) -> tuple[Any, int]:
    """Copy a value as it is now: bytes for `thaw`, or the copy itself; and the bytes of memory that it takes."""
    try:
        copied = marshal.dumps(value)
        is_known = "numpy" not in sys.modules or _is_plain(value)
    except (ValueError, RuntimeError):  # something in it is not plain, or has no end; another thread changes it
        return weighed_json_or_repr(value)
    size = len(copied)
    return (copied, size) if is_known and size <= LARGEST else weighed_json_or_repr(value)


def _is_plain(value: Any) -> bool:
    """Tell whether a request is of the usual kind, in few steps: scalars, and lists of objects that hold no others."""
    if type(value) is not dict:
        return False
    for item in value.values():
        if type(item) is list:
            for each in item:
                if type(each) is not dict or not SCALARS.issuperset(map(type, each.values())):
                    return False
        elif type(item) not in SCALARS:
            return False
    return True


def thaw(copied: bytes) -> Any:
    """Give what was copied, as recording reads everything."""
    return to_json_or_repr(marshal.loads(copied))  # noqa: S302  (bytes of our own)
