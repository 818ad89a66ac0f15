"""The application imports the package when and how it likes: it is watched from then on, and looks the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openai_sdk.expected import openai

if TYPE_CHECKING:
    from layer_sdk.devserver import Server
    from openai_sdk.loopback_openai import LoopbackOpenAI

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# A package of that name, in which something is wrong where it is told so.
FAKE = """
import builtins, os
__version__ = os.environ.get("FAKE_VERSION", "2.0.0")
vars(builtins).get("fake_begun", int)()
if "FAKE_ERROR" in os.environ:
    raise ImportError("no luck")

class Stream: pass
class AsyncStream: pass
class Base:
    def request(self, cast_to, options): return options
class AsyncBase:
    async def request(self, cast_to, options): return options
class OpenAI(Base): pass
class AsyncOpenAI(AsyncBase): pass
if "FAKE_HOLE" in os.environ:
    del Stream
"""
REFUSED = "Calls of openai are not recorded: version {} is not supported"
WATCHED, ALONE = ["active", True], ["unsupported", False]

# What each of the programs in importing.py tells.
TOLD: dict[str, list[Any]] = {
    "by_statement": ["waiting", *WATCHED],
    "by_name": [*WATCHED, True],
    "by_submodule": WATCHED,
    "before_init": WATCHED,
    "reloaded": [*WATCHED, False],
    "imported_anew": [True, True, False, False],
    "in_another_thread": WATCHED,
    "lazily": ["waiting", "OpenAI", *WATCHED],
    "after_another_hook": [1, *WATCHED],
    "before_another_hook": [1, *WATCHED],
    "two_layers": [*WATCHED, False, True],
    "shut_down_before": [False, True],
    "shut_down_after": [False, True],
    "only_looked_for": ["openai", "waiting", False],
    "failing": ["no luck", False, "waiting", *WATCHED],
    "not_installed": ["No module named 'openai'", "openai", "waiting"],
    "with_a_hole": ["failed", False, 1],
    **{version: [*ALONE, *ALONE, REFUSED.format(version)] for version in ("0.28.1", "1.17.1", "4.0.0", "unknown")},
    **{version: [*WATCHED, *WATCHED] for version in ("1.18.0", "1.99.9-beta.1", "3.99")},
    "really": [{"state": "active", "version": openai.__version__}, 3],
}


@pytest.fixture(scope="module")
def told(devserver: Server, openai_server: LoopbackOpenAI, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run all programs."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "openai").mkdir()
    (folder / "openai" / "__init__.py").write_text(FAKE, "utf-8")
    (folder / "openai" / "types.py").write_text("", "utf-8")
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        "FAKE": str(folder),
        "LAYER_BASE_URL": devserver.url,
        "LAYER_APPLICATION_ID": "my-application",
        "OPENAI_BASE_URL": openai_server.base_url,
        "OPENAI_API_KEY": "k",
    }
    command = [sys.executable, str(Path(__file__).parent / "importing.py"), *TOLD, "look", "look_when_watched"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environ)
    assert "" == done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", TOLD)
def test_import(name: str, told: dict[str, Any]) -> None:
    """However it is imported it is watched, unless its version is unknown; what goes wrong goes wrong as without us."""
    assert TOLD[name] == told[name]


def test_look(told: dict[str, Any]) -> None:
    """The module's spec, loader, path and source are the same as without us."""
    assert "SourceFileLoader" == told["look"][0]
    assert told["look"] == told["look_when_watched"]
