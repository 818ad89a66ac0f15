"""Find Debian's Chromium, which tests/browser drive; install it with apt where it is missing, and print its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The page's characters need a font that has them: a machine without a screen has none.
_PACKAGES = ("chromium", "fonts-dejavu")
_WHAT_TO_DO = f"""The tests of the page need Chromium. Install it, on Debian or Ubuntu with
  sudo apt-get install {" ".join(_PACKAGES)}
or name another one: CHROMIUM=/path/to/chrome make test-browser"""


def main() -> int:
    """Print the path of Chromium; the exit status."""
    found = path() or installed()
    if found is None:
        print(_WHAT_TO_DO, file=sys.stderr)
        return 1
    print(found)
    return 0


def path() -> str | None:
    """Where Chromium is; None where there is none."""
    chosen = os.environ.get("CHROMIUM")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, _NAMES)), None)


def installed() -> str | None:
    """Install Chromium where this is possible, and say where it is."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0 or "CHROMIUM" in os.environ:
        return None
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *_PACKAGES]):
        # What apt says goes beside the path, which is all that is printed on success.
        subprocess.run([apt, "-q", *command], env=environ, stdout=sys.stderr, check=True)
    return path()


if __name__ == "__main__":
    raise SystemExit(main())
