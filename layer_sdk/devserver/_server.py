"""The embedded Layer as a server: in this process until a signal comes, or in a thread beside other work."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Iterator
from urllib.parse import urlsplit

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from ._app import build_app
from ._settings import Settings, StartError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from typing_extensions import Self

_PATIENCE = 10.0
_KEEP_ALIVE = 60
# Who listens on all addresses is reached at one of them.
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Server:
    """An embedded Layer in a thread of this process, for tests and demonstrations.

    Args:
        settings: What was chosen; without them, the defaults: any free port, and a temporary database.

    Example:
        >>> import requests
        >>> from layer_sdk.devserver import Server
        >>> with Server() as server:
        ...     requests.get(server.url + "/readyz").json()
        {'status': 'ready'}
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._url = ""
        self._uvicorn: _Uvicorn | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the server answers, without a slash at the end: good as `base_url` and as `firewall_base_url`."""
        if not self._url:
            raise RuntimeError("The embedded Layer has no URL before it is started. Call start() first.")
        return self._url

    @property
    def page_url(self) -> str:
        """The address of the page, with the token where there is one: to be opened in a browser."""
        return self._settings.page_url(self.url)

    def start(self) -> Self:
        """Start the server; it answers when this returns.

        Returns:
            The server itself.

        Raises:
            StartError: If it can not start, for instance because the port is taken.
            RuntimeError: If it runs already.

        Example:
            >>> from layer_sdk.devserver import Server
            >>> server = Server().start()
            >>> server.url.startswith("http://127.0.0.1:")
            True
            >>> server.stop()
        """
        if self._thread:
            raise RuntimeError(f"The embedded Layer runs already, at {self.url}. Call stop() first.")
        ready = threading.Event()
        self._uvicorn = _prepared(self._settings, lambda _url: ready.set())
        self._thread = threading.Thread(target=self._uvicorn.answer, name="layer-devserver", daemon=True)
        self._url = self._uvicorn.url
        self._thread.start()
        if not (ready.wait(_PATIENCE) and _answers(self._url)):
            self.stop()
            raise StartError(f"The embedded Layer did not answer at its port within {_PATIENCE:.0f} seconds.")
        return self

    def stop(self) -> None:
        """Finish the requests that are under way, close the database and stop; or do nothing where nothing runs."""
        if self._uvicorn and self._thread:
            self._uvicorn.should_exit = True
            self._thread.join()
        self._uvicorn = self._thread = None
        self._url = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()


def run(settings: Settings | None = None, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests under way, close the database and return.

    Args:
        settings: What was chosen; without them, the defaults.
        on_ready: Called with the server's URL as soon as it answers.

    Raises:
        StartError: If the server can not start, for instance because the port is taken.

    Example:
        >>> import signal
        >>> from layer_sdk.devserver import run
        >>> run(on_ready=lambda url: signal.raise_signal(signal.SIGTERM))
    """
    server = _prepared(settings or Settings(), on_ready or (lambda _url: None))
    with _signals_stop(server):
        server.answer()


class _Uvicorn(uvicorn.Server):
    """Uvicorn, saying when it is ready and leaving the host's logging alone."""

    def __init__(self, app: Starlette, listener: socket.socket, on_ready: Callable[[str], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_QuietProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=int(_PATIENCE),
            )
        )
        self.url = _url_of(listener)
        self._store, self._hub = app.state.store, app.state.hub
        self._listener = listener
        self._on_ready = on_ready

    def answer(self) -> None:
        try:
            self.run([self._listener])
        finally:
            # Some releases of uvicorn leave all as it is where they are stopped while they start.
            self._listener.close()
            self._store.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Pages that are open would keep it waiting for their streams.
        self._hub.close()
        await super().shutdown(sockets)


class _QuietProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP without an access log: uvicorn's own switch for it would silence a host's uvicorn, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False


def _prepared(settings: Settings, on_ready: Callable[[str], None]) -> _Uvicorn:
    """Do all that can go wrong before anything runs: so it is told to the caller, and not to a log."""
    app = build_app(settings)
    listener = _listener(settings.host, settings.port)
    try:
        app.state.store.open()
    except BaseException:
        listener.close()
        raise
    return _Uvicorn(app, listener, on_ready)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"The embedded Layer can not listen on {host!r}: {error}. Choose another host.") from error
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartError(
            f"The embedded Layer can not listen on {host} port {port}: {error}. Choose another port, or 0 for any."
        ) from error
    return listener


def _url_of(listener: socket.socket) -> str:
    bound, port = listener.getsockname()[:2]
    host = _REACHABLE.get(bound, bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _answers(url: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def _signals_stop(server: uvicorn.Server) -> Iterator[None]:
    """Let signals stop the server and nothing else.

    Uvicorn raises what it caught once more when it has stopped. These handlers are what it then meets, so that the
    process goes on and can end in its own way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: Any) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
