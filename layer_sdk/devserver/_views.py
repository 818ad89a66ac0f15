"""What is recorded, as JSON for tests and developers; no part of the contract."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route

from . import _records
from ._problems import Fault, Refusal

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from ._store import Store

_PAGE = 100
_PATIENCE = 2.0
_HIGHEST = 2**63 - 1  # of SQLite


class Views:
    """What developers see of an embedded Layer, read from its database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """The routes of the views."""
        return [
            Route("/readyz", self._readiness),
            Route("/dev/sessions", self._sessions),
            Route("/dev/sessions/{session_id}", self._session),
        ]

    async def _readiness(self, _request: Request) -> Response:
        try:
            await asyncio.wait_for(self._store.run(_records.count_all), _PATIENCE)
        except Exception as error:
            raise Refusal(503, f"The database does not answer ({type(error).__name__}).") from error
        return _json_response(json.dumps({"status": "ready"}))

    async def _sessions(self, request: Request) -> Response:
        limit, offset = page_of(request, _PAGE)
        return _json_response(await self._store.run(partial(_sessions_document, limit=limit, offset=offset)))

    async def _session(self, request: Request) -> Response:
        limit, offset = page_of(request, _HIGHEST)
        session_id = request.path_params["session_id"].lower()
        work = partial(_session_document, session_id=session_id, limit=limit, offset=offset)
        return _json_response(await self._store.run(work))


def page_of(request: Request, size: int) -> tuple[int, int]:
    """The limit and the offset that a request asks for.

    Raises:
        Refusal: If one of them is no number from 0 on (422).
    """
    return _number(request, "limit", size), _number(request, "offset", 0)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    # Of digits, int() also takes those of other scripts, and any number of them.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST)) and int(text) <= _HIGHEST):
        fault = Fault(name, f"must be a number from 0 to {_HIGHEST}")
        raise Refusal(422, f"The parameter {name} is not possible.", [fault])
    return int(text)


def _sessions_document(connection: sqlite3.Connection, limit: int, offset: int) -> str:
    session_total, action_total = _records.count_all(connection)
    sessions = _records.list_sessions(connection, limit, offset)
    return json.dumps(
        {
            "session_total": session_total,
            "action_total": action_total,
            "limit": limit,
            "offset": offset,
            "sessions": [_about(session) for session in sessions],
        }
    )


def _session_document(connection: sqlite3.Connection, session_id: str, limit: int, offset: int) -> str:
    session = _records.find_session(connection, session_id)
    if session is None:
        raise Refusal(404, f"There is no session {session_id}.", [Fault("session_id", "is not known")])
    actions = _records.list_actions(connection, session.number, offset, limit)
    about = json.dumps(_about(session))
    return f'{about[:-1]}, "actions": [{", ".join(map(_as_received, actions))}]}}'


def _about(session: _records.Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "application_id": session.application_id,
        "attributes": session.attributes,
        "start_time": session.start_time,
        "end_time": session.end_time,
        "created_at": session.created_at,
        "action_count": session.action_count,
    }


def _as_received(action: _records.RecordedAction) -> str:
    # Put together as text: parsing it would lose how its numbers were written.
    return f'{action.body[:-1]}, "received_at": {json.dumps(action.received_at)}}}'


def _json_response(document: str) -> Response:
    return Response(
        document, 200, {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}, "application/json"
    )
