"""`layer-sdk import`: sessions of a file, recorded in any Layer."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Iterator

import click

from ._group import Failure, examples
from ._terminal import progress

if TYPE_CHECKING:
    from layer_sdk.transfer import Import


@click.command(
    "import",
    epilog=examples(
        "layer-sdk import sessions.jsonl",
        "gunzip < bug.jsonl.gz | layer-sdk import --url http://127.0.0.1:4747 -",
        "layer-sdk import --application 53ad4290-bf1a-4f68-b182-6026e869b8cd sessions.jsonl",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--url", metavar="URL", help="Where the Layer API answers, in place of LAYER_BASE_URL.")
@click.option("--application", metavar="ID", help="Record all sessions under this application.")
def command(*, file: Path, url: str | None, application: str | None) -> None:
    """Record the sessions of FILE, which `layer-sdk export` wrote, in a Layer; "-" is standard input.

    Sessions keep their ids. Where it is interrupted, run it again: each request has a key that is the same each time,
    so a Layer records nothing twice. LAYER_BASE_URL and LAYER_OIDC_... say where to and as whom.
    """
    from layer_sdk.exceptions import LayerSDKException
    from layer_sdk.transfer import FormatError, Import, StoppedError, read_lines, target

    try:
        with _read(file) as stream, target(url) as to, progress("importing", "actions") as tell:
            work = Import(to, application, tell)
            try:
                work.run(read_lines(stream))
            finally:
                ended = _ended(work)
    except (FormatError, StoppedError) as error:
        raise Failure(f"{error}\n{ended}") from error
    except (LayerSDKException, OSError) as error:
        raise Failure(error) from error
    click.echo(ended)
    if work.refused:
        click.get_current_context().exit(1)


def _ended(work: Import) -> str:
    for old, new in work.renamed:
        click.echo(f"session {old} is now {new}: the API takes version 5 UUIDs alone", err=True)
    for number, session_id, reason in work.refused:
        click.echo(f"line {number}: session {session_id} was refused: {reason}", err=True)
    told = f"imported {work.sessions} sessions, {work.actions} actions"
    return f"{told}; {len(work.refused)} sessions refused" if work.refused else told


@contextmanager
def _read(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream
