from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = {f"3.{minor}": ROOT / f".envs/wheel-3.{minor}/bin/python" for minor in range(8, 15)}
FOUND = {number: python for number, python in PYTHONS.items() if python.exists()} or {"this": Path(sys.executable)}


def run(program: str, python: Path = Path(sys.executable)) -> str:
    """Run a program with a Python and give what it prints; it must end well and complain of nothing."""
    done = subprocess.run(
        [str(python), "-c", f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'generated')]}\n{program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout.strip()


# An exception strikes at each line in turn, as one of a signal handler may.
INTERRUPTED = """
import threading
from layer_sdk.delivery import _lifecycle

class Stop(BaseException):
    pass

def strike(number):
    def trace(frame, event, _):
        nonlocal number
        number -= event == "line"
        if number < 0:
            sys.settrace(None)
            raise Stop
        return trace
    return trace

struck, is_over = 0, False
while not is_over:
    try:
        sys.settrace(strike(struck))
        _lifecycle.is_ending()
        _lifecycle.is_main_alive()
        sys.settrace(None)
        is_over = True
    except Stop:
        struck += 1
print(struck > 1, _lifecycle.is_ending(), _lifecycle.is_main_alive(), threading.main_thread().is_alive())
"""


@pytest.mark.parametrize("python", FOUND.values(), ids=FOUND)
def test_exception_of_a_signal_handler_does_not_end_the_main_thread(python: Path) -> None:
    """Each recording asks whether the main thread goes on; Ctrl-C at whatever line of that leaves it going on."""
    assert "True False True True" == run(INTERRUPTED, python)


# A signal handler or a thread may call `init` while the application's imports are under way.
HALF_IMPORTED = """
import types
from layer_sdk import Layer

sys.modules["celery.signals"] = half = types.ModuleType("celery.signals")
sys.modules["multiprocessing.util"] = util = types.ModuleType("multiprocessing.util")
Layer().init(base_url="http://127.0.0.1:1", application_id="a")

class Signal:
    def connect(self, receiver, weak):
        print("celery", weak)

half.worker_process_shutdown = Signal()
del sys.modules["multiprocessing.util"]
import multiprocessing.util
Layer().init(base_url="http://127.0.0.1:1", application_id="a")
Layer().init(base_url="http://127.0.0.1:1", application_id="a")
print(len(multiprocessing.util._finalizer_registry))
"""


def test_module_that_is_half_imported_is_hooked_later() -> None:
    """What Celery and multiprocessing have not got yet is no error, and is asked for again; then it is hooked once."""
    assert ["celery False", "1"] == run(HALF_IMPORTED).splitlines()


# A server that takes connections and never answers, one that does, and the instances that send to them.
SEVERAL = """
import atexit, logging, socket, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from layer_sdk import Layer

class Answering(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        arrived.append(body)
        self.send_response(422)
        self.end_headers()

    def log_message(self, *_):
        pass

arrived = []
answering = HTTPServer(("127.0.0.1", 0), Answering)
threading.Thread(target=answering.serve_forever, daemon=True).start()
silent = socket.create_server(("127.0.0.1", 0))
ports = {"silent": silent.getsockname()[1], "answering": answering.server_port}
layers = [Layer() for _ in range(8)]
atexit.register(lambda: print(time.monotonic() - began, len(arrived)))
for number, layer in enumerate(layers):
    url = "http://127.0.0.1:%d" % ports["answering" if number % 2 else "silent"]
    layer.init(base_url=url, application_id="a", shutdown_timeout=1.0 if number else 0.5)
    with layer.session():
        pass
logging.disable()
began = time.monotonic()
"""


def test_several_instances_have_one_budget() -> None:
    """The end of the process waits as the most patient one asks, once; a server that is away delays no other's."""
    took, arrived = run(SEVERAL).split()
    assert "4" == arrived
    assert 1.0 <= float(took) < 1.8
