"""The embedded Layer: a small Layer of one's own, over real HTTP, for development and tests.

It knows the contract and nothing else of this SDK, so that what the SDK sends is judged by a second opinion.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from ._settings import Settings, StartError

if TYPE_CHECKING:
    from ._app import build_app
    from ._server import Server, run

__all__ = ("Server", "Settings", "StartError", "build_app", "run")

_REQUIRED = {
    "cryptography": "cryptography",
    "jinja2": "jinja2",
    "jwt": "pyjwt",
    "openapi_core": "openapi-core",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "yaml": "pyyaml",
}


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _require_packages() -> None:
    missing = [package for name, package in _REQUIRED.items() if not _is_installed(name)]
    if missing:
        raise ImportError(
            f'The embedded Layer needs the extra "devserver" ({", ".join(missing)} is not installed): '
            'pip install "protectai-layer-sdk[devserver]"'
        )


_require_packages()


def __getattr__(name: str) -> Any:
    # What is heavy to import loads when it is first asked for.
    if name == "build_app":
        from ._app import build_app

        return build_app
    if name in ("Server", "run"):
        from . import _server

        return getattr(_server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
