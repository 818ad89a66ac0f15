"""The command line: `layer-sdk`, or `python -m layer_sdk`."""

from __future__ import annotations

import importlib.util
import sys
from typing import Sequence

PACKAGES = ("click", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; those it was called with by default.

    Returns:
        The exit status: 0 when all went well, 1 when not, 2 for words that make no sense.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        layer-sdk ...
        0
    """
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        print(
            f'The command line needs the extra "cli" ({", ".join(missing)} is not installed): '
            'pip install "protectai-layer-sdk[cli]", or, for `layer-sdk dev` too, '
            'pip install "protectai-layer-sdk[devserver]"',
            file=sys.stderr,
        )
        return 1
    from .commands import run

    return run(arguments)


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
