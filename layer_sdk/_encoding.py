"""The JSON of a request's body: by orjson where that is installed, and the same bytes where it is not."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any, Callable

# As httpx writes it, but without a look for what holds itself: a request is made of copies, none of which does.
_write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode

# Of numbers near to 0 Python writes 1e-07 and 2e-05, orjson 1e-7 and 0.00002. Python is asked for texts that look like
# them, too, which does no harm.
_LONG_FRACTION = b"0.0000"
_SHORT_EXPONENT = re.compile(rb"e-(?<=[0-9]e-)[1-9](?![0-9])")
_SAMPLE = ['\x7f\x1f"\\/\u2028\U0001f600', {"a": [0.1, -0.0, 1e16, 1e22, 1.5e300, 5e-324, 1 << 63], "b": None}, True]


def _load() -> Callable[[Any], bytes] | None:
    """Load orjson; None where it is not there, or writes other bytes than those that we know of."""
    try:
        import orjson

        # What is of a type of its own is left to Python, which knows some of it and refuses the rest.
        others = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
        quick = partial(orjson.dumps, option=others)
        return quick if quick(_SAMPLE) == _write(_SAMPLE).encode() else None
    except Exception:  # noqa: BLE001  (an installation that is broken, say: all goes on without it)
        return None


_quick = _load()


def encode(content: Any) -> bytes:
    """Write a request's body, which is made of copies, and so of what JSON can hold.

    What it cannot hold is not always refused: orjson writes NaN as null, and a UUID as text.

    Raises:
        TypeError: If something in it is of a type that JSON has not.
        ValueError: If a text is none that UTF-8 can write.
    """
    if _quick is not None:
        try:
            body = _quick(content)
        except TypeError:  # an integer of more than 64 bits, say
            pass
        else:
            if _LONG_FRACTION not in body and (b"e-" not in body or _SHORT_EXPONENT.search(body) is None):
                return body
    return _write(content).encode("utf-8")
