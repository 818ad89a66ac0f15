"""`layer-sdk export`: what an embedded Layer has, as a file."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Iterator

import click

from ._embedded import embedded
from ._group import Failure, examples
from ._terminal import progress

if TYPE_CHECKING:
    import datetime


def _moment(_ctx: click.Context, _option: click.Parameter, value: str | None) -> datetime.datetime | None:
    """Read a date or a date-time."""
    if value is None:
        return None
    from layer_sdk.transfer import moment

    found = moment(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no date or date-time, such as 2026-03-02T09:30Z")
    return found


@click.command(
    epilog=examples(
        "layer-sdk export sessions.jsonl",
        "layer-sdk export --session 2ed6657d-e927-568b-95e1-2665a8aea6a2 - | gzip > bug.jsonl.gz",
        "layer-sdk export --db layer.db --application my-application --since 2026-03-02 sessions.jsonl",
    )
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, dir_okay=False))
@embedded
@click.option(
    "--db",
    "database",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The file of one that does not run, in place of --url.",
)
@click.option("--session", "sessions", multiple=True, metavar="ID", help="Only this session; may be repeated.")
@click.option("--application", metavar="ID", help="Only sessions of this application.")
@click.option("--since", callback=_moment, metavar="TIME", help="Only sessions that began then or later.")
@click.option("--until", callback=_moment, metavar="TIME", help="Only sessions that began before.")
def command(
    *,
    file: Path,
    url: str,
    token: str | None,
    database: Path | None,
    sessions: tuple[str, ...],
    application: str | None,
    since: datetime.datetime | None,
    until: datetime.datetime | None,
) -> None:
    """Write sessions of an embedded Layer to FILE, or to standard output for "-".

    The file has one JSON object a line, and the same sessions always give the same bytes. `layer-sdk import` records
    them in any Layer.
    """
    if sessions and (application or since or until):
        raise click.UsageError("--session names sessions already: leave --application, --since and --until out.")
    from layer_sdk.transfer import Source, SourceError, Wanted, export

    wanted = Wanted(sessions, application, since, until)
    try:
        with _served(database, url) as address, _written(file) as out, progress("exporting", "actions") as tell:
            count, actions = export(Source(address, token), wanted, out.write, tell)
    except BrokenPipeError:
        raise  # who reads what is written to a pipe has enough
    except (SourceError, OSError) as error:
        raise Failure(error) from error
    click.echo(f"exported {count} sessions, {actions} actions", err=True)


@contextmanager
def _served(database: Path | None, url: str) -> Iterator[str]:
    """Give the address; of a file that nobody serves, after starting to."""
    if database is None:
        yield url
        return
    try:
        from layer_sdk.devserver import Server, Settings, StartError
    except ImportError as error:
        raise Failure(error) from error
    try:
        server = Server(Settings(database=database)).start()
    except StartError as error:
        raise Failure(error) from error
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def _written(file: Path) -> Iterator[BinaryIO]:
    """Open what is written to. A file appears when it is complete, so that none is ever half of one."""
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    partial = file.with_name(f"{file.name}.part")
    try:
        with partial.open("wb") as out:
            yield out
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
