"""Try the built wheel on every Python found here, and the published SDK, against one embedded Layer.

Each gets a virtual environment of its own in .envs, made once. So does what the suite runs real servers from
(.envs/runtimes): the tests that need these environments are skipped until this script has made them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from layer_sdk.devserver import Server, Settings

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs"
PYTHONS = [f"3.{minor}" for minor in range(8, 15)]
# 0.15.0 imports packaging without declaring it.
PUBLISHED = ("protectai-layer-sdk==0.15.0", "packaging")


def main() -> int:
    """Run every combination; 0 if all went well."""
    environment("runtimes", sys.executable, "--requirement", str(ROOT / "requirements" / "runtimes.txt"))
    with tempfile.TemporaryDirectory() as folder, Server(Settings()) as server:
        wheel = build(Path(folder))
        results = {f"wheel on Python {number}": on_python(number, wheel, server.url) for number in PYTHONS}
        results["published SDK 0.15.0"] = published(server.url)
    for name, result in results.items():
        print(f"{name}: {result}")
    passed, failed = (list(results.values()).count(result) for result in ("passed", "failed"))
    skipped = len(results) - passed - failed
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def build(folder: Path) -> Path:
    """Build the wheel from the working tree."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


def on_python(number: str, wheel: Path, url: str) -> str:
    """Install the wheel with its declared dependencies alone, and use it."""
    interpreter = find(number)
    if interpreter is None:
        return "skipped, there is no such Python here"
    python = environment(f"wheel-{number}", interpreter, str(wheel))
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", str(wheel)], check=True
    )
    return use(python, "smoke.py", url)


def find(number: str) -> str | None:
    """Find an interpreter of that version on the PATH or among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{number}"), *sorted(pyenv.glob(f"{number}.*/bin/python"), reverse=True)]
    return next((str(each) for each in candidates if each is not None and _runs(str(each), number)), None)


def _runs(interpreter: str, number: str) -> bool:
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([interpreter, "-c", tell], capture_output=True, text=True, check=False)
    return done.stdout.strip() == number


def published(url: str) -> str:
    """Use the published SDK as a client."""
    return use(environment("published", sys.executable, *PUBLISHED), "published_client.py", url)


def environment(name: str, interpreter: str, *requirements: str) -> str:
    """Make the virtual environment, unless it is there, and give its interpreter."""
    folder = ENVS / name
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        (folder / "made").touch()
    return str(python)


def use(python: str, script: str, url: str) -> str:
    """Run one of the scripts beside this one, isolated from the working tree."""
    command = [python, "-I", "-W", "error", str(ROOT / "scripts" / script), url]
    done = subprocess.run(command, cwd=ENVS, timeout=120, check=False)
    return "failed" if done.returncode else "passed"


if __name__ == "__main__":
    raise SystemExit(main())
