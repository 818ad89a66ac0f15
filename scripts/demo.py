"""Start an embedded Layer, record conversations in it, print two of them, and show them all on its page.

On a terminal it stays until Ctrl-C, and opens the page where there is a display; else it prints, and ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import webbrowser
from datetime import datetime
from pathlib import Path
from typing import Any, Iterator
from urllib.request import ProxyHandler, build_opener

import demo_sessions
from layer_sdk.devserver import Server, Settings

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WIDTH = 100
LABELS = {
    "completion_prompt": "asks",
    "completion_output": "answers",
    "completion_tool_call": "calls",
    "completion_prompt_attachment": "attaches",
    "embeddings": "embeds",
    "moderation": "moderates",
}


def main() -> int:
    """Run the demo; the exit status."""
    with Server(Settings(port=0, policies=EXAMPLES / "policies.yaml")) as server:
        print(f"An embedded Layer listens at {server.url}\nRunning examples/quickstart.py against it\n", flush=True)
        recorded = demo_sessions.record(server.url)
        for session_id in quickstart(server.url):
            print(timeline(read(f"{server.url}/dev/sessions/{session_id}")), end="\n\n")
        print(
            f"These two, and {len(recorded)} more (tools and an image, a failure, violated policies): {server.page_url}"
        )
        if is_watched():
            stay(server.page_url)
    print("Next: `.venv/bin/layer-sdk dev` keeps an embedded Layer running, for applications of your own.")
    return 0


def is_watched() -> bool:
    """Tell whether somebody sits before a terminal, rather than a pipe or a machine that builds."""
    return sys.stdout.isatty() and sys.stdin.isatty() and not os.environ.get("CI")


def stay(url: str) -> None:
    """Show the page until Ctrl-C."""
    # Without a display, a browser for the terminal would take the terminal over.
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
    try:
        print("Look at the page there. Ctrl-C ends it.", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


def quickstart(url: str) -> list[str]:
    """Run the example in a process of its own and give the ids of the sessions that it recorded."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LAYER_")}
    environ.update(LAYER_BASE_URL=url, NO_PROXY="127.0.0.1")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "quickstart.py")],
        env=environ,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        text=True,
    )
    return done.stdout.split()


def read(url: str) -> dict[str, Any]:
    """Get a JSON document from the embedded Layer."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as response:
        return dict(json.load(response))


def timeline(session: dict[str, Any]) -> str:
    """Lay a recorded session out as text, a line or more an action."""
    attributes = session["attributes"]
    head = (
        f"session {session['session_id']} ({attributes.get('way', 'unknown')}, user {attributes.get('user.id', '?')})"
    )
    began = moment(session["start_time"])
    lines = [head, "-" * len(head)]
    for action in session["actions"]:
        seconds = (moment(action["start_time"]) - began).total_seconds()
        lines.append(entry(f"{seconds:+8.3f}s  {LABELS[action['kind']]:9}", said(action)))
    return "\n".join(lines)


def moment(text: str) -> datetime:
    """Read a date-time of the wire; Python 3.8 wants a zone spelled out and whole microseconds."""
    return datetime.strptime(text if "." in text else text.replace("Z", ".0Z"), "%Y-%m-%dT%H:%M:%S.%f%z")


def said(action: dict[str, Any]) -> str:
    """Say what an action holds: its last message, its tools, its error, and the tokens it took."""
    return "  ".join(_parts(action)) or "(nothing)"


def _parts(action: dict[str, Any]) -> Iterator[str]:
    data = action.get("data") or {}
    for message in data.get("messages", [])[-1:]:
        yield str(message["content"])
    for tool in data.get("tools", []):
        yield f"{tool['name']}({', '.join(f'{name}={value}' for name, value in tool['arguments'].items())})"
    if action.get("error"):
        yield f"failed: {action['error']['message']}"
    for scanner in action.get("scanners") or []:
        if scanner["name"] == "usage":
            yield f"[{sum(scanner['data'].values())} tokens]"


def entry(label: str, text: str) -> str:
    """Wrap an entry's text beside its label."""
    return textwrap.fill(text, WIDTH, initial_indent=f"{label} ", subsequent_indent=" " * (len(label) + 1))


if __name__ == "__main__":
    raise SystemExit(main())
