"""`layer-sdk completion`: what has a shell complete the command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ._group import Failure, examples

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog=examples(
        'eval "$(layer-sdk completion bash)"                                     # in ~/.bashrc',
        'eval "$(layer-sdk completion zsh)"                                      # in ~/.zshrc',
        "layer-sdk completion fish > ~/.config/fish/completions/layer-sdk.fish   # once",
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what has a shell complete commands and options when Tab is pressed."""
    from . import program

    completion = get_completion_class(shell)
    if completion is None:
        raise Failure(f"click knows no completion for {shell}")
    click.echo(completion(program, {}, "layer-sdk", "_LAYER_SDK_COMPLETE").source())
