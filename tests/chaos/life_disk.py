"""A program whose spool gets into trouble: `life_disk.py full|gone`. Its folder is that of LIFE_SPOOL."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path

from chaos.life_program import SPOOL, act_many, begin, tell
from layer_sdk import layer
from layer_sdk.delivery._spool import LOOK


def main() -> None:
    """Record before, during and after the trouble; everything is to arrive."""
    begin()
    act_many(100)
    while not layer.stats()["spool"]["written"]:
        layer.create_session(wait=False)
        time.sleep(0.1)
    if sys.argv[1] == "full":
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    else:
        shutil.rmtree(Path(os.environ[SPOOL].partition(":")[2]))
        time.sleep(LOOK)
    act_many(300, first=100)
    tell("recorded")
    flushed = layer.flush(30)
    tell(
        json.dumps({"flushed": flushed, "state": layer.stats()["spool"]["state"], "dropped": layer.stats()["dropped"]})
    )
    if sys.argv[1] == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


main()
