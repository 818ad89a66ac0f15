"""A process that begins, makes one call, and says what each step took. Run by startup.py."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from peers import prepared

STEPS = ("openai", "import", "init", "first call")


def main() -> None:
    """Begin, step by step."""
    name, openai_url, sink_url = sys.argv[1:]
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a peer prints is no answer
    module = prepared(name)
    cpu, moments = time.process_time(), [time.perf_counter()]
    from openai import OpenAI

    client: Any = OpenAI(base_url=f"{openai_url}/v1", api_key="bench", max_retries=0)
    moments.append(time.perf_counter())
    for each in module.MODULES:
        importlib.import_module(each)
    moments.append(time.perf_counter())
    client = module.start(f"{sink_url}/{name}").wrapped(client)
    moments.append(time.perf_counter())
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Where is my order?"}])
    moments.append(time.perf_counter())
    took = dict(zip(STEPS, [(after - before) * 1e3 for before, after in zip(moments, moments[1:])]))
    took["together cpu"] = (time.process_time() - cpu) * 1e3
    print(json.dumps({**took, "together": (moments[-1] - moments[0]) * 1e3}), file=answers, flush=True)
    answers.close()


if __name__ == "__main__":
    main()
