"""Whether somebody looks at what is printed. Rich is for them; what is piped is plain lines of any length."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Callable, Iterator

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

    # What was done so far, and of how much.
    Tell = Callable[[int, int], None]


def is_plain(stream: IO[str] | None = None) -> bool:
    """Tell whether colours, boxes and bars must stay out: piped, NO_COLOR (https://no-color.org), a dumb terminal.

    Args:
        stream: Where it is printed; by default standard output.
    """
    where = sys.stdout if stream is None else stream
    return not where.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")


def console(stream: IO[str] | None = None) -> Console:
    """Make a Rich console for a terminal. It reads no markup in texts and no emoji: what is shown may be anybody's."""
    from rich.console import Console

    return Console(file=sys.stdout if stream is None else stream, highlight=False, markup=False, emoji=False)


@contextmanager
def progress(doing: str, unit: str) -> Iterator[Tell]:
    """Draw a bar with rate and time left on standard error, where there is somebody to see it.

    Args:
        doing: What goes on, in a word or two.
        unit: What is counted, such as records.
    """
    if is_plain(sys.stderr):
        yield lambda _done, _total: None
        return
    from rich.progress import Progress

    with Progress(*_columns(unit), console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _columns(unit: str) -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f} {unit}/s")

    return [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
