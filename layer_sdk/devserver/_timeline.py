"""When the actions of a page happened: where each stands on a line, and how long it is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence

from ._moments import span

if TYPE_CHECKING:
    from ._readable import ReadableAction

WIDTH = 1000.0
_LEAST = 3.0
LANE = 10
_KINDS = ("completion_prompt", "completion_output", "completion_tool_call", "completion_prompt_attachment")


@dataclass(frozen=True)
class Bar:
    """One action on the line."""

    position: int
    left: float
    top: int
    width: float
    kind: str
    failed: bool
    title: str


@dataclass(frozen=True)
class Timeline:
    """The line, how long it is, and how high."""

    bars: tuple[Bar, ...]
    took: str
    height: int


def timeline_of(actions: Sequence[ReadableAction]) -> Timeline | None:
    """The timeline of the actions that tell when they were; None where that gives no line."""
    timed = [action for action in actions if action.began is not None]
    if len(timed) < 2:
        return None
    begins = [action.began or 0.0 for action in timed]
    ends = [max(action.ended or 0.0, began) for action, began in zip(timed, begins)]
    first, whole = min(begins), max(ends) - min(begins)
    if whole <= 0:
        return None
    scale = (WIDTH - _LEAST) / whole
    kinds = sorted({action.kind for action in timed}, key=lambda kind: (*_KINDS, kind).index(kind))
    bars = tuple(
        Bar(
            position=action.position,
            left=round((began - first) * scale, 1),
            top=kinds.index(action.kind) * LANE,
            width=round(max((end - began) * scale, _LEAST), 1),
            kind=action.kind,
            failed=action.failure is not None,
            title=f"{action.position}. {action.label}, after {span(began - first)}"
            + (f", took {action.took}" if action.took else ""),
        )
        for action, began, end in zip(timed, begins, ends)
    )
    return Timeline(bars, span(whole), len(kinds) * LANE)
