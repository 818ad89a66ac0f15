"""What speaks HTTP for one `init`, made when it is first needed.

requests, urllib3 and the generated client take longer to load than all the rest of the SDK. Delivery needs them on a
thread of its own, and later; a program that calls Layer itself needs them at its first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, TypeVar

from . import _fork

if TYPE_CHECKING:
    from uuid import UUID

    import requests

    from layer_api.client import Client

    from ._credentials import Credentials
    from ._settings import Settings
    from ._wire import Wire
    from .schemas import SessionActionRequest, SessionRequest

T = TypeVar("T")


class Connections:
    """The sessions of requests and the clients over them.

    Args:
        settings: Where to, as whom, and with which session.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # One that its holder may take again: a signal's handler may record where the thread connects.
        self._lock = _fork.Lock("RLock")
        self._made: dict[str, Any] = {}

    @property
    def session(self) -> requests.Session:
        """The session of explicit calls: the caller's, or one that retries."""
        return self._once("session", self._make_session)

    @property
    def raw(self) -> Client:
        """The generated client of the Layer API."""
        return self._once("raw", lambda: self._make_raw(self._settings.base_url))

    @property
    def raw_firewall(self) -> Client | None:
        """The generated client of the firewall, where there is one."""
        url = self._settings.firewall_base_url
        return None if url is None else self._once("raw_firewall", lambda: self._make_raw(url))

    @property
    def wire(self) -> Wire:
        """What says explicit calls to Layer."""
        return self._once("wire", self._make_wire)

    @property
    def sending(self) -> Wire:
        """What delivery says it with: it has retries of its own, so each request is sent once."""
        return self._once("sending", self._make_sending)

    @property
    def _credentials(self) -> Credentials | None:
        return self._once("credentials", self._make_credentials)

    def close(self) -> None:
        """Close the sessions, unless they are the caller's."""
        for session in (self._made.get("session"), self._made.get("sender")):
            if session is not None and session is not self._settings.http_session:
                session.close()

    def _once(self, name: str, make: Callable[[], T]) -> T:
        made: T | None = self._made.get(name)
        if made is None:
            with self._lock, _fork.postponed():
                made = self._made.get(name) or self._made.setdefault(name, make())
        return made

    def _make_session(self) -> requests.Session:
        from ._retry import default_session

        return default_session() if self._settings.http_session is None else self._settings.http_session

    def _make_sender(self) -> requests.Session:
        from ._retry import single_try_session

        return single_try_session() if self._settings.http_session is None else self._settings.http_session

    def _make_credentials(self) -> Credentials | None:
        from ._credentials import Credentials

        settings = self._settings
        if settings.auth_provider is None:
            return None
        urls = (settings.base_url, settings.firewall_base_url)
        return Credentials(settings.auth_provider, *(url for url in urls if url is not None))

    def _make_raw(self, url: str) -> Client:
        from ._wire import raw_client

        return raw_client(url, self.session, self._settings.http_timeout, self._credentials)

    def _make_direct(self, url: str, session: requests.Session, *, is_retried: bool = True) -> Client:
        from ._wire import direct_client

        return direct_client(url, session, self._settings.http_timeout, self._credentials, is_retried=is_retried)

    def _make_wire(self) -> Wire:
        from ._wire import Wire

        firewall = self._settings.firewall_base_url
        api = self._make_direct(self._settings.base_url, self.session)
        return Wire(api, None if firewall is None else self._make_direct(firewall, self.session))

    def _make_sending(self) -> Wire:
        from ._wire import Wire

        sender = self._once("sender", self._make_sender)
        return Wire(self._make_direct(self._settings.base_url, sender, is_retried=False))


class Sending:
    """Says to Layer what delivery has for it; connects when there is something to say.

    Args:
        connections: Where the connection is made.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def load(self) -> None:
        """Connect now."""
        self._connections.sending  # noqa: B018  (it is made by being asked for)

    def create_session(self, request: SessionRequest, key: str | None = None) -> UUID:
        """Create a session, see `Wire.create_session`."""
        return self._connections.sending.create_session(request, key)

    def append_action(self, session_id: UUID, request: SessionActionRequest, key: str | None = None) -> None:
        """Append an action, see `Wire.append_action`."""
        self._connections.sending.append_action(session_id, request, key)
