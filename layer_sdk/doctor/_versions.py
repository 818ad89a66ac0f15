"""The versions of what takes part."""

from __future__ import annotations

import platform
import ssl
from importlib import metadata

from layer_sdk._version import __version__

PACKAGES = ("requests", "urllib3", "certifi", "httpx", "attrs", "openai")


def versions() -> dict[str, str]:
    """Give them by name; what is not installed is not there."""
    found = {"layer-sdk": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "openssl": ssl.OPENSSL_VERSION, "platform": platform.platform()}
