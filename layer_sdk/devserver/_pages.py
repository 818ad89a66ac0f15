"""What is recorded, as pages for people. Everything recorded is hostile input here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.routing import Route

from . import _records
from ._readable import ReadableAction, readable, shortened_prompt
from ._views import page_of

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from ._store import Store

_HERE = Path(__file__).parent
_SESSIONS_A_PAGE = 50
_ACTIONS_A_PAGE = 200
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Pages:
    """The pages of an embedded Layer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._style = (_HERE / "static" / "style.css").read_bytes()

    def routes(self) -> list[Route]:
        """The routes of the pages."""
        return [
            Route("/", self._sessions),
            Route("/sessions/{session_id}", self._session),
            Route("/static/style.css", self._stylesheet),
        ]

    async def _sessions(self, request: Request) -> Response:
        limit, offset = page_of(request, _SESSIONS_A_PAGE)
        listing = await self._store.run(partial(_listing, limit=limit, offset=offset))
        return self._page("sessions.html", limit=limit, offset=offset, **listing)

    async def _session(self, request: Request) -> Response:
        limit, offset = page_of(request, _ACTIONS_A_PAGE)
        session_id = request.path_params["session_id"]
        detail = await self._store.run(partial(_detail, session_id=session_id.lower(), limit=limit, offset=offset))
        if detail is None:
            return self._page("missing.html", 404, session_id=session_id)
        return self._page("session.html", limit=limit, offset=offset, **detail)

    async def _stylesheet(self, _request: Request) -> Response:
        return Response(self._style, 200, _HEADERS, "text/css")

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(**values)
        # What can not be written in UTF-8, such as half a surrogate pair, is shown by its number.
        return Response(text.encode("utf-8", "backslashreplace"), status, _HEADERS, "text/html")


def _listing(connection: sqlite3.Connection, limit: int, offset: int) -> dict[str, Any]:
    sessions = [
        {
            "about": session,
            "prompt": shortened_prompt(_records.first_prompt(connection, session.number)),
            "count": _records.count_actions(connection, session.number),
        }
        for session in _records.list_sessions(connection, limit, offset)
    ]
    total, _ = _records.count_all(connection)
    return {"sessions": sessions, "total": total}


def _detail(connection: sqlite3.Connection, session_id: str, limit: int, offset: int) -> dict[str, Any] | None:
    session = _records.find_session(connection, session_id)
    if session is None:
        return None
    actions = _records.list_actions(connection, session.number, limit=limit, offset=offset)
    shown: list[ReadableAction] = [readable(action) for action in actions]
    return {"session": session, "actions": shown, "total": _records.count_actions(connection, session.number)}
