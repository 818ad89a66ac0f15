"""A function-as-a-service: each line of input is an invocation, and it is frozen in between. `life_lambda.py`."""

from __future__ import annotations

import sys

from chaos.life_program import act, begin, tell
from layer_sdk import layer

begin()
for line in iter(sys.stdin.readline, "end\n"):
    act(int(line))
    tell(f"done {int(line)} {layer.flush(2)}")
