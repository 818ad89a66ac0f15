"""What is recorded, as pages for people. Everything recorded is hostile input here."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.routing import Route

from . import _listing, _records, _totals
from ._assets import Assets
from ._charts import charts_of, rows_of, when
from ._filters import STATUSES, TIMES, Filter, number_of
from ._indent import laid_out
from ._markup import coloured_json
from ._moments import span
from ._readable import LABELS, Reader
from ._requests import Received, Requests, as_curl, as_python
from ._timeline import timeline_of

if TYPE_CHECKING:
    import sqlite3

    from starlette.requests import Request

    from ._policies import Policies
    from ._store import Store

_HERE = Path(__file__).parent
_ACTIONS_A_PAGE = 100
_ACTIONS_BEFORE = 10
_MOST_CREATIONS = 20
_LONGEST_JSON = 1_000_000
_RANGES = {
    "hour": ("Last hour", 60),
    "day": ("Last day", 1440),
    "week": ("Last week", 10080),
    "all": ("All time", None),
}
_SECTIONS = {"action": "sessions", "keys": "keys", "request": "requests", "requests": "requests", "session": "sessions"}
_SECTIONS.update(sessions="sessions", totals="totals")
_NOT_CACHED = {"Cache-Control": "no-store"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    **_NOT_CACHED,
}


class Pages:
    """The pages of an embedded Layer."""

    def __init__(self, store: Store, policies: Policies, requests: Requests, kinds: Sequence[str]) -> None:
        self._store = store
        self._policies = policies
        self._requests = requests
        self._kinds = {kind: LABELS.get(kind, kind) for kind in kinds}
        self._assets = Assets()
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(asset=self._assets.address)
        self._templates.filters.update(span=span)

    def routes(self) -> list[Route]:
        """The routes of the pages, and of what they load."""
        return [
            Route("/", self._sessions),
            Route("/sessions/{session_id}", self._session),
            Route("/sessions/{session_id}/actions/{position}", self._action),
            Route("/sessions/{session_id}/actions/{position}/json", self._action_json),
            Route("/sessions/{session_id}/creations/{number}", self._creation),
            Route("/totals", self._totals),
            Route("/requests", self._received),
            Route("/requests/{number}", self._request),
            Route("/keys", self._keys),
            *self._assets.routes(),
        ]

    def locked(self) -> Response:
        """The page for who comes without the token."""
        return self._page("locked.html", 401)

    async def _sessions(self, request: Request) -> Response:
        parameters = request.query_params
        chosen = Filter.of(parameters)
        before, after = number_of(parameters, "before"), number_of(parameters, "after")
        listing = await self._store.run(partial(_listing.read, chosen=chosen, before=before, after=after))
        offered: dict[str, Any] = {"kinds": self._kinds, "statuses": STATUSES, "times": TIMES}
        return self._page("sessions.html", listing=listing, chosen=chosen, **offered)

    async def _session(self, request: Request) -> Response:
        session_id = request.path_params["session_id"]
        first = number_of(request.query_params, "from") or 1
        limit = min(number_of(request.query_params, "limit") or _ACTIONS_A_PAGE, _ACTIONS_A_PAGE)
        detail = await self._store.run(partial(_detail, session_id=session_id.lower(), first=first, limit=limit))
        if detail is None:
            return self._missing(f"There is no session {session_id}.")
        actions = Reader(self._policies).read(detail.pop("before"), detail.pop("actions"))
        violated = self._policies.of(detail["session"].violated)
        shown: dict[str, Any] = {"actions": actions, "timeline": timeline_of(actions), "violated": violated}
        shown["address_of"] = _address_of
        return self._page("session.html", first=first, limit=limit, **shown, **detail)

    async def _action(self, request: Request) -> Response:
        found = await self._found(request)
        if found is None:
            return self._missing("There is no such action.")
        session, action, creation = found
        received = _request_of(session, action, creation)
        text = laid_out(action.body)
        return self._page(
            "action.html",
            session=session,
            action=action,
            label=LABELS.get(action.kind, action.kind),
            json=coloured_json(text[:_LONGEST_JSON], self._find(action)),
            cut=max(len(text) - _LONGEST_JSON, 0),
            policies=self._policies.of(action.violated),
            **_copies(received, request),
        )

    async def _action_json(self, request: Request) -> Response:
        """The JSON of an action as it was received; or, for a page that shows it in place, as a piece of that page."""
        found = await self._found(request)
        if found is None:
            return self._missing("There is no such action.")
        session, action, _ = found
        if request.headers.get("hx-request") != "true":
            return Response(action.body.encode("utf-8"), 200, HEADERS, "application/json")
        text = laid_out(action.body)
        shown = coloured_json(text[:_LONGEST_JSON], self._find(action))
        return self._page(
            "json.html", session=session, action=action, json=shown, cut=max(len(text) - _LONGEST_JSON, 0)
        )

    async def _creation(self, request: Request) -> Response:
        number = number_of(request.path_params, "number") or 0
        session_id = request.path_params["session_id"].lower()
        found = await self._store.run(partial(_creation_of, session_id=session_id, number=number))
        if found is None:
            return self._missing("There is no such request.")
        session, received = found
        return self._page("request.html", session=session, received=received, **_copies(received, request))

    async def _totals(self, request: Request) -> Response:
        chosen = request.query_params.get("range", "")
        if chosen not in _RANGES:
            chosen = "hour" if await self._store.run(_totals.is_young) else "day"
        totals = await self._store.run(partial(_totals.read, minutes=_RANGES[chosen][1]))
        ranges = {name: label for name, (label, _) in _RANGES.items()}
        charts, rows = charts_of(totals), rows_of(totals)
        first, last = (when(totals.periods[at].minute) if totals.periods else "" for at in (0, -1))
        length = span(totals.minutes * 60)
        scale: dict[str, Any] = {"first": first, "last": last, "length": length, "ranges": ranges, "chosen": chosen}
        return self._page("totals.html", charts=charts, rows=rows, **scale)

    async def _received(self, _request: Request) -> Response:
        return self._page("requests.html", requests=self._requests.newest())

    async def _request(self, request: Request) -> Response:
        received = self._requests.find(number_of(request.path_params, "number") or 0)
        if received is None:
            return self._missing("There is no such request; only the newest are kept.")
        return self._page("request.html", session=None, received=received, **_copies(received, request))

    async def _keys(self, _request: Request) -> Response:
        return self._page("keys.html")

    async def _found(self, request: Request) -> Any:
        position = number_of(request.path_params, "position") or 0
        session_id = request.path_params["session_id"].lower()
        return await self._store.run(partial(_action_of, session_id=session_id, position=position))

    def _find(self, action: _records.RecordedAction) -> Any:
        return lambda text: self._policies.stretches(action.kind, action.violated, text) if action.violated else []

    def _missing(self, message: str) -> Response:
        return self._page("missing.html", 404, message=message)

    def _page(self, template: str, status: int = 200, **values: Any) -> Response:
        section = _SECTIONS.get(template.partition(".")[0], "")
        text = self._templates.get_template(template).render(section=section, **values)
        # What can not be written in UTF-8, such as half a surrogate pair, is shown by its number.
        return Response(text.encode("utf-8", "backslashreplace"), status, HEADERS, "text/html")


def _detail(connection: sqlite3.Connection, session_id: str, first: int, limit: int) -> dict[str, Any] | None:
    session = _records.find_session(connection, _storable(session_id))
    if session is None:
        return None
    start = max(first - 1 - _ACTIONS_BEFORE, 0)
    return {
        "session": session,
        "name": _listing.names_of(connection, {session.application_id}).get(session.application_id, ""),
        "before": _records.list_actions(connection, session.number, start, first - 1 - start),
        "actions": _records.list_actions(connection, session.number, first - 1, limit),
        "creations": _records.list_creations(connection, session.number, _MOST_CREATIONS),
    }


def _action_of(connection: sqlite3.Connection, session_id: str, position: int) -> Any:
    session = _records.find_session(connection, _storable(session_id))
    action = _records.find_action(connection, session.number, position) if session else None
    if session is None or action is None:
        return None
    creation = None if action.creation is None else _records.creation_body(connection, session.number, action.creation)
    return session, action, creation


def _creation_of(connection: sqlite3.Connection, session_id: str, number: int) -> Any:
    session = _records.find_session(connection, _storable(session_id))
    body = _records.creation_body(connection, session.number, number) if session else None
    if session is None or body is None:
        return None
    return session, Received("createSession", "POST", "/v1/sessions", body, size=len(body))


def _request_of(session: _records.Session, action: _records.RecordedAction, creation: str | None) -> Received:
    if creation is not None:
        return Received("createSession", "POST", "/v1/sessions", creation)
    path = f"/v1/sessions/{session.session_id}/actions"
    return Received("appendAction", "POST", path, action.body, session_id=session.session_id)


def _copies(received: Received, request: Request) -> dict[str, Any]:
    if not received.is_whole:
        return {"curl": "", "python": ""}
    base_url = str(request.base_url).rstrip("/")
    return {"curl": as_curl(received, base_url), "python": as_python(received, base_url)}


def _address_of(name: str, value: str) -> str:
    """Where the sessions are listed that have an attribute as this one does."""
    return "/" + Filter(attribute=f"{name}={value}").address()


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
