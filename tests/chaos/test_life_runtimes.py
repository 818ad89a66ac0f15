"""Real servers and runtimes around the SDK: each record arrives exactly once. They live in .envs/runtimes."""

from __future__ import annotations

import re
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Sequence

import pytest

from chaos import chaos_faults
from chaos.life_program import URL

if TYPE_CHECKING:
    from chaos.chaos_host import ChaosHost
    from chaos.chaos_proxy import ChaosProxy
    from chaos.fake_layer import FakeLayer

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PATHS = (ROOT, ROOT / "generated")
BIN = ROOT / ".envs" / "runtimes" / "bin"
BEFORE = 900_000
REQUESTS = 40
PATIENCE = 40.0

pytestmark = pytest.mark.skipif(
    not (BIN / "gunicorn").exists(),
    reason="there is no .envs/runtimes: make one, and `pip install -r requirements/runtimes.txt` into it",
)

Run = Callable[..., "ChaosHost"]


@pytest.fixture
def run(host: Callable[..., ChaosHost], fake_layer: FakeLayer, tmp_path: Path) -> Run:
    """Start a program of the environment's, by name or by file."""

    def start(program: str, *arguments: str, **environment: str) -> ChaosHost:
        return host(
            BIN / program if "." not in program else HERE / program,
            python=BIN / "python",
            arguments=arguments,
            environment={URL: fake_layer.url, **environment},
            paths=PATHS,
            guard=0.0 if program == "uwsgi" else 90.0,
        )

    return start


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(port: int, number: int, within: float = PATIENCE) -> str:
    """Ask the application to record a number; the process that did. Waits for the server to come up."""
    end = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{number}", timeout=20) as answer:
                return str(answer.read().decode())
        except ConnectionError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def keys(fake_layer: FakeLayer) -> list[int]:
    return sorted(int(key) for key in fake_layer.keys())  # noqa: SIM118  (no dict)


def told(host: ChaosHost, pattern: str) -> list[str]:
    return re.findall(pattern, host.stdout)


def show(text: str) -> None:
    """Print what was measured, for `pytest -rP`."""
    sys.stdout.write(text + "\n")


def serve(run: Run, arguments: Sequence[str], port: int) -> tuple[ChaosHost, set[str]]:
    """Start a server, have it record, end it by SIGTERM at once; the processes that served."""
    server = run(*arguments)
    served = {ask(port, number) for number in range(REQUESTS)}
    server.send(signal.SIGTERM)
    server.wait(PATIENCE)
    return server, served


@pytest.mark.row(17, "gunicorn --preload")
@pytest.mark.parametrize("kind", [("sync",), ("gthread", "--threads", "2"), ("gevent",)], ids=lambda kind: kind[0])
def test_gunicorn_with_preload(run: Run, fake_layer: FakeLayer, kind: tuple[str, ...]) -> None:
    """The master begins and records before it forks two workers; SIGTERM ends all in order."""
    port = free_port()
    options = (
        "--preload",
        "--no-control-socket",
        "--graceful-timeout",
        "5",
        "--workers",
        "2",
        "--bind",
        f"127.0.0.1:{port}",
        "--worker-class",
        *kind,
    )
    server, served = serve(run, ("gunicorn", *options, "chaos.life_app:wsgi"), port)
    assert 0 == server.status(), server.stderr
    show(f"served by {len(served)} processes")
    assert [*range(REQUESTS), BEFORE] == keys(fake_layer)


@pytest.mark.row(17, "uWSGI, which calls none of Python's fork hooks")
def test_uwsgi(run: Run, fake_layer: FakeLayer) -> None:
    """The master begins and records before it forks two workers behind Python's back; SIGTERM ends all in order."""
    port = free_port()
    options = (
        "--http-socket",
        f"127.0.0.1:{port}",
        "--master",
        "--processes",
        "2",
        "--die-on-term",
        "--enable-threads",
    )
    server, served = serve(run, ("uwsgi", *options, "--module", "chaos.life_app:wsgi"), port)
    assert 0 == server.status(), server.stderr
    show(f"served by {len(served)} processes")
    assert [*range(REQUESTS), BEFORE] == keys(fake_layer)


@pytest.mark.row(17, "uvicorn")
@pytest.mark.parametrize("workers", [1, 2])
def test_uvicorn(run: Run, fake_layer: FakeLayer, workers: int) -> None:
    """One process, and two that uvicorn spawns; uvicorn ends by the signal it got, so the application flushes."""
    port = free_port()
    options = ("--port", str(port), "--workers", str(workers), "--log-level", "warning")
    server, served = serve(run, ("uvicorn", *options, "chaos.life_app:asgi"), port)
    show(f"served by {len(served)} processes, ended with {server.status()}")
    assert list(range(REQUESTS)) == keys(fake_layer)


@pytest.mark.row(17, "Celery, max_tasks_per_child=1")
def test_celery_prefork_with_one_task_for_each_child(run: Run, fake_layer: FakeLayer, tmp_path: Path) -> None:
    """Each child records once and ends; Celery runs neither atexit nor finalizers there, but sends a signal."""
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "send.py").write_text(
        "from chaos.life_app import celery_app\n"
        "app = celery_app()\n"
        "for number in range(20):\n"
        "    app.send_task('life.act', (number,))\n"
    )
    sender = run(str(folder / "send.py"), LIFE_FOLDER=str(folder))
    sender.assert_exit(PATIENCE)
    options = ("worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "warning")
    worker = run(
        "celery",
        "--app",
        "chaos.life_app:app",
        *options,
        "--without-gossip",
        "--without-mingle",
        LIFE_FOLDER=str(folder),
    )
    worker.wait_accepted(21, PATIENCE)
    worker.send(signal.SIGTERM)
    worker.wait(PATIENCE)
    assert [*range(20), BEFORE] == keys(fake_layer), worker.stderr


@pytest.mark.row(17, "gevent, everything patched")
def test_gevent_with_everything_patched(run: Run, fake_layer: FakeLayer) -> None:
    """Fifty greenlets record, processes are forked, and the end of the program sends the rest."""
    host = run("life_green.py")
    host.assert_exit(PATIENCE)
    show(host.stdout)
    assert ["[]"] == told(host, "bad (.*)"), host.stderr
    assert sorted(host.accepted()) == keys(fake_layer)
    assert 50 * 40 + 5 + 10 == len(host.accepted())


@pytest.mark.row(17, "asyncio")
def test_asyncio_goes_on_while_records_are_sent(run: Run, fake_layer: FakeLayer) -> None:
    """Recording does not hold the event loop up; aflush lets it go on. On a busy machine the middle counts."""
    host = run("life_loop.py")
    host.assert_exit(PATIENCE)
    show(host.stdout)
    assert ["True"] == told(host, "flushed (.*)")
    assert list(range(1000)) == keys(fake_layer)
    assert float(*told(host, "median (.*)")) < 5.0


@pytest.mark.row(17, "AWS Lambda: frozen after a flush, thawed with dead connections")
def test_frozen_between_invocations(run: Run, fake_layer: FakeLayer, chaos_proxy: ChaosProxy) -> None:
    """What a handler recorded is there before the freeze; after the thaw the first request finds a new connection."""
    function = run("life_lambda.py", AWS_LAMBDA_FUNCTION_NAME="life", **{URL: chaos_proxy.url})
    for number in range(5):
        function.tell(str(number))
        function.wait_printed(f"done {number} True")
        function.send(signal.SIGSTOP)
        assert list(range(number + 1)) == keys(fake_layer)
        chaos_proxy.use(chaos_faults.refuse())  # cuts what is open
        chaos_proxy.use()
        function.send(signal.SIGCONT)
    function.tell("end")
    function.assert_exit(PATIENCE)
    assert [] == fake_layer.order_violations()


@pytest.mark.row(18, "500 records under OpenTelemetry's instrumentation")
def test_opentelemetry_sees_none_of_our_requests(run: Run, fake_layer: FakeLayer) -> None:
    """Neither what workers send nor explicit calls become spans; the host's own requests do."""
    host = run("life_traced.py")
    host.assert_exit(PATIENCE)
    ours, everything, after = (int(*told(host, rf"{name} (\d+)")) for name in ("ours", "all", "after"))
    assert 0 == ours
    assert 1 <= everything
    assert everything == after
    assert list(range(500)) == keys(fake_layer)
