"""What every session says of where it runs."""

from __future__ import annotations

import platform
import sys
from typing import Mapping

from ._version import __version__

SYSTEMS = {
    "linux": "Linux",
    "darwin": "MacOS",
    "windows": "Windows",
    "ios": "iOS",
    "ipados": "iOS",
    "android": "Android",
}


def operating_system() -> str:
    """Name the operating system as the contract spells it."""
    if hasattr(sys, "getandroidapilevel"):
        return "Android"
    name = platform.system()
    if name == "Darwin" and platform.machine().startswith(("iPhone", "iPad")):
        return "iOS"
    return SYSTEMS.get(name.lower(), f"Other:{name}" if name else "Unknown")


def session_attributes(
    environ: Mapping[str, str], system: str | None = None, environment: str | None = None
) -> dict[str, str]:
    """List the attributes that the SDK adds to every session.

    Args:
        environ: The environment variables, read for the names of a Kubernetes pod.
        system: The `platform` option; found out when None.
        environment: The `environment` option; left out when None.
    """
    attributes = {
        "source": f"layer-python-sdk/{__version__}",
        "os": system or operating_system(),
        "python.runtime": platform.python_implementation(),
        "python.runtime.version": platform.python_version(),
    }
    if environment:
        attributes["environment"] = environment.lower()
    if environ.get("KUBERNETES_SERVICE_HOST"):
        attributes.update(_kubernetes(environ))
    return attributes


def _kubernetes(environ: Mapping[str, str]) -> dict[str, str]:
    names = {
        "kubernetes_pod_name": environ.get("POD_NAME") or environ.get("HOSTNAME"),
        "kubernetes_pod_namespace": environ.get("POD_NAMESPACE"),
        "kubernetes_node_name": environ.get("NODE_NAME"),
    }
    return {name: value for name, value in names.items() if value}
