"""The project's own rules: the contract, the generated client, sizes, and what the public surface is."""

from __future__ import annotations

import ast
import enum
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator

import yaml
from openapi_spec_validator import validate

import layer_sdk

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = sorted((ROOT / "layer_sdk").rglob("*.py"))
SURFACE = ROOT / "tests" / "public_surface.txt"

sys.path.insert(0, str(ROOT / "scripts"))


def test_contract_is_valid() -> None:
    """openapi.yaml is a valid OpenAPI 3.1 document."""
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    validate(contract)
    assert "3.1.0" == contract["openapi"]


def test_contract_has_the_operations_of_the_api_and_no_other() -> None:
    """Each operation stands there with the success statuses that the API answers with."""
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    found = {
        (method.upper(), path): [status for status in operation["responses"] if status.startswith("2")]
        for path, item in contract["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert {
        ("POST", "/v1/sessions"): ["201", "202", "2XX"],
        ("POST", "/v1/sessions/{session_id}/actions"): ["202", "2XX"],
        ("GET", "/v1/sessions/{session_id}"): ["200"],
        ("GET", "/v1/applications"): ["200"],
        ("POST", "/v1/applications"): ["201"],
    } == found


def test_generated_client_is_up_to_date() -> None:
    """Generating anew gives the committed client byte for byte."""
    done = subprocess.run(
        [sys.executable, "scripts/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_check_of_the_generated_client_can_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed, a missing and a stray file are each named, with the command that mends it."""
    import generate

    committed, fresh = tmp_path / "committed", tmp_path / "fresh"
    for folder in (committed, fresh):
        folder.mkdir()
        (folder / "same.py").write_text("1")
    (committed / "changed.py").write_text("1")
    (fresh / "changed.py").write_text("2")
    (committed / "stray.py").write_text("1")
    (fresh / "missing.py").write_text("1")
    found = generate.differences(committed, fresh)
    assert ["changed.py", "missing.py", "stray.py"] == found
    assert 1 == generate.report(found)
    assert "make generate" in capsys.readouterr().err


def test_every_generated_module_says_so() -> None:
    """The first lines of each generated module tell that it is generated, and how."""
    modules = sorted((ROOT / "generated").rglob("*.py"))
    assert modules
    assert all(
        m.read_text("utf-8").startswith("# Generated from openapi.yaml by openapi-python-client") for m in modules
    )
    assert all("`make generate`" in m.read_text("utf-8").splitlines()[1] for m in modules)


def test_modules_fit_on_a_few_screens() -> None:
    """No module has more than 400 lines of code and comments, docstrings not counted, and no function more than 60."""
    too_long = [f"{path.name}: {length(path)}" for path in SHIPPED if length(path) > 400]
    assert [] == too_long
    functions = [(path.name, node.name, size(node)) for path in SHIPPED for node in _functions(path)]
    assert [] == [found for found in functions if found[2] > 60]


def length(path: Path) -> int:
    tree = ast.parse(path.read_text("utf-8"))
    return len(path.read_text("utf-8").splitlines()) - sum(_docstring_lines(node) for node in ast.walk(tree))


def size(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return int(node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)


def _docstring_lines(node: ast.AST) -> int:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if not isinstance(node, documented) or ast.get_docstring(node) is None:
        return 0
    docstring = node.body[0]
    return int(docstring.end_lineno or 0) - docstring.lineno + 1


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path.name}: {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in _functions(path)
        if node.name.startswith("test_") and ast.get_docstring(node) is None
    ]
    assert [] == silent


def test_library_never_prints() -> None:
    """Only the command line prints."""
    printing = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SHIPPED
        if path.name != "cli.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert [] == printing


def test_public_surface_is_the_one_that_was_agreed() -> None:
    """Names and signatures of what users see change only together with tests/public_surface.txt."""
    assert SURFACE.read_text("utf-8") == "".join(f"{line}\n" for line in surface())


def surface() -> Iterator[str]:
    for name in sorted(layer_sdk.__all__):
        thing = getattr(layer_sdk, name)
        if isinstance(thing, type) and issubclass(thing, enum.Enum):
            yield f"{name}: {', '.join(member.value for member in thing)}"
            continue
        yield f"{name}{_signature(thing)}"
        if isinstance(thing, type) and thing.__module__.startswith("layer_sdk"):
            for member in sorted(vars(thing)):
                if not member.startswith("_"):
                    yield f"  .{member}{_signature(vars(thing)[member])}"


def _signature(thing: Any) -> str:
    if not callable(thing):
        return ""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return ""
    named = [p.name + ("" if p.default is p.empty else "=...") for p in parameters if p.kind is not p.KEYWORD_ONLY]
    keywords = [p.name + ("" if p.default is p.empty else "=...") for p in parameters if p.kind is p.KEYWORD_ONLY]
    return f"({', '.join([*named, *(['*', *keywords] if keywords else [])])})"


def test_command_line_tells_which_extra_is_missing(tmp_path: Path) -> None:
    """Without the packages of the devserver, `layer-sdk dev` says what to install, and ends with status 1."""
    hidden = tmp_path / "uvicorn.py"
    hidden.write_text("raise ImportError('not installed')")
    program = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('uvicorn', 'starlette', 'openapi_core', 'jinja2', 'yaml'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from layer_sdk.cli import main\n"
        "sys.exit(main(['dev', '--port', '0']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "generated:."},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (1, "") == (done.returncode, done.stdout)
    assert 'pip install "protectai-layer-sdk[devserver]"' in done.stderr
    assert "Traceback" not in done.stderr
