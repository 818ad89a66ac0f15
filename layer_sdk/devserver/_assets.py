"""The stylesheet and the scripts of the pages, under addresses that change with what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_YEAR = 365 * 24 * 60 * 60
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class Assets:
    """The files of the folder `static`, read once."""

    def __init__(self) -> None:
        self._files = {file.name: file.read_bytes() for file in sorted(_FOLDER.iterdir()) if file.suffix in _TYPES}
        self._versions = {name: hashlib.sha256(data).hexdigest()[:12] for name, data in self._files.items()}

    def routes(self) -> list[Route]:
        """The route of the files."""
        return [Route("/static/{version}/{name}", self._file)]

    def address(self, name: str) -> str:
        """Where a file is to be found."""
        return f"/static/{self._versions[name]}/{name}"

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files:
            return Response("There is no such file.", 404, _HEADERS, "text/plain")
        # Whoever asks with an older version gets the file of today, but must not keep it.
        is_current = request.path_params["version"] == self._versions[name]
        keep = f"public, max-age={_YEAR}, immutable" if is_current else "no-store"
        return Response(self._files[name], 200, {**_HEADERS, "Cache-Control": keep}, _TYPES[Path(name).suffix])
