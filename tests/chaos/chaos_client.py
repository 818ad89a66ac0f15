"""The plainest client of Layer there is: one call is one request, and nothing is hidden."""

from __future__ import annotations

import json
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from typing import Mapping

TIMEOUT = 20.0
NOW = "2024-05-01T12:00:00Z"


def new_session() -> str:
    """Make up a version 5 UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(uuid.uuid4())))


def action(key: str, **data: Any) -> dict[str, Any]:
    """Make an action with this key."""
    return {"kind": "completion_prompt", "start_time": NOW, "end_time": NOW, "data": {"key": key, **data}}


def session(session_id: str, *keys: str) -> dict[str, Any]:
    """Make a session with actions of these keys."""
    return {"application_id": "an-application", "session_id": session_id, "actions": [action(key) for key in keys]}


class Client:
    """Talks to one server over kept-alive connections. A context manager."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, session_id: str, *keys: str, **options: Any) -> requests.Response:
        """Create a session with actions of these keys."""
        return self.post("/v1/sessions", session(session_id, *keys), **options)

    def append(self, session_id: str, key: str, **options: Any) -> requests.Response:
        """Append an action with this key."""
        return self.post(f"/v1/sessions/{session_id}/actions", action(key), **options)

    def post(
        self, path: str, content: Any, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT
    ) -> requests.Response:
        """Post anything anywhere."""
        return self._http.post(self.url + path, json=content, headers=headers, timeout=timeout)

    def get(self, path: str) -> requests.Response:
        """Get anything."""
        return self._http.get(self.url + path, timeout=TIMEOUT)


def insist(url: str, session_id: str, count: int) -> None:
    """Send actions with the keys "0", "1" ... to a session, in order, each as often as it takes to get through."""
    with Client(url) as client:
        for number in range(count):
            while not _is_done(client, session_id, str(number)):
                time.sleep(0.002)


def _is_done(client: Client, session_id: str, key: str) -> bool:
    send = client.append if int(key) else client.create
    try:
        return send(session_id, key, headers={"Idempotency-Key": f"{session_id}-{key}"}).ok
    except requests.RequestException:
        return False


def raw(path: str, content: Any, key: str = "") -> bytes:
    """Give a request as it goes over the wire."""
    body = json.dumps(content).encode()
    extra = f"Idempotency-Key: {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nHost: layer\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def dial(port: int, timeout: float = TIMEOUT) -> socket.socket:
    """Connect to this machine."""
    made = socket.create_connection(("127.0.0.1", port), timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read_all(sock: socket.socket) -> tuple[bytes, str]:
    """Read until the end, and give what came and how it ended: "closed", "reset" or "silent"."""
    found = b""
    while True:
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            return found, "reset"
        except socket.timeout:
            return found, "silent"
        if not data:
            return found, "closed"
        found += data
