"""Whether a server's name is known, and whether its port takes connections."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from ._report import Verdict, failure, ok
from ._route import Route, route_to

if TYPE_CHECKING:
    from ._subject import Subject, Target

UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


def judge_name(subject: Subject, target: Target) -> Verdict:
    """Say whether the name can be resolved."""
    route = route_to(subject, target)
    host, port = route.near
    if _is_address(host):
        return ok(f"{host} is an address")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return failure(f"{host} cannot be resolved: {reason}", name_advice(route))
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return ok(f"{host} is {', '.join(addresses[:4])}")


def name_advice(route: Route) -> str:
    """Say what to do about a name that is not known."""
    named = route.variable if route.proxy else route.target.setting
    return f"check the spelling of the host in {named}, and that this machine's DNS knows it (VPN, /etc/hosts)"


def judge_port(subject: Subject, target: Target) -> Verdict:
    """Say whether somebody takes connections."""
    route = route_to(subject, target)
    try:
        socket.create_connection(route.near, timeout=subject.seconds).close()
    except socket.timeout:
        return failure(
            f"{route.near_shown} does not answer within {subject.seconds:g} s",
            f"check {_where(route)}; if they are right, a firewall on the way may drop what is sent there",
        )
    except ConnectionRefusedError:
        return failure(f"{route.near_shown} refuses connections: nothing listens there", _refused_advice(route))
    except OSError as error:
        reason = "there is no way there" if error.errno in UNREACHABLE else (error.strerror or str(error))
        return failure(
            f"{route.near_shown} cannot be connected to: {reason}",
            f"check {_where(route)}, VPN and firewalls on the way",
        )
    return ok(f"{route.near_shown} takes connections")


def _where(route: Route) -> str:
    return route.variable if route.proxy else f"host and port in {route.target.setting}"


def _refused_advice(route: Route) -> str:
    host = route.target.origin[1]
    if route.proxy:
        return f"correct or unset {route.variable}, start the proxy, or add {host} to NO_PROXY"
    advice = f"check the port in {route.target.setting}, and that the server runs"
    return f"{advice}; `layer-sdk dev` starts an embedded Layer" if route.target.is_here else advice


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
