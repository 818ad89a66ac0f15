"""What the delivery tests record, and how they balance the account."""

from __future__ import annotations

from typing import Any, Callable

from layer_sdk import Layer

MakeBackground = Callable[..., Layer]


def record(mine: Layer, count: int, sessions: int = 1, **more: Any) -> list[str]:
    """Record so many actions, numbered within each session; the ids of the sessions."""
    ids = []
    for _ in range(sessions):
        with mine.session() as session_id:
            ids.append(session_id)
            for number in range(count):
                with mine.action(kind="embeddings") as action:
                    action.data = {"key": str(number), **more}
    return ids


def balance(stats: dict[str, Any]) -> int:
    """What the account lacks: nothing, at every moment."""
    ended = stats["sent"] + stats["dead_lettered"] + sum(stats["dropped"].values())
    return int(stats["accepted"] - stats["queued"] - stats["in_flight"] - ended)


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def recover(mine: Layer) -> None:
    """Wait until everything that dead processes left is taken over and sent."""
    stats = mine.stats()
    while stats["queued"] + stats["in_flight"] + stats["spool"]["waiting"]:
        assert mine.flush(120)
        stats = mine.stats()
