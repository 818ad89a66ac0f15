"""`layer-sdk tail`: what an embedded Layer receives, on the terminal as it arrives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, Iterator

import click

from ._embedded import embedded
from ._group import Failure, examples
from ._terminal import console, is_plain

if TYPE_CHECKING:
    from layer_sdk.transfer import Arrival

LONGEST = 2000
COLOURS = {
    "completion_prompt": "cyan",
    "completion_output": "green",
    "completion_tool_call": "magenta",
    "completion_prompt_attachment": "blue",
    "embeddings": "yellow",
    "moderation": "yellow",
}


@click.command(
    epilog=examples(
        "layer-sdk tail",
        "layer-sdk tail --all --json | jq .action.kind",
        "layer-sdk tail --session 2ed6657d-e927-568b-95e1-2665a8aea6a2",
    )
)
@embedded
@click.option("--session", metavar="ID", help="Only this session.")
@click.option("--all", "everything", is_flag=True, help="Begin with what is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(*, url: str, token: str | None, session: str | None, everything: bool, as_json: bool) -> None:
    """Show sessions and actions as they arrive at an embedded Layer, until Ctrl-C.

    What is piped is plain: one line for each session and action. An embedded Layer that goes away is waited for.
    """
    from layer_sdk.transfer import Follow, Source, SourceError

    show = _as_json if as_json else _plainly if is_plain() else _drawing()
    follow = Follow(Source(url, token), session)
    try:
        if not everything:
            follow.skip()
        for arrival in follow.run(_trouble):
            show(arrival)
    except KeyboardInterrupt:
        return
    except SourceError as error:
        raise Failure(error) from error


def _trouble(text: str) -> None:
    click.echo(f"layer-sdk tail: {text} Waiting for it." if text else "layer-sdk tail: it is back.", err=True)


def _as_json(arrival: Arrival) -> None:
    from layer_sdk.transfer import Members, write

    session_id = ("session_id", json.dumps(arrival.session_id))
    what = ("session", arrival.session) if arrival.action is None else ("action", arrival.action)
    click.echo(f"{write(Members([session_id, what]))}\n".encode(), nl=False)


def _plainly(arrival: Arrival) -> None:
    kind, text = _told(arrival)
    click.echo(f"{arrival.session_id}  {kind:<28}  {text}".rstrip())


def _drawing() -> Callable[[Arrival], None]:
    """Make what draws: the session's name stands above its actions, once for those that come together."""
    from rich.padding import Padding
    from rich.text import Text

    screen = console()
    current = ""

    def draw(arrival: Arrival) -> None:
        nonlocal current
        kind, text = _told(arrival)
        if arrival.session_id != current:
            current = arrival.session_id
            about = _told(arrival._replace(action=None))[1]
            screen.print(Text.assemble("\n", (current, "bold"), "  ", (about, "dim")))
        if arrival.action is not None:
            screen.print(Padding(Text.assemble((f"{kind}  ", COLOURS.get(kind, "")), text), (0, 0, 0, 2)))

    return draw


def _told(arrival: Arrival) -> tuple[str, str]:
    """Say in a line what arrived. It may be anybody's text: nothing in it may steer a terminal."""
    from layer_sdk.transfer import write

    try:
        said: Any = json.loads(write(arrival.session if arrival.action is None else arrival.action))
        kind = str(said.get("kind", "session"))
        text = "  ".join(_parts(said))
    except (RecursionError, ValueError):
        kind, text = "session" if arrival.action is None else "action", "(nested too deeply to show)"
    shown = "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return kind, shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"


def _parts(said: dict[str, Any]) -> Iterator[str]:
    if "kind" not in said:
        yield f"application {said.get('application_id')}"
        yield from (f"{name}={value}" for name, value in sorted(said.get("attributes", {}).items()))
        return
    data = said.get("data") or {}
    messages, tools = data.get("messages"), data.get("tools")
    if isinstance(messages, list) and messages:
        yield _line(messages[-1].get("content") if isinstance(messages[-1], dict) else messages[-1])
    if isinstance(tools, list):
        yield from (_line(tool) for tool in tools)
    if not (messages or tools) and data:
        yield _line(data.get("content", data.get("input", data)))
    if said.get("error"):
        yield f"failed: {said['error'].get('message')}"


def _line(value: Any) -> str:
    return " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
