"""README, docs and docstrings: every Python example runs, and every table that must agree with the code does."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import pytest

import layer_sdk
from layer_sdk import __version__, layer
from layer_sdk._settings import OPTIONS
from openai_sdk.loopback_openai import LoopbackOpenAI

if TYPE_CHECKING:
    from layer_sdk.devserver import Server

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
MODULES = [
    info.name for info in pkgutil.walk_packages(layer_sdk.__path__, "layer_sdk.") if not info.name.endswith("__main__")
]


@pytest.fixture
def _openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the openai package talk to this machine."""
    with LoopbackOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "no key")
        yield


@pytest.mark.usefixtures("_openai")
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "testing"], ids=lambda page: page.stem)
def test_examples_of_a_page_run_in_order(page: Path, devserver: Server, internal_errors: list[BaseException]) -> None:
    """The Python blocks of a page run one after the other, against the embedded Layer in place of the example hosts.

    Those of docs/testing.md are files for pytest: tests/test_testing.py runs them.
    """
    source = page.read_text("utf-8")
    namespace: dict[str, Any] = {"__name__": "example"}
    for match in BLOCK.finditer(source):
        line = source.count("\n", 0, match.start(1))
        block = re.sub(r"https://(firewall\.)?layer\.example\.com", devserver.url, match.group(1))
        exec(compile("\n" * line + block, str(page), "exec"), namespace)  # noqa: S102  (our own examples)
    assert [] == internal_errors


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_docstring_run(name: str, devserver: Server) -> None:
    """The examples in a module's docstrings give what they say."""
    layer.init(base_url=devserver.url, firewall_base_url=devserver.url, application_id="doctest")
    session_id = layer.create_session()
    module = importlib.import_module(name)
    extra = {"layer": layer, "session_id": session_id}
    failed = doctest.testmod(module, extraglobs=extra, optionflags=doctest.ELLIPSIS).failed
    assert 0 == failed


def test_tests_that_a_page_names_are_there() -> None:
    """A promise that names the test which holds us to it names one that exists."""
    written = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", page.read_text("utf-8")):
            assert f"def {name}(" in written, f"{page.name} names {name}"


def test_links_between_pages_lead_somewhere() -> None:
    """Each relative link names a file that is there."""
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_option_stands_in_the_settings_page() -> None:
    """docs/settings.md has one row for each option, with its variables, default and meaning."""
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = [row(option) for option in OPTIONS]
    assert rows == re.findall(r"^\| `.*$", page, re.MULTILINE)


def row(option: Any) -> str:
    names = " or ".join(f"`{name}`" for name in (option.name, option.alias) if name)
    variables = ", ".join(f"`{variable}`" for variable in option.variables)
    default = "" if option.default in (None, frozenset()) else f"`{option.default}`"
    return f"| {names} | {variables} | {default} | {option.doc} |"


def test_readme_is_short() -> None:
    """The README has at most 150 lines."""
    assert 150 >= len((ROOT / "README.md").read_text("utf-8").splitlines())


def test_changelog_begins_with_this_version() -> None:
    """The newest section of the changelog is of the package's version."""
    sections = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert __version__ == sections[0]


def test_quickstart_runs(devserver: Server) -> None:
    """The example that the demo shows runs by itself and prints two session ids."""
    environ = {"LAYER_BASE_URL": devserver.url, "PYTHONPATH": "generated:."}
    done = subprocess.run(
        [sys.executable, "-W", "error", "examples/quickstart.py"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "", 2) == (done.returncode, done.stderr, len(done.stdout.split()))


def test_demo_prints_a_timeline() -> None:
    """The demo ends well and shows the conversation recorded in both ways."""
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert [2, 2, 2] == [
        done.stdout.count(text) for text in ("new chain slips", "find_order(order_id=1042)", "[251 tokens]")
    ]
