"""Chance that can be had again: everything random in these tools comes from a seed and from what it is drawn for."""

from __future__ import annotations

import random


def seeded(seed: int, *what_for: object) -> random.Random:
    """Give a source of its own to each purpose, so that no other draw shifts it."""
    return random.Random("/".join(str(part) for part in (seed, *what_for)))  # noqa: S311  (no secret is made of it)
