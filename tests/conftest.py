"""What every test runs under: a clean environment, no network but loopback, no swallowed errors, a fresh singleton."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest
import requests

from layer_sdk import Layer, _log, layer
from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    from scripted_server import Answer, ScriptedServer

pytest.register_assert_rewrite("oidc_scenarios", "examined")

ROOT = Path(__file__).resolve().parent.parent
APPLICATION = "53ad4290-bf1a-4f68-b182-6026e869b8cd"

MakeLayer = Callable[..., Layer]
Figures = Callable[..., None]


class DeniedError(OSError):
    """Something wanted to leave this machine."""


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away every variable that could steer the SDK or requests."""
    for name in list(os.environ):
        if name.startswith(("LAYER_", "KUBERNETES_", "POD_", "NODE_")) or name.lower().endswith(
            ("_proxy", "_ca_bundle")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deny every connection that does not stay on this machine."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not ip_address(socket.gethostbyname(address[0])).is_loopback:
            raise DeniedError(f"a test wanted to connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture(autouse=True)
def internal_errors() -> Iterator[list[BaseException]]:
    """Raise what `guard` swallowed, so that no mistake of ours hides. A test that expects one clears the list."""
    swallowed: list[BaseException] = []
    _log.observers.append(swallowed.append)
    _log.limiter = _log.Limiter()
    yield swallowed
    _log.observers.remove(swallowed.append)
    if swallowed:
        raise swallowed[0]


@pytest.fixture(autouse=True)
def fresh_layer() -> Iterator[None]:
    """Leave the singleton as it was found."""
    yield
    layer.shutdown(5)


@pytest.fixture(scope="session")
def devserver() -> Iterator[Server]:
    """An embedded Layer, shared by all tests: each uses sessions of its own."""
    with Server(Settings(policies=ROOT / "tests" / "policies.yaml")) as server:
        yield server


@pytest.fixture
def make_layer(devserver: Server) -> Iterator[MakeLayer]:
    """Make initialized `Layer` objects that talk to the devserver unless told otherwise."""
    made: list[Layer] = []

    def make(**options: Any) -> Layer:
        fresh = Layer()
        defaults = {
            "base_url": devserver.url,
            "firewall_base_url": devserver.url,
            "application_id": APPLICATION,
            "delivery": "inline",  # what is recorded has arrived when the call returns
        }
        fresh.init(**{**defaults, **options})
        made.append(fresh)
        return fresh

    yield make
    for each in made:
        each.shutdown(5)


@pytest.fixture
def recorded(devserver: Server) -> Callable[[str], dict[str, Any]]:
    """Give what the devserver has of a session."""

    def read(session_id: object) -> dict[str, Any]:
        response = requests.get(f"{devserver.url}/dev/sessions/{session_id}", timeout=10)
        response.raise_for_status()
        return dict(response.json())

    return read


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Start servers that answer as the test says."""
    from scripted_server import ScriptedServer

    started: list[ScriptedServer] = []

    def start(*answers: Answer | Callable[..., Answer]) -> ScriptedServer:
        started.append(ScriptedServer(*answers).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


# ---- the fault matrix


@pytest.fixture(autouse=True)
def row(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Note which row of the fault matrix a test stands for: `@pytest.mark.row(number, fault)`."""
    for mark in request.node.iter_markers("row"):
        record_property("row", mark.args)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Keep what was measured for the table at the end of the run."""

    def note(**values: object) -> None:
        record_property("figures", values)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rows of the fault matrix that were run, with their figures."""
    rows: dict[tuple[int, str], list[tuple[pytest.TestReport, dict[str, Any]]]] = {}
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        properties = dict(report.user_properties)
        if report.when == "call" and "row" in properties:
            rows.setdefault(properties["row"], []).append((report, properties.get("figures", {})))
    if not rows:
        return
    terminalreporter.section("fault matrix")
    for (number, fault), found in sorted(rows.items()):
        seconds = sum(report.duration for report, _ in found)
        failed = sum(report.failed for report, _ in found)
        terminalreporter.line(f"{number:>2}  {fault}: {len(found) - failed} passed, {failed} failed, {seconds:.1f} s")
        for measured in [figures for _, figures in found if figures]:
            terminalreporter.line(f"      {', '.join(f'{name} {value}' for name, value in measured.items())}")
    terminalreporter.line(
        f"{len(rows)} rows, {sum(report.duration for each in rows.values() for report, _ in each):.0f} s"
    )
