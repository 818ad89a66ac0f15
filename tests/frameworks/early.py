"""Begins the SDK, and runs a program of these tests then: openai is imported after `layer.init`, not before."""

from __future__ import annotations

import runpy
import sys

from layer_sdk import layer

if __name__ == "__main__":
    del sys.argv[0]
    layer.init(base_url=sys.argv[2], application_id=sys.argv[3])
    assert "openai" not in sys.modules
    runpy.run_path(sys.argv[0], run_name="__main__")
