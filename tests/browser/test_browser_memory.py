from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from browser.sample import Recorder, output, prompt

pytestmark = pytest.mark.browser

_PROGRAM = "from layer_sdk.devserver import Settings, run; run(Settings(), on_ready=lambda url: print(url, flush=True))"
_STREAMS = 20


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


def watch(url: str, streams: list[requests.Response]) -> None:
    streams.append(requests.get(f"{url}/dev/events?session=", stream=True, timeout=30))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_stays_while_pages_are_loaded_and_watched() -> None:
    """Two hundred loads, and twenty pages that stay open while more is recorded, need no more memory."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(program, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        recorder, streams = Recorder(url), list[requests.Response]()
        turns = [turn for number in range(12) for turn in (prompt(f"Question {number}"), output("word " * 200))]
        ids = [recorder.session("memory", turns) for _ in range(100)]
        for session_id in ids[:10]:
            requests.get(f"{url}/sessions/{session_id}", timeout=30).raise_for_status()
        before = resident(process.pid)
        openers = [threading.Thread(target=watch, args=(url, streams)) for _ in range(_STREAMS)]
        for one in openers:
            one.start()
        for one in openers:
            one.join()
        for session_id in ids:
            requests.get(f"{url}/sessions/{session_id}", timeout=30).raise_for_status()
            requests.get(f"{url}/?q=question", timeout=30).raise_for_status()
            recorder.append(session_id, output("one more"))
        after = resident(process.pid)
        for stream in streams:
            stream.close()
        process.terminate()
    assert [200] * _STREAMS == [stream.status_code for stream in streams]
    assert after - before < 40, f"{before} MiB before, {after} MiB after"
