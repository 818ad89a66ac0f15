from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import layer_sdk.devserver

FOLDER = Path(layer_sdk.devserver.__file__).parent


def printed_by(program: str) -> str:
    """What a program prints in an interpreter of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_importing_is_cheap() -> None:
    """The import alone loads none of the packages that a server needs."""
    heavy = {"cryptography", "jinja2", "jwt", "openapi_core", "sqlite3", "starlette", "uvicorn", "yaml"}
    program = f"import sys, layer_sdk.devserver as d; d.Settings(); print(sorted({heavy} & set(sys.modules)))"
    assert "[]" == printed_by(program)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("cryptography", "cryptography"),
        ("jinja2", "jinja2"),
        ("jwt", "pyjwt"),
        ("openapi_core", "openapi-core"),
        ("starlette", "starlette"),
        ("uvicorn", "uvicorn"),
        ("yaml", "pyyaml"),
    ],
)
def test_a_missing_package_is_named(name: str, package: str) -> None:
    """Without a package that it needs, the import says which one, and which extra brings it."""
    program = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "try:\n    import layer_sdk.devserver\nexcept ImportError as error:\n    print(error)"
    )
    assert printed_by(program) == (
        f'The embedded Layer needs the extra "devserver" ({package} is not installed): '
        'pip install "protectai-layer-sdk[devserver]"'
    )


def test_the_embedded_layer_is_a_second_opinion() -> None:
    """No module of the embedded Layer imports anything else of this SDK."""
    imported = {
        (node.level, node.module or "") if isinstance(node, ast.ImportFrom) else (0, alias.name)
        for module in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert {0, 1} == {level for level, _ in imported}
    assert not [name for level, name in imported if not level and name.partition(".")[0] in ("layer_sdk", "layer_api")]


def test_a_hosts_logging_is_left_alone() -> None:
    """A server in a host's process adds no handler, silences no logger and writes no access log."""
    program = (
        "import logging, sys\n"
        "from urllib.request import urlopen\n"
        "from layer_sdk.devserver import Server\n"
        "logging.basicConfig(level=logging.INFO, stream=sys.stdout, format='%(name)s')\n"
        "with Server() as server:\n"
        "    urlopen(server.url + '/dev/sessions').close()\n"
        "names = ('uvicorn', 'uvicorn.access', 'uvicorn.error')\n"
        "loggers = [logging.getLogger(name) for name in names]\n"
        "print([(one.handlers, one.propagate, one.level) for one in loggers])\n"
    )
    lines = printed_by(program).splitlines()
    assert str([([], True, 0)] * 3) == lines[-1]
    assert "uvicorn.access" not in lines
