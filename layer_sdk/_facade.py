"""The composition root: `Layer` puts the parts together at `init` and passes calls on."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Iterable, Iterator, Mapping, TypeVar, cast

from . import _fork
from .exceptions import (
    LayerAlreadyInitializedError,
    LayerMissingRequiredConfigurationError,
)

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    import requests
    from typing_extensions import Concatenate, ParamSpec

    from layer_api.client import Client

    from ._drafts import Moment
    from ._ids import SessionId
    from ._parts import Parts
    from ._recording import ActionScope, Recorder, SessionScope
    from ._scrubbing import BeforeSend
    from ._settings import Settings
    from .auth import AuthProvider
    from .instrumentation import Watch
    from .schemas import (
        Application,
        FirewallSessionLookupResponse,
        SessionActionError,
        SessionActionKind,
        SessionActionRequest,
        SessionActionScanner,
    )

    P = ParamSpec("P")

T = TypeVar("T")


def _twin(method: Callable[Concatenate[Layer, P], T]) -> Callable[Concatenate[Layer, P], Coroutine[Any, Any, T]]:
    """Make the awaitable twin of a method: it runs in a thread, so the event loop goes on."""

    @wraps(method)
    async def twin(self: Layer, *args: P.args, **kwargs: P.kwargs) -> T:
        from ._sender import in_thread

        return await in_thread(partial(method, self, *args, **kwargs))

    name = method.__name__
    twin.__name__ = f"a{name}"
    twin.__qualname__ = f"Layer.a{name}"
    twin.__doc__ = f"Do what `{name}` does, awaited: the event loop is never blocked. See `{name}`."
    return cast("Callable[Concatenate[Layer, P], Coroutine[Any, Any, T]]", twin)


class Layer:
    """The SDK. `layer_sdk.layer` is the instance that most programs use; another one is independent of it.

    Until `init`, decorators and context managers do nothing and everything else raises
    `LayerMissingRequiredConfigurationError`.

    Example:
        >>> mine = Layer()
        >>> mine
        <Layer: not initialized>
    """

    def __init__(self) -> None:
        self._lock = _fork.Lock("RLock")  # a signal handler may call `shutdown` in the middle of `init`
        self._parts: Parts | None = None
        self._watch: Watch | None = None

    def __repr__(self) -> str:
        if self._parts is None:
            return "<Layer: not initialized>"
        return f"<Layer: application {self._parts.application_id}>"

    def init(
        self,
        *,
        base_url: str | None = None,
        application_id: str | UUID | None = None,
        application_name: str | None = None,
        environment: str | None = None,
        auth_provider: AuthProvider | None = None,
        http_session: requests.Session | None = None,
        http_timeout: float | None = None,
        platform: str | None = None,
        disable_instrumentations: Iterable[str] | None = None,
        disabled_instrumentors: Iterable[str] | None = None,
        firewall_base_url: str | None = None,
        enable_firewall_instrumentation: bool | None = None,
        delivery: str | None = None,
        max_queue_bytes: int | None = None,
        overflow: str | None = None,
        shutdown_timeout: float | None = None,
        spool_dir: str | Path | None = None,
        spool: str | None = None,
        on_drop: Callable[[str, str, int], object] | None = None,
        before_send: BeforeSend | None = None,
        capture_content: str | None = None,
        content_key: str | bytes | None = None,
    ) -> None:
        """Configure and start. Each option is taken from its argument, else the environment, else its default.

        Args:
            base_url: Where the Layer API answers. Else `LAYER_BASE_URL`. Required.
            application_id: The application that sessions belong to. Else `LAYER_APPLICATION_ID`.
            application_name: In place of the id: looked up, and created when there is none. Else
                `LAYER_APPLICATION_NAME`. One of the two is required.
            environment: Such as `production`; every session carries it. Else `LAYER_ENVIRONMENT`.
            auth_provider: Gives the credentials of each request. By default requests carry none.
            http_session: The `requests.Session` to send with, used as it is and never closed. By default one that
                retries 408, 425, 502, 503 and 504 up to three times.
            http_timeout: Seconds to connect and to wait for an answer, each. Else `LAYER_TIMEOUT`, else
                `LAYER_HTTP_TIMEOUT`, else 10.
            platform: The operating system that sessions name. By default found out.
            disable_instrumentations: Providers to leave alone, such as `["openai"]`.
            disabled_instrumentors: The same, as an older SDK called it.
            firewall_base_url: Where the Layer firewall answers. Else `LAYER_FIREWALL_BASE_URL`.
            enable_firewall_instrumentation: Ask the firewall before each `append_action`. Default False.
            delivery: `background` (the default), or `inline` to send before a recording call returns.
            max_queue_bytes: What may wait in memory. Default 64 MiB.
            overflow: What gives way then: `drop_newest` (the default), `drop_oldest` or `block`.
            shutdown_timeout: Seconds that `shutdown` and the end of the process wait for what is left. Default 5.
            spool_dir: A folder of its own for a journal of what waits, so that it outlives the process.
            spool: `always` (the default) writes before a recording call returns, `spill` only in trouble.
            on_drop: Called with reason, session id and count for every loss, from any thread.
            before_send: Called with each action; gives the one to send, or None. If it raises, nothing is sent.
            capture_content: `full` (the default), or `metadata` for sizes and a keyed hash in place of texts.
            content_key: The key of that hash. By default a random one for each process.

        Raises:
            LayerAlreadyInitializedError: If it is initialized already.
            LayerMissingRequiredConfigurationError: If a required option was given nowhere.
            LayerInvalidConfigurationError: If a value cannot be used.
            LayerRequestError: If an application name could not be looked up, as any explicit call.

        Example:
            >>> Layer().init(base_url="https://layer.example.com", application_id="my-application")
        """
        from ._settings import Settings

        with self._lock:
            if self._parts is not None:
                raise LayerAlreadyInitializedError(
                    "Layer is initialized already; call layer.shutdown() first, or make another instance with Layer()"
                )
            arguments = {
                "base_url": base_url,
                "application_id": application_id,
                "application_name": application_name,
                "environment": environment,
                "auth_provider": auth_provider,
                "http_session": http_session,
                "http_timeout": http_timeout,
                "platform": platform,
                "disable_instrumentations": disable_instrumentations,
                "disabled_instrumentors": disabled_instrumentors,
                "firewall_base_url": firewall_base_url,
                "enable_firewall_instrumentation": enable_firewall_instrumentation,
                "delivery": delivery,
                "max_queue_bytes": max_queue_bytes,
                "overflow": overflow,
                "shutdown_timeout": shutdown_timeout,
                "spool_dir": spool_dir,
                "spool": spool,
                "on_drop": on_drop,
                "before_send": before_send,
                "capture_content": capture_content,
                "content_key": content_key,
            }
            self._begin(Settings.resolve(arguments, os.environ))

    def _begin(self, settings: Settings) -> None:
        from ._parts import assemble
        from .instrumentation import Watch

        self._parts = parts = assemble(settings, os.environ)
        self._watch = Watch(self, parts.recorder, settings.disable_instrumentations)

    def shutdown(self, timeout: float | None = None) -> None:
        """Deliver what is left and let go of everything; `init` may be called again. Harmless when not initialized.

        Args:
            timeout: Seconds to wait for what is left; by default the option `shutdown_timeout`.
        """
        with self._lock:
            if self._watch is not None:
                self._watch.stop()
            parts, self._parts, self._watch = self._parts, None, None
        if parts is not None:
            parts.close(timeout)

    @contextmanager
    def _set_aside(self) -> Iterator[None]:
        """Be as new inside, for a test, and afterwards what it was. Nothing that waits is given up."""
        with self._lock:
            if self._watch is not None:
                self._watch.stop()
            before, self._parts, self._watch = (self._parts, self._watch), None, None
        try:
            yield
        finally:
            self.shutdown()
            with self._lock:
                self._parts, self._watch = before
                if self._watch is not None:
                    self._watch.start()

    def create_session(
        self,
        *,
        attributes: Mapping[str, str] | None = None,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        session_id: SessionId | None = None,
        actions: Iterable[SessionActionRequest | Mapping[str, Any]] | None = None,
        wait: bool = True,
    ) -> str:
        """Create a session and return when Layer has answered (operation `createSession`).

        Args:
            attributes: What is known of the session, text by text; wins over what the SDK adds.
            start_time: When it began; now by default. Without a zone it is taken as UTC.
            end_time: When it ended, if it has.
            session_id: A version 5 UUID of your own; by default one is made. See `session_id_for`.
            actions: The session's first actions, sent in the same request.
            wait: False hands over to background delivery and returns at once.

        Returns:
            The session's id, the one that Layer answered with; without `wait` the one that was sent.

        Raises:
            LayerHTTPError: If Layer refuses it.
            LayerRequestError: If there is no answer.
            LayerAuthError: If there are no valid credentials.
            LayerRequestPreparationError: If the data cannot be put into JSON.
            LayerSchemaValidationError: If an argument is not what the contract asks for.
            LayerMissingRequiredConfigurationError: If `init` was not called.

        Example:
            >>> layer.create_session(attributes={"user.id": "user-001"})  # doctest: +SKIP
            '2ed6657d-e927-568b-95e1-2665a8aea6a2'
        """
        from . import _calls

        return _calls.create_session(
            self._initialized(),
            wait=wait,
            attributes=attributes,
            start_time=start_time,
            end_time=end_time,
            session_id=session_id,
            actions=actions,
        )

    def append_action(
        self,
        session_id: SessionId,
        *,
        kind: SessionActionKind | str,
        start_time: Moment | None = None,
        end_time: Moment | None = None,
        attributes: Mapping[str, Any] | None = None,
        data: Any | None = None,
        error: SessionActionError | BaseException | Mapping[str, Any] | str | None = None,
        scanners: Iterable[SessionActionScanner | Mapping[str, Any]] | None = None,
        wait: bool = True,
    ) -> None:
        """Append an action to a session and return when Layer has answered (operation `appendAction`).

        Args:
            session_id: The session's id.
            kind: What the action is, as `SessionActionKind` or its value.
            start_time: When it began; `end_time`, or now, by default.
            end_time: When it ended; now by default.
            attributes: What is known of it; values may be anything that JSON can hold.
            data: What was said or done; its shape goes by `kind`, see the contract.
            error: What went wrong, if something did.
            scanners: What scanners found, such as the token usage.
            wait: False hands over to background delivery and returns at once.

        Raises:
            LayerFirewallSessionBlocked: If the firewall is asked, and says block.
            LayerSDKException: As `create_session` raises.

        Example:
            >>> layer.append_action(  # doctest: +SKIP
            ...     session_id, kind="completion_prompt", data={"messages": [{"role": "user", "content": "Hello"}]}
            ... )
        """
        from . import _calls

        _calls.append_action(
            self._initialized(),
            session_id,
            wait=wait,
            kind=kind,
            start_time=start_time,
            end_time=end_time,
            attributes=attributes,
            data=data,
            error=error,
            scanners=scanners,
        )

    def list_applications(self) -> list[Application]:
        """List the applications (operation `listApplications`).

        Raises:
            LayerSDKException: As `create_session` raises.

        Example:
            >>> [application.name for application in layer.list_applications()]  # doctest: +SKIP
            ['support-assistant']
        """
        return self._initialized().wire.list_applications()

    def get_applications_by_name(self) -> dict[str, str]:
        """Give the id of each application by its name.

        Raises:
            LayerSDKException: As `create_session` raises.

        Example:
            >>> layer.get_applications_by_name()  # doctest: +SKIP
            {'support-assistant': '53ad4290-bf1a-4f68-b182-6026e869b8cd'}
        """
        return {application.name: str(application.id) for application in self.list_applications()}

    def create_application(self, name: str | None = None) -> str:
        """Create an application (operation `createApplication`).

        Args:
            name: Its name; by default the option `application_name`.

        Returns:
            The new application's id.

        Raises:
            LayerMissingRequiredConfigurationError: If there is no name.
            LayerSDKException: As `create_session` raises.

        Example:
            >>> layer.create_application("support-assistant")  # doctest: +SKIP
            '53ad4290-bf1a-4f68-b182-6026e869b8cd'
        """
        parts = self._initialized()
        chosen = name or parts.settings.application_name
        if not chosen:
            raise LayerMissingRequiredConfigurationError(
                "name is missing: give create_application the argument, or layer.init the option application_name"
            )
        return parts.wire.create_application(chosen)

    def firewall_session_lookup(self, session_id: SessionId) -> FirewallSessionLookupResponse:
        """Ask the firewall for its decision about a session (operation `firewallSessionLookup`).

        Args:
            session_id: The session's id.

        Returns:
            The decision, equal to both `FirewallLookupDecision.BLOCK` and `"block"`, and the `context` that led to
            it, whose fields read as attributes and by name.

        Raises:
            LayerFirewallHTTPError: If the firewall refuses.
            LayerFirewallRequestError: If it does not answer.
            LayerMissingRequiredConfigurationError: If `firewall_base_url` is not configured.

        Example:
            >>> layer.firewall_session_lookup(session_id).decision == "block"  # doctest: +SKIP
            False
        """
        from ._ids import parse_session_id

        parts = self._initialized()
        _firewall(parts)
        return parts.wire.firewall_session_lookup(parse_session_id(session_id))

    acreate_session = _twin(create_session)
    aappend_action = _twin(append_action)
    afirewall_session_lookup = _twin(firewall_session_lookup)

    def session(
        self, *, session_id: SessionId | None = None, attributes: Mapping[str, Any] | None = None
    ) -> SessionScope:
        """Record a session around a function or a block: a decorator, and a manager for `with` and `async with`.

        The session is the current one for actions inside. A decorated function that has a parameter `session_id`
        gets the id, as a UUID where it is annotated so, else as text, unless the caller passes one. Never raises into
        the host; without `init` the code just runs.

        Args:
            session_id: A version 5 UUID of your own, or any natural key. By default one is made.
            attributes: What is known of the session, text by text.

        Returns:
            The decorator and context manager; `with` gives the session's id as text.

        Example:
            >>> with layer.session(attributes={"user.id": "user-001"}) as session_id:
            ...     len(session_id)
            36
        """
        from ._recording import SessionScope

        return SessionScope(self, self._recorder, attributes, session_id)

    def action(
        self,
        *,
        kind: SessionActionKind | str,
        session_id: SessionId | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> ActionScope:
        """Record an action around a function or a block: a decorator, and a manager for `with` and `async with`.

        A decorated function's result is the action's data, or the tuple `(data, error, scanners)`, its last parts
        optional; an exception is recorded as the action's error and goes on unchanged. Of a generator, what it
        yields is recorded. Never raises into the host; without `init` the code just runs.

        Args:
            kind: What the action is, as `SessionActionKind` or its value.
            session_id: The session; by default the current one, and without one a session of the action's own.
            attributes: What is known of the action.

        Returns:
            The decorator and context manager; `with` gives an `Action` to fill in.

        Raises:
            LayerSchemaValidationError: If there is no such kind.

        Example:
            >>> @layer.action(kind="completion_output")
            ... def answer(question: str) -> str:
            ...     return "42"
            >>> answer("?")
            '42'
        """
        from ._recording import ActionScope

        return ActionScope(self, self._recorder, kind, session_id, attributes)

    def session_id_for(self, key: str) -> str:
        """Make the session id of a natural key, the same in every process of the application.

        Args:
            key: Whatever names the conversation, such as a thread id of yours.

        Raises:
            LayerMissingRequiredConfigurationError: If `init` was not called: the application's id is part of it.

        Example:
            >>> layer.session_id_for("thread-77")  # doctest: +SKIP
            '8f1d42b5-9a38-5a9e-a5a5-51f5b4d1a9a5'
        """
        from ._ids import session_id_for

        return str(session_id_for(self._initialized().application_id, key))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything recorded before the call has found its end.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            False if time ran out.

        Example:
            >>> layer.flush(timeout=5.0)
            True
        """
        return self._parts is None or self._parts.sink.flush(timeout)

    aflush = _twin(flush)

    def install_sigterm_handler(self) -> None:
        """Have SIGTERM end the process as `sys.exit(143)` does, so that what is recorded is still delivered.

        Without it, and without a server such as gunicorn, uvicorn or Celery that handles the signal, SIGTERM ends
        Python at once. A handler that was there before runs first. Call it from the main thread.

        Raises:
            ValueError: If it is called from another thread.

        Example:
            >>> layer.install_sigterm_handler()
        """
        from .delivery import install_sigterm_handler

        install_sigterm_handler()

    def stats(self) -> dict[str, Any]:
        """Account for what was recorded since `init`.

        Returns:
            Counts of records such that accepted = sent + queued + in_flight + all of dropped (by reason) +
            dead_lettered; empty when not initialized.

        Example:
            >>> sorted(Layer().stats())
            []
        """
        return {} if self._parts is None else self._parts.sink.stats()

    def instrumentation_status(self) -> dict[str, dict[str, Any]]:
        """Tell of each provider whether the application's calls to it are recorded.

        Returns:
            By name of its package, a dict of `version`, where it is imported, and `state`: `active`; `waiting` until
            the application imports it; `disabled`; `unsupported`, a version that is left alone; or `failed`, for which
            the log has the reason. Empty when not initialized.

        Example:
            >>> Layer().instrumentation_status()
            {}
        """
        watch = self._watch
        return {} if watch is None else watch.status()

    @property
    def raw(self) -> Client:
        """The generated client of the Layer API, ready to call: base URL, auth, retries and timeout are set.

        Raises:
            LayerMissingRequiredConfigurationError: If `init` was not called.

        Example:
            >>> from layer_api.api.applications import list_applications
            >>> list_applications.sync_detailed(client=layer.raw).status_code  # doctest: +SKIP
            <HTTPStatus.OK: 200>
        """
        return self._initialized().connections.raw

    @property
    def raw_async(self) -> Client:
        """The same for the generated `asyncio` functions; requests run in threads, the event loop goes on.

        Raises:
            LayerMissingRequiredConfigurationError: If `init` was not called.

        Example:
            >>> from layer_api.api.applications import list_applications
            >>> await list_applications.asyncio_detailed(client=layer.raw_async)  # doctest: +SKIP
        """
        return self._initialized().connections.raw

    @property
    def raw_firewall(self) -> Client:
        """The generated client of the firewall, sync and async.

        Raises:
            LayerMissingRequiredConfigurationError: If `init` was not called, or without `firewall_base_url`.

        Example:
            >>> from layer_api.api.firewall import firewall_session_lookup
            >>> firewall_session_lookup.sync_detailed(session_id, client=layer.raw_firewall)  # doctest: +SKIP
        """
        return _firewall(self._initialized())

    def _recorder(self) -> Recorder | None:
        parts = self._parts
        return None if parts is None else parts.recorder

    def _initialized(self) -> Parts:
        parts = self._parts
        if parts is None:
            raise LayerMissingRequiredConfigurationError(
                "Layer is not initialized: call layer.init(base_url=..., application_id=...) first"
            )
        return parts


def _firewall(parts: Parts) -> Client:
    client = parts.connections.raw_firewall
    if client is None:
        raise LayerMissingRequiredConfigurationError(
            "firewall_base_url is missing: give layer.init the argument, or set LAYER_FIREWALL_BASE_URL"
        )
    return client
