"""The commands of `layer-sdk`, each in a module of its own that is loaded when it is called."""

from __future__ import annotations

from typing import Sequence

import click

from layer_sdk._version import __version__

from ._group import LazyGroup, examples

# By name: its module here, whose `command` it is, and its line in `layer-sdk --help`.
COMMANDS = {
    "dev": ("dev", "Run an embedded Layer on this machine."),
    "doctor": ("doctor", "Say what is set, what works, and what to do about what does not."),
    "export": ("export", "Write sessions of an embedded Layer to a file."),
    "import": ("import_", "Record the sessions of a file in any Layer."),
    "tail": ("tail", "Show what an embedded Layer receives, as it arrives."),
    "spool": ("spool", "See, send or delete what waits on disk."),
    "completion": ("completion", "Print what has a shell complete the words."),
}


@click.version_option(__version__, message="%(prog)s %(version)s")
@click.group(
    cls=LazyGroup,
    lazy=(__name__, COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples("layer-sdk dev", "layer-sdk spool list /var/spool/layer", "layer-sdk doctor --help"),
)
def program() -> None:
    """Tools of the Layer SDK."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the words name; the exit status."""
    try:
        program.main(arguments, prog_name="layer-sdk")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
