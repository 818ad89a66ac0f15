"""Refusals, answered as problem documents (RFC 9457)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where it is."""

    path: str
    message: str


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of this program
    """A request is answered with a problem document instead of being carried out."""

    def __init__(
        self, status: int, detail: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.faults = tuple(faults)
        self.headers = dict(headers or {})


def problem(refusal: Refusal) -> Response:
    """The problem document that says what a refusal says."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
        "errors": [asdict(fault) for fault in refusal.faults],
    }
    headers = {"X-Content-Type-Options": "nosniff", **refusal.headers}
    return Response(json.dumps(document), refusal.status, headers, MEDIA_TYPE)


async def on_http_error(request: Request, error: Any) -> Response:
    """Answer what the router refuses: an unknown path, or a method that a path does not have."""
    detail = {
        404: "There is nothing at this path. The operations are those of openapi.yaml.",
        405: f"The method {request.method} is not possible here; the header Allow names those that are.",
    }.get(error.status_code, str(error.detail))
    return problem(Refusal(error.status_code, detail, headers=error.headers))


async def on_refusal(_request: Request, refusal: Any) -> Response:
    """Answer a refusal."""
    return problem(refusal)


async def on_failure(_request: Request, _error: Exception) -> Response:
    """Answer where this program itself is wrong; the server logs the error."""
    return problem(Refusal(500, "The embedded Layer failed; its log says how. This is not the fault of the request."))
