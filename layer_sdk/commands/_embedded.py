"""Which embedded Layer a command reads from."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_URL = "http://127.0.0.1:4747"


def embedded(function: F) -> F:
    """Add the options `--url` and `--token`."""
    url = click.option(
        "--url",
        envvar="LAYER_BASE_URL",
        default=DEFAULT_URL,
        show_default=True,
        help="Where the embedded Layer answers; else LAYER_BASE_URL.",
    )
    token = click.option("--token", envvar="LAYER_DEV_TOKEN", help="Its token, if it has one; else LAYER_DEV_TOKEN.")
    return url(token(function))
