"""Everything that is measured beside other SDKs, and the report of it: `docs/benchmarks.md`.

Nothing leaves this machine: a fake OpenAI and the sink of all telemetry run here, in processes of their own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from effort import PEERS, QUICK, Effort
from environments import ROOT, interpreter
from servers import running
from workers import Servers

SECTIONS = sys.argv[2].split(",")


def main() -> None:
    """Measure."""
    effort = Effort()
    with running("openai") as openai, running("sink") as sink:
        for name in SECTIONS:
            m = importlib.import_module(name)
            rows = m.measure(QUICK._replace(peers=tuple(sys.argv[1].split(","))), Servers(openai, sink))
            print(m.written(rows))


main()
