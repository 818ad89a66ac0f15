"""Make the environments of tests/frameworks: one for each framework, since no openai pleases them all.

A requirements file in requirements/frameworks is an environment of its name in .envs/frameworks. pip installs what
has changed in the file, and nothing at all where it has not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs" / "frameworks"


def main() -> None:
    """Make what is missing."""
    for requirements in sorted((ROOT / "requirements" / "frameworks").glob("*.txt")):
        prepare(ENVS / requirements.stem, requirements)


def prepare(folder: Path, requirements: Path) -> None:
    """Make an environment, or bring it up to date."""
    made, wanted = folder / "made", requirements.read_text("utf-8")
    if made.exists() and made.read_text("utf-8") == wanted:
        return
    print(f"{folder.relative_to(ROOT)} ...", flush=True)
    made.unlink(missing_ok=True)
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--requirement", str(requirements)], check=True)
    made.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main()
