"""Requests that were received, and how to send them again: with curl, and with the generated client.

What a client sends as `Authorization` is never kept; the variable LAYER_TOKEN stands in its place.
"""

from __future__ import annotations

import json
import shlex
from collections import deque
from dataclasses import dataclass
from itertools import count

from ._moments import now, written

_MOST = 200
_LARGEST = 32 * 1024
# Linux takes no longer argument than 128 KiB.
_LONGEST_ARGUMENT = 100_000
_MODULES = {
    "createSession": ("sessions", "create_session", "SessionRequest"),
    "appendAction": ("sessions", "append_action", "SessionActionRequest"),
    "createApplication": ("applications", "create_application", "ApplicationCreationRequest"),
    "listApplications": ("applications", "list_applications", ""),
    "firewallSessionLookup": ("firewall", "firewall_session_lookup", ""),
}


@dataclass(frozen=True)
class Received:
    """A request: what is needed to send it again, and what it was answered with."""

    operation: str
    method: str
    path: str
    body: str | None
    received_at: str = ""
    status: int = 0
    size: int = 0
    number: int = 0
    session_id: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the body was kept."""
        return self.body is not None or not self.size


class Requests:
    """The newest requests, whatever they were answered with; the oldest is forgotten for the newest."""

    def __init__(self) -> None:
        self._kept: deque[Received] = deque(maxlen=_MOST)
        self._numbers = count(1)

    def keep(
        self, operation: str, target: tuple[str, str], body: bytes | None, status: int, session_id: str = ""
    ) -> None:
        """Keep a request; of a body that is large, its size alone."""
        size = len(body or b"")
        text = body.decode("utf-8", "replace") if body and size <= _LARGEST else None
        number = next(self._numbers)
        self._kept.append(Received(operation, *target, text, written(now()), status, size, number, session_id))

    def newest(self) -> list[Received]:
        """All that are kept, newest first."""
        return list(reversed(self._kept))

    def find(self, number: int) -> Received | None:
        """The request with a number."""
        return next((one for one in self._kept if one.number == number), None)


def as_curl(request: Received, base_url: str) -> str:
    """The request as a command for a shell of POSIX."""
    lines = [
        f"curl --request {request.method} {shlex.quote(base_url + request.path)}",
        '--header "Authorization: Bearer $LAYER_TOKEN"',
    ]
    if request.body is None:
        return " \\\n  ".join(lines)
    lines.append("--header 'Content-Type: application/json'")
    if len(request.body.encode("utf-8")) <= _LONGEST_ARGUMENT:
        # Not --data: what begins with @ would be the name of a file.
        return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(request.body)}"])
    end = next(word for word in _ends() if word not in request.body)
    return " \\\n  ".join([*lines, f"--data-binary @- <<'{end}'"]) + f"\n{request.body}\n{end}"


def as_python(request: Received, base_url: str) -> str:
    """The request as a program that uses the generated client."""
    known = _MODULES.get(request.operation) if request.status < 400 and _is_portable(request.body) else None
    tag, module, model = known or ("", "", "")
    imports = [
        "import json" if model else "",
        "import os",
        "from uuid import UUID" if request.session_id and known else "",
    ]
    theirs = ["from layer_api import AuthenticatedClient, Client"]
    theirs += [f"from layer_api.api.{tag} import {module}"] if known else []
    theirs += [f"from layer_api.models import {model}"] if model else []
    client = [
        'token = os.environ.get("LAYER_TOKEN")',
        f"base_url = {base_url!a}",
        "client = AuthenticatedClient(base_url=base_url, token=token) if token else Client(base_url=base_url)",
    ]
    call = _call(module, model, request) if known else _plain_call(request)
    return "\n".join([*filter(None, imports), "", *theirs, "", *client, *call]) + "\n"


def _call(module: str, model: str, request: Received) -> list[str]:
    arguments = [f'UUID("{request.session_id}")'] if "/v1/sessions/" in request.path else []
    body = [f"body = {model}.from_dict(json.loads({request.body!a}))"] if model else []
    arguments += ["client=client", *(["body=body"] if model else [])]
    return [*body, f"print({module}.sync_detailed({', '.join(arguments)}))"]


def _is_portable(body: str | None) -> bool:
    """Whether the client would write a body at all: it takes no half surrogate pair and no number that is infinite."""
    try:
        json.dumps(json.loads(body or "null"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        return False
    return True


def _plain_call(request: Received) -> list[str]:
    # What was refused may be what no function of the client would send.
    content = "" if request.body is None else ", content=content, headers={'Content-Type': 'application/json'}"
    body = [] if request.body is None else [f'content = {request.body!a}.encode("utf-8")']
    call = f"client.get_httpx_client().request({request.method!a}, {request.path!a}{content})"
    return [*body, f"response = {call}", "print(response.status_code, response.text)"]


def _ends() -> list[str]:
    return ["END", *(f"END_{number}" for number in range(1, 10_000))]
