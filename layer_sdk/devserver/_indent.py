"""JSON text, laid out to be read, with every name, text and number written as it was received."""

from __future__ import annotations

import re
from typing import Iterator

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEEPEST = 60
_CLOSING = {"{": "}", "[": "]"}


def laid_out(text: str) -> str:
    """Lay out a JSON document that is known to be right."""
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    tokens = [match[0] for match in _TOKEN.finditer(text)]
    depth = 0
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token in _CLOSING:
            depth += 1
            yield token if following == _CLOSING[token] else token + _line(depth)
        elif token in ("}", "]"):
            depth -= 1
            is_empty = index > 0 and _CLOSING.get(tokens[index - 1]) == token
            yield token if is_empty else _line(depth) + token
        elif token == ",":
            yield token + _line(depth)
        else:
            yield ": " if token == ":" else token


def _line(depth: int) -> str:
    return "\n" + "  " * min(depth, _DEEPEST)
