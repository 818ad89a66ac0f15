"""Which names this server answers to: a page elsewhere must not reach it by a name of its own (DNS rebinding)."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Iterable


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


class Hosts:
    """The values of the header `Host` that are let in.

    Args:
        host: The address that the server listens on.
        names: Further names by which it may be called.
    """

    def __init__(self, host: str, names: Iterable[str] = ()) -> None:
        self._is_local = is_loopback(host)
        self._names = {"localhost", host.lower(), *(name.lower() for name in names)}
        if not self._is_local:
            self._names.add(socket.gethostname().lower())

    def takes(self, header: str) -> bool:
        """Whether a value of the header `Host` is one of this server's."""
        name = host_of(header)
        if name is None:
            return False
        address = _address(name)
        if address is None:
            return name.rstrip(".") in self._names or name.endswith(".localhost")
        # Rebinding takes a name: who wrote an address has been sent to that very address.
        return address.is_loopback or not self._is_local or name in self._names


def host_of(header: str) -> str | None:
    """The name or address in a value of the header `Host`; None where it is none."""
    name, port = header.strip().lower(), ""
    if name.startswith("["):
        name, bracket, port = name[1:].partition("]")
        if not bracket or _address(name) is None or (port and not port.startswith(":")):
            return None
        port = port[1:]
    elif ":" in name:
        name, _, port = name.partition(":")
    return name if name and (not port or port.isdigit()) else None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
