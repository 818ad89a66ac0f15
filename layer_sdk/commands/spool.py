"""`layer-sdk spool`: what a journal on disk holds; send it, or delete it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import click

from ._group import Failure, Group, examples
from ._terminal import progress

TICK = 0.1


@click.group(
    cls=Group,
    epilog=examples(
        "layer-sdk spool list /var/spool/layer",
        "LAYER_BASE_URL=https://layer.example.com LAYER_APPLICATION_ID=my-application \\",
        "  layer-sdk spool send /var/spool/layer --timeout 60",
    ),
)
def command() -> None:
    """See, send or delete what waits in a spool folder, the one that is given as spool_dir."""


_directory = click.argument("directory", type=click.Path(path_type=Path))


@command.command("list", epilog=examples("layer-sdk spool list /var/spool/layer"))
@_directory
def list_(directory: Path) -> None:
    """Show the segments, and which process holds them."""
    from layer_sdk.delivery.spooling import list_segments

    with _told():
        segments = list_segments(directory)
    for each in segments:
        owner = f"process {each.process}" if each.is_alive else "nobody"
        click.echo(
            f"{each.path.name}  {each.records:>8} records  {each.size:>10} bytes  {each.age:>8.0f} s  held by {owner}"
        )
    click.echo(f"{sum(each.records for each in segments)} records in {len(segments)} segments")


@command.command("delete", epilog=examples("layer-sdk spool delete /var/spool/layer"))
@_directory
def delete(directory: Path) -> None:
    """Delete what no living process holds."""
    from layer_sdk.delivery.spooling import purge_segments

    with _told():
        deleted = purge_segments(directory)
    click.echo(f"deleted {sum(each.records for each in deleted)} records in {len(deleted)} segments")


@command.command("send", epilog=examples("layer-sdk spool send /var/spool/layer --timeout 60"))
@_directory
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds that sending may take.")
def send(directory: Path, timeout: float) -> None:
    """Send what dead processes left.

    It goes to the server and application that LAYER_BASE_URL and LAYER_APPLICATION_ID name; what was meant for
    others stays, and what a living process holds is left to it.
    """
    with _told():
        stats = _sent(directory, time.monotonic() + timeout)
        _tell(stats, directory)


def _sent(directory: Path, ends: float) -> dict[str, Any]:
    """Adopt and send until all is sent or time is up; the account."""
    from layer_sdk._facade import Layer

    sender = Layer()
    sender.init(spool_dir=directory, delivery="background")
    is_done = False
    with progress("sending", "records") as tell:
        while not is_done and time.monotonic() < ends:
            sender.flush(TICK)
            stats = sender.stats()
            is_done = not stats["queued"] + stats["in_flight"] + stats["spool"]["waiting"]
            tell(stats["sent"] + stats["dead_lettered"], stats["accepted"])
    stats = sender.stats()
    sender.shutdown(0.0)
    return stats


def _tell(stats: dict[str, Any], directory: Path) -> None:
    """Say what became of the records, once the sender has let go of what it could not send."""
    from layer_sdk.delivery.spooling import list_segments

    # The disk is asked for what is left: what nobody took over in time is in no account.
    left = sum(each.records for each in list_segments(directory) if not each.is_alive)
    lost = sum(stats["dropped"].values())
    told = f"sent {stats['sent']} records, {stats['dead_lettered']} refused for good, {left} left"
    click.echo(f"{told}, {lost} lost" if lost else told)
    if left or lost:
        click.get_current_context().exit(1)


@contextmanager
def _told() -> Iterator[None]:
    """Make one line of what goes wrong."""
    from layer_sdk.exceptions import LayerSDKException

    try:
        yield
    except (LayerSDKException, OSError) as error:
        raise Failure(error) from error
