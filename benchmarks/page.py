"""How quick the embedded Layer's page is with fifty thousand actions, measured in Chromium, and what memory it takes.

Prints a section of docs/devserver.md; run it on a machine that does nothing else.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import requests

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "generated"), str(ROOT / "scripts"), str(ROOT / "tests")]

from playwright.sync_api import sync_playwright  # noqa: E402 (the path comes first)

from browser.sample import action, output, prompt  # noqa: E402 (the path comes first)
from browser.visits import ARGUMENTS, DESKTOP  # noqa: E402 (the path comes first)
from chromium import path as path_of_chromium  # noqa: E402 (the path comes first)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SESSIONS = 2_000
TURNS = 12
RUNS = 7
LOADS = 200
WATCHERS = 20
WORDS = ("wheel", "spoke", "chain", "saddle", "brake", "pedal", "fork", "lamp", "bell", "tyre")
# What is asked for, how it is asked for, and what the address says once it is answered.
FILTERS = {
    "a word as it is typed": ("q", "saddle 77", "q=saddle%2077"),
    "a word that is everywhere": ("q", "answer", "q=answer"),
    "kind": ("kind", "embeddings", "kind=embeddings"),
    "status": ("status", "error", "status=error"),
    "time": ("time", "24h", "time=24h"),
    "attribute": ("attribute", "user.id=user-7", "attribute=user.id%3Duser-7"),
}
_PAINT = """async () => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const largest = await new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
      .observe({ type: "largest-contentful-paint", buffered: true });
  });
  return [paint.startTime, largest];
}"""
_WATCH = """() => {
  window.askedAt = 0;
  addEventListener("keydown", () => { window.askedAt = performance.now(); }, true);
  addEventListener("change", () => { window.askedAt = performance.now(); }, true);
  document.body.addEventListener("htmx:afterSettle", () => {
    requestAnimationFrame(() => requestAnimationFrame(() => { window.answeredAt = performance.now(); }));
  });
}"""

_ANSWERED = """async () => {
  do await new Promise((resolve) => setTimeout(resolve, 100)); while (!(window.answeredAt > window.askedAt));
  return window.answeredAt - window.askedAt;
}"""


def main() -> None:
    """Measure, and print what was found."""
    with server() as (url, process), requests.Session() as connection:
        began = time.perf_counter()
        ids = [record(connection, url, number) for number in range(SESSIONS)]
        print(f"recorded in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        with sync_playwright() as playwright:
            found = path_of_chromium()
            browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
            rows = [*paints(browser, url, ids), *answers(browser, url)]
            used = memory(browser, url, ids, process.pid)
            browser.close()
    print(section(rows, used))


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """An embedded Layer in a process of its own, whose memory is nobody else's."""
    program = (
        "from layer_sdk.devserver import Settings, run; run(Settings(), on_ready=lambda url: print(url, flush=True))"
    )
    environ = {"PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()


def record(connection: requests.Session, url: str, number: int) -> str:
    """Create a session of twenty-five actions; its id."""
    said = [f"{WORDS[(number + turn) % 10]} {number} {turn}: how far does it turn, and why?" for turn in range(TURNS)]
    turns = [
        one
        for turn, text in enumerate(said)
        for one in (prompt(text, 4 * turn), output(f"An answer to {text}", 4 * turn + 1))
    ]
    failure = {"message": "The model did not answer.", "code": 504} if number % 20 == 0 else None
    last = action("embeddings" if number % 10 == 0 else "completion_output", 60, data={"input": ["x"]}, error=failure)
    body = {
        "application_id": f"application-{number % 3}",
        "session_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{url} {number}")),
        "attributes": {"user.id": f"user-{number % 50}", "environment": ("production", "staging")[number % 2]},
        "actions": [*turns, last],
    }
    answer = connection.post(f"{url}/v1/sessions", json=body, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["session_id"])


def paints(browser: Browser, url: str, ids: list[str]) -> Iterator[tuple[str, float, float]]:
    """First paint, and the last of the largest paints, of each kind of page; style and scripts are in the cache."""
    pages = {
        "the list": "/",
        "the list, page 20": "/?before=1000",
        "a session of 25 actions": f"/sessions/{ids[-1]}",
        "the totals": "/totals",
    }
    for name, address in pages.items():
        context = browser.new_context(viewport=DESKTOP)
        page = context.new_page()
        page.goto(url + address)
        found = [_painted(page, url + address) for _ in range(RUNS)]
        context.close()
        yield f"first paint: {name}", statistics.median(first for first, _ in found), max(last for _, last in found)


def _painted(page: Page, address: str) -> tuple[float, float]:
    page.goto(address)
    first, largest = page.evaluate(_PAINT)
    return float(first), float(largest)


def answers(browser: Browser, url: str) -> Iterator[tuple[str, float, float]]:
    """From the last key, or the choice, to the frame that shows the new rows."""
    for name, (field, value, address) in FILTERS.items():
        context = browser.new_context(viewport=DESKTOP)
        page = context.new_page()
        found = [_answered(page, url, field, value, address) for _ in range(RUNS)]
        context.close()
        yield f"filter: {name}", statistics.median(found), max(found)


def _answered(page: Page, url: str, field: str, value: str, address: str) -> float:
    page.goto(url)
    page.evaluate(_WATCH)
    if field == "attribute":
        page.locator("details.more > summary").click()
    if field in ("q", "attribute"):
        page.locator(f"#{field}").press_sequentially(value)
    else:
        page.locator(f"#{field}").select_option(value)
    page.wait_for_url(f"**{address}**")
    return float(page.evaluate(_ANSWERED))


def memory(browser: Browser, url: str, ids: list[str], pid: int) -> dict[str, float]:
    """The resident memory of the server, before and after many loads, and with pages that stay open, in MiB."""
    used = {"with 50,000 actions recorded": resident(pid)}
    for number in range(LOADS):
        requests.get(f"{url}/" if number % 2 else f"{url}/sessions/{ids[number]}", timeout=30).raise_for_status()
    used[f"after {LOADS} loads"] = resident(pid)
    # A browser opens six connections to a server, so each page has a profile of its own.
    contexts = [browser.new_context() for _ in range(WATCHERS)]
    for context in contexts:
        context.new_page().goto(url)
    used[f"with {WATCHERS} live pages open"] = resident(pid)
    with requests.Session() as connection:
        for number in range(100):
            record(connection, url, SESSIONS + number)
    used["after 100 more sessions while they are open"] = resident(pid)
    for context in contexts:
        context.close()
    for number in range(LOADS):
        requests.get(f"{url}/" if number % 2 else f"{url}/sessions/{ids[number]}", timeout=30).raise_for_status()
    used[f"when they are closed, after {LOADS} more loads"] = resident(pid)
    return used


def resident(pid: int) -> float:
    """The memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return float(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def section(rows: list[tuple[str, float, float]], used: dict[str, Any]) -> str:
    """What was measured, as Markdown."""
    lines = ["| | median, ms | slowest, ms |", "|---|---:|---:|"]
    lines += [f"| {name} | {middle:.0f} | {slowest:.0f} |" for name, middle, slowest in rows]
    lines += ["", "| memory of the server | MiB |", "|---|---:|"]
    lines += [f"| {name} | {mebibytes:.0f} |" for name, mebibytes in used.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
