"""What `import layer_sdk` does: next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(program: str, *, may_warn: bool = False) -> dict[str, object]:
    """Run a program in a fresh interpreter; it prints a JSON object, and no warning unless it may."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "generated:."},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, "" if may_warn else done.stderr), done.stderr
    return dict(json.loads(done.stdout))


def test_import_has_no_side_effects() -> None:
    """No thread, no environment read, no logging set up, nothing heavy loaded, nothing printed."""
    seen = run(
        """
import json, logging, os, sys, threading
read = []
class Watched(dict):
    def __getitem__(self, name): read.append(name); return super().__getitem__(name)
    def get(self, name, default=None): read.append(name); return super().get(name, default)
    def __contains__(self, name): read.append(name); return super().__contains__(name)
before = (list(logging.root.handlers), logging.root.level, logging.getLevelName(20))
os.environ = Watched(os.environ)
os.getenv = os.environ.get
import layer_sdk
after = (list(logging.root.handlers), logging.root.level, logging.getLevelName(20))
print(json.dumps({
    "read": read,
    "threads": threading.active_count(),
    "logging": before == after,
    "level": logging.getLogger("layer_sdk").level,
    "handlers": [type(handler).__name__ for handler in logging.getLogger("layer_sdk").handlers],
    "heavy": sorted({name.split(".")[0] for name in sys.modules} & {
        "requests", "urllib3", "httpx", "httpcore", "attr", "attrs", "dateutil", "asyncio", "inspect", "dataclasses",
        "openai", "starlette", "layer_api",
    }),
}))
"""
    )
    assert {
        "read": [],
        "threads": 1,
        "logging": True,
        "level": 0,
        "handlers": [],
        "heavy": [],
    } == seen


def test_models_do_not_load_the_http_stack() -> None:
    """A program that decorates with the enum of kinds has not yet paid for requests and httpx."""
    seen = run(
        """
import json, sys
from layer_sdk import SessionActionKind, layer
@layer.session()
@layer.action(kind=SessionActionKind.EMBEDDINGS)
def f(): return 1
f()
print(json.dumps({"heavy": sorted({"requests", "httpx", "urllib3"} & set(sys.modules))}))
"""
    )
    assert {"heavy": []} == seen


HEAVY = """
import json, sys
def heavy():
    return sorted({"requests", "urllib3", "attr", "dateutil", "layer_api.models"} & set(sys.modules))
"""


def test_recording_a_session_loads_nothing_heavy_on_the_hosts_thread() -> None:
    """After `init` and a first session, requests and the models are still to be loaded: by a worker, when it sends."""
    seen = run(
        HEAVY
        + """
sys.setswitchinterval(30)  # a worker's turn comes when this thread waits
from layer_sdk import layer
layer.init(base_url="http://127.0.0.1:9", application_id="a", shutdown_timeout=0.01)
with layer.session(attributes={"user.id": "1"}):
    found = heavy()
sys.setswitchinterval(0.005)
layer.flush(0.5)
print(json.dumps({"before": found, "after": heavy()}))
layer.shutdown()
""",
        may_warn=True,
    )
    assert {
        "before": [],
        "after": ["attr", "dateutil", "layer_api.models", "requests", "urllib3"],
    } == seen


def test_what_was_not_asked_for_is_not_loaded() -> None:
    """`init` loads neither a spool nor the other way to deliver, unless it is told to use them."""
    seen = run(
        """
import json, sys, tempfile
from layer_sdk import layer
PARTS = {"layer_sdk.delivery." + name for name in ("_inline", "_journal", "_segment", "_sink", "_spool")}
found = []
for options in ({}, {"delivery": "inline"}, {"spool_dir": tempfile.mkdtemp()}):
    layer.init(base_url="http://127.0.0.1:9", application_id="a", **options)
    layer.shutdown(0.01)
    found.append(sorted(name.rpartition(".")[2] for name in PARTS & set(sys.modules)))
print(json.dumps({"loaded": found}))
"""
    )
    assert {"loaded": [[], ["_inline"], ["_inline", "_journal", "_segment", "_spool"]]} == seen


def test_httpx_is_loaded_with_the_raw_client_alone() -> None:
    """Neither delivery nor an explicit call loads it: openai looks into `sys.modules` for it while a worker imports."""
    seen = run(
        """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
asked = []
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(b'{"session_id": "2ed6657d-e927-568b-95e1-2665a8aea6a2"}')
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
def found():
    return sorted({"asyncio", "httpx", "layer_api.client", "layer_sdk._http"} & set(sys.modules))
from layer_sdk import BearerToken, layer
layer.init(base_url=f"http://127.0.0.1:{server.server_port}", application_id="a", auth_provider=BearerToken("t"))
with layer.session():
    pass
layer.flush(10)
delivered = [found(), len(asked)]
layer.create_session()
called = [found(), len(asked)]
layer.raw
print(json.dumps({"delivered": delivered, "called": called, "raw": found()}))
layer.shutdown()
server.shutdown()
server.server_close()
"""
    )
    assert {
        "delivered": [[], 1],
        "called": [[], 2],
        "raw": ["httpx", "layer_api.client", "layer_sdk._http"],
    } == seen


def test_fork_waits_while_the_raw_client_is_loaded() -> None:
    """Threads that ask for it at once get one, and a child forked meanwhile is not left with a half loaded httpx."""
    seen = run(
        """
import json, os, signal, sys, threading, time, warnings
from layer_sdk import layer
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
begun = threading.Event()
class Slow:
    def find_spec(self, name, *_):
        if name == "httpx._client":
            begun.set()
            time.sleep(0.3)
sys.meta_path.insert(0, Slow())
layer.init(base_url="http://127.0.0.1:9", application_id="a")
clients = []
threads = [threading.Thread(target=lambda: clients.append(layer.raw)) for _ in range(4)]
for thread in threads:
    thread.start()
begun.wait(10)
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if layer.raw.get_httpx_client() and layer.raw_async.get_async_httpx_client() else 1)
for thread in threads:
    thread.join()
print(json.dumps({"child": os.waitpid(child, 0)[1], "clients": len(set(map(id, clients)))}))
"""
    )
    assert {"child": 0, "clients": 1} == seen


def test_recording_in_the_middle_of_an_import_waits_for_no_worker() -> None:
    """While a worker waits for what the host imports, a finalizer that records in that import does not wait for it."""
    seen = run(
        """
import faulthandler, gc, json, sys, threading
faulthandler.dump_traceback_later(20, exit=True)
from importlib.machinery import PathFinder
from layer_sdk import layer
layer.init(base_url="http://127.0.0.1:9", application_id="a", shutdown_timeout=0.01)
waiting = threading.Event()

class Deleted:
    def __init__(self):
        self.itself = self
    def __del__(self):
        with layer.action(kind="moderation"):
            pass

class Finder:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            waiting.set()  # it is to load the models, which takes what is imported below
        if name != "dateutil":
            return None
        spec = PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module
        def struck(module):
            with layer.session():
                waiting.wait(10)
            waiting.clear()
            waiting.wait(0.5)
            Deleted()
            gc.collect()
            load(module)
        spec.loader.exec_module = struck
        return spec

sys.meta_path.insert(0, Finder())
import dateutil
print(json.dumps({"imported": "dateutil" in sys.modules}), flush=True)
layer.shutdown()
""",
        may_warn=True,
    )
    assert {"imported": True} == seen


def test_init_under_uwsgi_loads_what_delivery_needs() -> None:
    """UWSGI forks behind Python's back: what a worker imported then would stay half imported in the child."""
    seen = run(
        HEAVY
        + """
import types
sys.modules["uwsgi"] = types.ModuleType("uwsgi")
from layer_sdk import layer
layer.init(base_url="http://127.0.0.1:9", application_id="a")
print(json.dumps({"heavy": heavy()}))
"""
    )
    assert {"heavy": ["attr", "dateutil", "layer_api.models", "requests", "urllib3"]} == seen


def test_import_costs_at_most_half_of_requests() -> None:
    """Side by side in one run, `import layer_sdk` takes at most half of what `import requests` takes."""
    program = (
        "import json, time; t = time.perf_counter(); import {}; print(json.dumps({{'s': time.perf_counter() - t}}))"
    )
    pairs = [[float(str(run(program.format(name))["s"])) for name in ("layer_sdk", "requests")] for _ in range(9)]
    ours, theirs = (sorted(values)[len(values) // 2] for values in zip(*pairs))
    assert 0.5 >= ours / theirs


@pytest.mark.parametrize("module", ["layer_sdk", "layer_api"])
def test_package_is_typed(module: str) -> None:
    """The package tells type checkers that it is typed."""
    seen = run(
        f"import json, {module}, pathlib as p; print(json.dumps({{'d': str(p.Path({module}.__file__).parent)}}))"
    )
    assert (Path(str(seen["d"])) / "py.typed").is_file()


def test_every_public_name_is_there() -> None:
    """Each name in __all__ can be had, and dir() shows them."""
    seen = run(
        """
import json, layer_sdk
print(json.dumps({"missing": [n for n in layer_sdk.__all__ if not hasattr(layer_sdk, n)],
                  "dir": sorted(layer_sdk.__all__) == dir(layer_sdk)}))
"""
    )
    assert {"missing": [], "dir": True} == seen


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there fails as it does with any module."""
    import layer_sdk

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        layer_sdk.Nothing  # noqa: B018
