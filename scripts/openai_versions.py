"""Make .envs/openai: one environment, and beside it each version of openai that tests/openai_sdk run with, unpacked.

scripts/openai_versions.py                      make what is missing
scripts/openai_versions.py --list               print the versions
scripts/openai_versions.py --test [arguments]   run tests/openai_sdk with each of them, one line of result a version
scripts/openai_versions.py --deep [arguments]   run with each of them what `--test` runs with the newest alone
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".envs" / "openai"
PYTHON = str(HOME / "venv" / "bin" / "python")
REQUIREMENTS = ROOT / "requirements" / "openai.txt"
# The first and the last that are watched, and those between them in which something changed that matters to us.
VERSIONS = ("1.18.0", "1.40.0", "1.68.0", "1.109.1", "2.0.0", "2.54.0", "3.0.0", "3.57.0")
LONGEST_FIRST = VERSIONS[::-1]

ALL = ("tests/openai_sdk",)
# What takes minutes a version, and goes by our code rather than by openai's.
DEEP = ("tests/openai_sdk/test_equivalence.py", "tests/openai_sdk/test_fault_injection.py")


def main() -> int:
    """Do what the arguments say; 0 if all went well."""
    parser = argparse.ArgumentParser(description="The versions of openai that tests/openai_sdk run with.")
    parser.add_argument("--list", action="store_true", help="print the versions")
    parser.add_argument("--test", nargs=argparse.REMAINDER, metavar="...", help="run the tests; the rest is for pytest")
    parser.add_argument("--deep", nargs=argparse.REMAINDER, metavar="...", help="run what takes minutes a version")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(VERSIONS))
        return 0
    make_environment()
    for version in VERSIONS:
        unpack(version)
    if arguments.deep is not None:
        return test(arguments.deep, DEEP)
    return 0 if arguments.test is None else test(arguments.test, ALL)


def make_environment() -> None:
    """Make the virtual environment, unless it is there with all that the requirements say."""
    made, wanted = HOME / "venv" / "made", REQUIREMENTS.read_text("utf-8")
    if made.exists() and made.read_text("utf-8") == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME / "venv")], check=True)
    pip("install", "--requirement", str(REQUIREMENTS))
    made.write_text(wanted, "utf-8")


def unpack(version: str) -> None:
    """Fetch that version and unpack it, unless it is there."""
    if (HOME / version).exists():
        return
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        pip("download", "--no-deps", "--only-binary", ":all:", "--dest", folder, f"openai=={version}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(Path(folder) / "unpacked")
        shutil.move(Path(folder) / "unpacked", HOME / version)  # last, so that what is there is whole


def pip(command: str, *arguments: str) -> None:
    """Run pip in the environment."""
    subprocess.run([PYTHON, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments], check=True)


def test(arguments: list[str], paths: Sequence[str]) -> int:
    """Run the tests with each version, two at a time, and print what failed; 0 if nothing did."""
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(lambda version: run(version, arguments_of(version, paths, arguments)), LONGEST_FIRST)
        for version, done in zip(LONGEST_FIRST, runs):
            lines = done.stdout.rstrip().splitlines() or ["nothing was printed"]
            if done.returncode:
                failed += 1
                print(done.stdout, done.stderr, sep="\n")
            print(f"openai {version}: {lines[-1].strip(' =')}", flush=True)
    return 1 if failed else 0


def arguments_of(version: str, paths: Sequence[str], arguments: list[str]) -> list[str]:
    """Give the words for pytest: what takes minutes is for the newest version, unless it is all that is asked for."""
    is_left_out = paths != DEEP and version != VERSIONS[-1]
    return [*paths, *(f"--ignore={path}" for path in DEEP if is_left_out), *arguments]


def run(version: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the tests with one version."""
    path = os.pathsep.join(map(str, (HOME / version, ROOT, ROOT / "generated")))
    unused = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # the second takes a second to say nothing
    command = [PYTHON, "-m", "pytest", *unused, "-m", "openai", *arguments]
    environ = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    raise SystemExit(main())
