"""What an error lets others see: its texts, and the variables of our frames that a tool would show with it."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Iterator

import layer_sdk

OURS = str(Path(layer_sdk.__file__).parent)


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def told(error: BaseException) -> str:
    """Give all that an error and what led to it say, as a traceback and as reprs."""
    words = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join([*words, *(f"{each!r}{each}" for each in chain(error))])


def shown_in_frames(error: BaseException) -> str:
    """Give the reprs of all variables in our frames, of an error and of what led to it."""
    frames = [frame for each in chain(error) for frame, _ in traceback.walk_tb(each.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_filename.startswith(OURS)]
    return "\n".join(f"{frame.f_code.co_name}: {frame.f_locals!r}" for frame in ours)
