"""Where a URL leads, and whether what is sent there can be read on the way."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Tuple
from urllib.parse import urlsplit

Origin = Tuple[str, str, int]

PORTS = {"http": 80, "https": 443}


def is_usable(url: str) -> bool:
    """Tell whether it is a URL with scheme and host that everybody reads alike.

    A backslash or a blank is where parsers differ: one would check another host than the other connects to.
    """
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # it may quote a password, so it goes no further
        return False
    return is_complete and url.isprintable() and not {" ", "\\"} & set(url)


def origin_of(url: str) -> Origin:
    """Give scheme, host and port, the three that make two URLs of one origin (RFC 6454, section 4)."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)


def named(origin: Origin) -> str:
    """Write an origin as people do."""
    scheme, host, port = origin
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port == PORTS.get(scheme) else f"{scheme}://{host}:{port}"


def is_exposed(url: str) -> bool:
    """Tell whether a request to it crosses a network unencrypted."""
    scheme, host, _ = origin_of(url)
    return scheme != "https" and not _is_loopback(host)


def without_login(url: str) -> str:
    """Write a URL as it may be shown: without who logs in, and without its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
