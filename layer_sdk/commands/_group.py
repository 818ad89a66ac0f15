"""What the commands are built from: groups that load them late, failures of one line, and examples in a help text."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import IO, Any, Mapping

import click

USAGE = 2


class Failure(click.ClickException):
    """Something is wrong: a line that says so, and exit status 1."""

    exit_code = 1

    def __init__(self, message: object) -> None:
        super().__init__(str(message))
        context = click.get_current_context(silent=True)
        self._command = context.command_path if context else "layer-sdk"

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line, after the name of the command."""
        click.echo(f"{self._command}: {self.message}", file=file or sys.stderr)


class Group(click.Group):
    """A group that shows its help where no command is named, and then ends with the status of a wrong usage."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look at the words; releases of click differ in what they do without any."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)


class LazyGroup(Group):
    """A group that imports the module of a command when that command is called.

    Args:
        lazy: The package, and by the commands' names their modules in it and their lines in the help.
    """

    def __init__(self, *args: Any, lazy: tuple[str, Mapping[str, tuple[str, str]]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._package, self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Name the commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's)
        """Load a command."""
        if cmd_name not in self._lazy:
            return None
        command: click.Command = import_module(f".{self._lazy[cmd_name][0]}", self._package).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """Write the commands' lines without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])


def examples(*lines: str) -> str:
    """Make the end of a help text of examples, each a line that can be typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
