"""The command line: `layer-sdk`, or `python -m layer_sdk`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import _spool_commands
from ._version import __version__

DEFAULT_PORT = 4747


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; those it was called with by default.

    Returns:
        The exit status: 0 when all went well, 1 when not, 2 for words that make no sense.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
    """
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="layer-sdk", description="Tools of the Layer SDK.")
    parser.add_argument("--version", action="version", version=f"layer-sdk {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_dev(commands.add_parser("dev", help="run an embedded Layer on this machine", description=_DEV))
    _spool_commands.add(commands.add_parser("spool", help="see, send or delete what waits on disk", description=_SPOOL))
    return parser


_DEV = "Run an embedded Layer: point LAYER_BASE_URL at it and look at what your application records."

_SPOOL = (
    "What waits in a spool folder. `send` adopts what dead processes left for the server and application that "
    "LAYER_BASE_URL and LAYER_APPLICATION_ID name; what a living process holds is left to it."
)


def _add_dev(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )
    parser.add_argument("--db", type=Path, metavar="FILE", help="SQLite file to keep (default: a temporary one)")
    parser.add_argument("--policies", type=Path, metavar="FILE", help="firewall policies, YAML or JSON")
    parser.add_argument(
        "--status-on-create",
        type=int,
        choices=(201, 202),
        default=201,
        help="what a created session is answered with (default: %(default)s)",
    )
    parser.add_argument("--oidc-issuer", metavar="URL", help="let in bearer tokens of this OpenID Connect issuer alone")
    parser.add_argument("--oidc-audience", metavar="NAME", help="audience that the tokens must be meant for")
    parser.set_defaults(run=_dev)


def _dev(options: argparse.Namespace) -> int:
    try:
        from . import devserver
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        settings = devserver.Settings(
            host=options.host,
            port=options.port,
            database=options.db,
            policies=options.policies,
            status_on_create=options.status_on_create,
            oidc_issuer=options.oidc_issuer,
            oidc_audience=options.oidc_audience,
        )
        devserver.run(settings, on_ready=lambda url: print(f"Layer is ready at {url}", flush=True))
    except (devserver.StartError, ValueError) as error:
        print(f"layer-sdk dev: {error}", file=sys.stderr)
        return 1
    return 0
