"""A virtual environment for each peer, made of the versions pinned in `requirements/bench`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".envs" / "bench"
# What a process needs of the caller's environment. Proxies, and options of the peers, would change what is measured.
KEPT = ("HOME", "LANG", "PATH", "SYSTEMROOT", "TMPDIR")
# Those that are another peer, set up otherwise.
SHARED = {"layer_safe": "layer"}


def interpreter(peer: str) -> str:
    """Make the environment, unless it is there as pinned, and give its interpreter."""
    name = SHARED.get(peer, peer)
    wanted = ROOT / "requirements" / "bench" / f"{name}.txt"
    folder = FOLDER / name
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists() or made.read_text("utf-8") != wanted.read_text("utf-8"):
        print(f"Making .envs/bench/{name} ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(wanted)], check=True)
        shutil.copyfile(wanted, made)
    return str(python)


def variables(environment: str, peer: str) -> dict[str, str]:
    """Give the environment variables of a process that is measured; Layer alone is found in the working tree."""
    given = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONHASHSEED": "0"}
    if SHARED.get(environment, environment) == "layer":
        given["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "generated")])
    if peer == "none":
        given["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # or Logfire would be in its plain client, too
    return given
