"""Let Schemathesis loose on an embedded Layer: all checks, every phase, a few thousand cases, a fixed seed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from layer_sdk.devserver import Server, Settings

ROOT = Path(__file__).resolve().parent.parent
SEED = "20260302"
EXAMPLES = "400"
PHASES = "examples,coverage,fuzzing,stateful"


def main() -> int:
    """Run Schemathesis; its exit status."""
    with tempfile.TemporaryDirectory() as folder, Server(Settings(database=Path(folder) / "fuzz.db")) as server:
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", str(ROOT / "openapi.yaml")),
            *("--url", server.url, "--checks", "all", "--phases", PHASES),
            *("--max-examples", EXAMPLES, "--seed", SEED, "--no-color"),
        ]
        environ = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(Path(__file__).parent)}
        return subprocess.run(command, cwd=folder, env=environ, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
