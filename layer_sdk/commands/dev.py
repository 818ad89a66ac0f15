"""`layer-sdk dev`: an embedded Layer on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._group import Failure, examples

if TYPE_CHECKING:
    from layer_sdk import devserver

DEFAULT_PORT = 4747
FILE = click.Path(path_type=Path)


@click.command(
    epilog=examples(
        "layer-sdk dev",
        "layer-sdk dev --port 0 --db layer.db --policies policies.yaml",
        "LAYER_DEV_TOKEN=... layer-sdk dev --host 0.0.0.0",
        "layer-sdk dev --oidc-issuer https://sso.example.com/realms/layer",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=int, default=DEFAULT_PORT, show_default=True, help="Port to listen on, 0 for any that is free."
)
@click.option("--db", "database", type=FILE, metavar="FILE", help="SQLite file to keep (default: a temporary one).")
@click.option("--policies", type=FILE, metavar="FILE", help="Firewall policies, YAML or JSON.")
@click.option(
    "--status-on-create",
    type=click.Choice(["201", "202"]),
    default="201",
    show_default=True,
    help="What a created session is answered with.",
)
@click.option("--oidc-issuer", metavar="URL", help="Let in bearer tokens of this OpenID Connect issuer alone.")
@click.option("--oidc-audience", metavar="NAME", help="Audience that the tokens must be meant for.")
@click.option(
    "--token",
    envvar="LAYER_DEV_TOKEN",
    metavar="TOKEN",
    help="What opens the page, and the API; else LAYER_DEV_TOKEN. Listening on other addresses than this machine's, "
    "one is made up if it is not given.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name that the server may be called by beside its own, such as a proxy's; may be given more than once.",
)
def command(
    *,
    host: str,
    port: int,
    database: Path | None,
    policies: Path | None,
    status_on_create: str,
    oidc_issuer: str | None,
    oidc_audience: str | None,
    token: str | None,
    hosts: tuple[str, ...],
) -> None:
    """Run an embedded Layer until Ctrl-C.

    Point LAYER_BASE_URL at the address that it prints, and look there at what your application records.
    """
    try:
        from layer_sdk import devserver
    except ImportError as error:
        raise Failure(error) from error
    try:
        settings = devserver.Settings(
            host=host,
            port=port,
            database=database,
            policies=policies,
            status_on_create=int(status_on_create),
            oidc_issuer=oidc_issuer,
            oidc_audience=oidc_audience,
            token=token,
            hosts=hosts,
        )
        devserver.run(settings, on_ready=lambda url: _tell(url, settings))
    except (devserver.StartError, ValueError) as error:
        raise Failure(error) from error


def _tell(url: str, settings: devserver.Settings) -> None:
    """Print the address for LAYER_BASE_URL, and with a token that of the page: it is to be opened once."""
    click.echo(f"Layer is ready at {url}")
    if settings.token is not None:
        click.echo(f"Open {settings.page_url(url)} to see its page")
