"""Applications of real servers and runtimes, each recording one action for each thing it is asked to do."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterable

from chaos.life_program import act, begin
from layer_sdk import layer

if TYPE_CHECKING:
    from typing import Awaitable

BEFORE = 900_000  # what a parent records before it forks
FOLDER = "LIFE_FOLDER"


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Record the number in the path; says which process did."""
    act(int(environ["PATH_INFO"].strip("/")))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


async def asgi(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
    """Do the same; begins when the server starts up."""
    if scope["type"] == "lifespan":
        await receive()
        begin()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await layer.aflush(5)  # uvicorn raises SIGTERM again when it has shut down, and Python's own end never comes
        await send({"type": "lifespan.shutdown.complete"})
        return
    act(int(scope["path"].strip("/")))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


def celery_app() -> Any:
    """Make a Celery application that keeps its messages in a folder, and records in each task."""
    from celery import Celery

    folder = os.environ[FOLDER]
    app = Celery("life", broker="filesystem://")
    app.conf.broker_transport_options = {
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": folder,
    }
    app.conf.worker_max_tasks_per_child = 1
    app.conf.worker_prefetch_multiplier = 1
    app.conf.broker_connection_retry_on_startup = True
    app.conf.worker_redirect_stdouts = False

    @app.task(name="life.act")  # type: ignore[untyped-decorator]
    def task(number: int) -> None:
        act(number)

    return app


if sys.argv[0].endswith(("gunicorn", "uwsgi")):
    begin()  # in the master, because of --preload
    act(BEFORE)
    if sys.argv[0].endswith("uwsgi"):
        layer.flush(10)  # it forks whatever threads are at: after one in the middle of Python, the child would hang
elif sys.argv[0].endswith("celery"):
    app = celery_app()
    begin()
    act(BEFORE)
