"""What lists and totals need to know of an action, taken from it once, when it is received."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from ._moments import moment
from ._texts import texts_of_action

if TYPE_CHECKING:
    from ._policies import Policies

_LONGEST_PROMPT = 120
_LONGEST_LOOK = 20_000
# More than any model takes; and sums of it fit into what SQLite calls an integer.
_MOST_TOKENS = 10**12
_TOTAL = "total_tokens"
_PARTS = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class Digest:
    """An action in short."""

    began: float | None
    ended: float | None
    tokens: int
    failed: bool
    prompt: str
    text: str
    violated: frozenset[int]

    @property
    def seconds(self) -> float:
        """How long the action took."""
        return max(self.ended - self.began, 0.0) if self.began is not None and self.ended is not None else 0.0


def digest(action: Mapping[str, Any], policies: Policies) -> Digest:
    """Take from an action what is needed of it in short."""
    texts = texts_of_action(action)
    return Digest(
        began=moment(action.get("start_time")),
        ended=moment(action.get("end_time")),
        tokens=tokens_of(action.get("scanners")),
        failed=bool(action.get("error")),
        prompt=first_prompt(action.get("data")) if action.get("kind") == "completion_prompt" else "",
        text=_joined(texts),
        violated=policies.violated(action.get("kind"), texts),
    )


def tokens_of(scanners: Any) -> int:
    """How many tokens the scanner `usage` of an action tells of."""
    total = 0
    for scanner in scanners if isinstance(scanners, list) else ():
        if isinstance(scanner, dict) and scanner.get("name") == "usage" and isinstance(scanner.get("data"), dict):
            usage = scanner["data"]
            total += _number(usage.get(_TOTAL)) or sum(_number(usage.get(part)) for part in _PARTS)
    return min(total, _MOST_TOKENS)


def first_prompt(data: Any) -> str:
    """What the user of a prompt said first, on one line and in short."""
    said = data.get("messages") if isinstance(data, dict) else None
    messages = [message for message in said if isinstance(message, dict)] if isinstance(said, list) else []
    users = [message for message in messages if message.get("role") == "user"]
    content = (users or messages or [{}])[0].get("content", "")
    line = " ".join(_plain(content)[: 20 * _LONGEST_PROMPT].split())
    return line if len(line) <= _LONGEST_PROMPT else line[:_LONGEST_PROMPT] + "…"


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return " ".join(text for text in texts if isinstance(text, str))


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0
    return min(max(int(value), 0), _MOST_TOKENS)


def _joined(texts: list[str]) -> str:
    left, chosen = _LONGEST_LOOK, []
    for text in texts:
        chosen.append(text[:left])
        left -= len(chosen[-1])
        if left <= 0:
            break
    return "\n".join(chosen)
