"""`make demo`: what it prints, and when it stays."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
ENVIRON = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}"}
COMMAND = [sys.executable, "-W", "error", str(ROOT / "scripts" / "demo.py")]


def on_a_terminal(environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the demo on a terminal of its own."""
    main, other = pty.openpty()
    running = subprocess.Popen(COMMAND, env={**ENVIRON, **environ}, stdin=other, stdout=other, stderr=other)
    os.close(other)
    return running, main


def until(main: int, wanted: str) -> str:
    """Read what the demo prints, until it has printed something."""
    seen = ""
    while wanted not in seen:
        assert select.select([main], [], [], 60)[0], seen
        seen += os.read(main, 4096).decode()
    return seen


def test_stays_on_a_terminal_and_opens_the_page(tmp_path: Path) -> None:
    """It prints the page's address, opens it where there is a display, answers there, and Ctrl-C ends it with 0."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(0o755)
    running, main = on_a_terminal({"DISPLAY": ":0", "BROWSER": f"{browser} %s"})
    seen = until(main, "Ctrl-C ends it.")
    url = re.findall(r"policies\): (http://127\.0\.0\.1:\d+/)", seen)[0]
    assert url == opened.read_text().strip()
    sessions = requests.get(f"{url}dev/sessions", timeout=10).json()["sessions"]
    decisions = set()
    for session in sessions:
        looked_up = requests.get(f"{url}v1/sessions/{session['session_id']}", timeout=10)
        decisions.add(looked_up.json()["decision"])
    assert (7, {"pass", "block", "skip"}) == (len(sessions), decisions)
    running.send_signal(signal.SIGINT)
    assert 0 == running.wait(30)
    os.close(main)


def test_opens_nothing_without_a_display(tmp_path: Path) -> None:
    """On a terminal without a display it stays, and starts no browser, which would take the terminal."""
    opened = tmp_path / "opened"
    running, main = on_a_terminal({"BROWSER": f"touch {opened}"})
    until(main, "Ctrl-C ends it.")
    running.send_signal(signal.SIGINT)
    assert (0, False) == (running.wait(30), opened.exists())
    os.close(main)


def test_ends_where_it_is_built(tmp_path: Path) -> None:
    """In CI it prints the same and ends, even on a terminal."""
    running, main = on_a_terminal({"CI": "true", "DISPLAY": ":0", "BROWSER": f"touch {tmp_path / 'opened'}"})
    seen = until(main, "Next: ")
    assert 0 == running.wait(30)
    assert "Ctrl-C" not in seen
    assert not (tmp_path / "opened").exists()
    os.close(main)
