"""`layer-sdk doctor`: what is set, what works, and what to do about what does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ._group import examples
from ._terminal import console, is_plain

if TYPE_CHECKING:
    from rich.console import Console

    from layer_sdk.doctor import Finding, Report, Setting

COLOURS = {"ok": "green", "warning": "yellow", "failure": "bold red", "skipped": "dim"}


@click.command(
    epilog=examples(
        "layer-sdk doctor",
        "LAYER_BASE_URL=http://127.0.0.1:4747 layer-sdk doctor --application-id my-application",
        "layer-sdk doctor --no-write --json",
    )
)
@click.option("--base-url", metavar="URL", help="Where the Layer API answers, in place of LAYER_BASE_URL.")
@click.option("--application-id", metavar="ID", help="In place of LAYER_APPLICATION_ID.")
@click.option("--application-name", metavar="NAME", help="In place of LAYER_APPLICATION_NAME.")
@click.option("--firewall-base-url", metavar="URL", help="In place of LAYER_FIREWALL_BASE_URL.")
@click.option("--spool-dir", metavar="FOLDER", help="In place of LAYER_SPOOL_DIR.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=600),
    default=10.0,
    show_default=True,
    help="Seconds that each step may take.",
)
@click.option("--no-write", is_flag=True, help="Make no test session, which is marked layer.doctor=true otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, timeout: float, no_write: bool, as_json: bool, **options: Any) -> None:
    """Say what is set, what works, and what to do about what does not.

    Run it where your application runs, with its environment. Secrets and tokens are never shown. The exit status is 1
    where something fails, and 0 where all is well or there are warnings alone.
    """
    from layer_sdk.doctor import examine

    def examined(**callbacks: Any) -> Report:
        return examine(timeout=timeout, may_write=not no_write, **callbacks, **options)

    if as_json:
        report = examined()
        click.echo(json.dumps(report.as_json(), indent=2))
    elif is_plain():
        report = examined(on_settings=_plain_settings, on_finding=_plain_finding)
        click.echo("\n".join(["", "versions", *(f"{name}  {value}" for name, value in report.versions.items())]))
        click.echo(f"\n{_summary(report)}")
    else:
        report = _drawn(console(), examined)
    click.get_current_context().exit(1 if report.state == "failure" else 0)


def _summary(report: Report) -> str:
    return ", ".join(f"{count} {state}" for state, count in report.counts.items())


def _plain_settings(settings: tuple[Setting, ...]) -> None:
    click.echo("settings")
    for each in settings:
        click.echo(f"{each.name}  {'-' if each.value is None else each.value}  ({each.origin})")
    click.echo("\nchecks")


def _plain_finding(finding: Finding) -> None:
    advice = f" -> {finding.advice}" if finding.advice else ""
    click.echo(f"{finding.state:<7}  {finding.name}  {finding.text}{advice}")


def _drawn(screen: Console, examined: Any) -> Report:
    with screen.status("examining"):
        report: Report = examined(
            on_settings=lambda settings: _draw_settings(screen, settings),
            on_finding=lambda finding: _draw_finding(screen, finding),
        )
    from rich.text import Text

    screen.print(Text("\n" + ", ".join(f"{name} {value}" for name, value in report.versions.items()), style="dim"))
    screen.print(Text(f"\n{_summary(report)}", style=COLOURS[report.state]))
    return report


def _draw_settings(screen: Console, settings: tuple[Setting, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", box=None, pad_edge=False, header_style="bold")
    for each in settings:
        style = "dim" if each.origin == "default" else ""
        table.add_row(*(Text(cell, style=style) for cell in (each.name, each.value or "", each.origin)))
    screen.print(table)
    screen.print()


def _draw_finding(screen: Console, finding: Finding) -> None:
    from rich.padding import Padding
    from rich.text import Text

    colour = COLOURS[finding.state]
    line = Text.assemble((f"{finding.state:<8}", colour), (f"{finding.name:<16} ", "bold"), finding.text)
    screen.print(line)
    if finding.advice:
        screen.print(Padding(Text(f"→ {finding.advice}", style="cyan"), (0, 0, 0, 25)))
