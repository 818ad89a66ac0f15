"""Generate `generated/layer_api` from `openapi.yaml`; with `--check`, only tell whether it is up to date."""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

import free_form

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ROOT / "openapi.yaml"
PACKAGE = ROOT / "generated" / "layer_api"
HEADER = (
    f"# Generated from openapi.yaml by openapi-python-client {version('openapi-python-client')}: do not edit.\n"
    "# Change the contract or scripts/templates, then run `make generate`.\n"
)


def main() -> int:
    """Generate into a temporary folder, then put the result in place or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail where generated/ is out of date")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / PACKAGE.name
        build(fresh)
        if options.check:
            return report(differences(PACKAGE, fresh))
        shutil.rmtree(PACKAGE, ignore_errors=True)
        shutil.copytree(fresh, PACKAGE)
    print(f"generated {PACKAGE.relative_to(ROOT)}")
    return 0


def build(package: Path) -> None:
    """Generate the client into the empty folder `package`."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    free_form.install()
    config = Config.from_sources(
        ConfigFile.load_from_path(ROOT / "scripts" / "generator.yaml"),
        MetaType("none"),
        CONTRACT,
        "utf-8",
        overwrite=False,
        output_path=package,
    )
    problems = generate(config=config, custom_template_path=ROOT / "scripts" / "templates")
    if problems:
        raise SystemExit("\n".join(f"{p.header}: {p.detail}" for p in problems))
    for module in package.rglob("*.py"):
        module.write_text(HEADER + module.read_text("utf-8"), "utf-8")
    shutil.rmtree(package / ".ruff_cache", ignore_errors=True)
    (package / "py.typed").touch()
    shutil.copyfile(CONTRACT, package / "openapi.yaml")


def differences(committed: Path, fresh: Path) -> list[str]:
    """Name every file that is in one folder only, or not the same byte for byte."""
    names = {path.relative_to(root) for root in (committed, fresh) for path in root.rglob("*") if path.is_file()}
    names = {name for name in names if "__pycache__" not in name.parts}
    return sorted(str(name) for name in names if not _same(committed / name, fresh / name))


def _same(left: Path, right: Path) -> bool:
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)


def report(out_of_date: list[str]) -> int:
    """Print what `--check` found; the exit status."""
    if not out_of_date:
        print("generated/layer_api is up to date")
        return 0
    print("generated/layer_api is out of date; run `make generate`:", file=sys.stderr)
    for name in out_of_date:
        print(f"  {name}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
