"""The way to a server: straight, or through the proxy that requests would take."""

from __future__ import annotations

import http.client
import importlib.util
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import unquote, urlsplit

import requests.utils

from layer_sdk._origins import is_usable, named, origin_of

from ._report import Verdict, failure, ok, warning

if TYPE_CHECKING:
    import ssl

    from ._subject import Subject, Target


@dataclass(frozen=True)
class Route:
    """The way to a server.

    Attributes:
        target: The server.
        proxy: The proxy's URL; None for the straight way.
        variable: What names the proxy.
        verify: Whom requests trusts on that way: True for certifi's authorities, False for everybody, or a path.
        cert: The client's certificate, as requests takes it.
    """

    target: Target
    proxy: str | None = field(repr=False)
    variable: str
    verify: Any
    cert: Any

    @property
    def near(self) -> tuple[str, int]:
        """Host and port to connect to first."""
        _, host, port = origin_of(self.proxy or self.target.url)
        return host, port

    @property
    def near_shown(self) -> str:
        """What is connected to first, for a sentence."""
        host, port = self.near
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"the proxy {where}, which {self.variable} names," if self.proxy else where

    @property
    def is_tunnelled(self) -> bool:
        """Whether TLS is spoken through a plain HTTP proxy."""
        return self.proxy is not None and origin_of(self.proxy)[0] == "http"

    def connection(self, seconds: float, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
        """Make a connection that is not open yet; with a context it speaks TLS."""
        host, port = self.near
        if context is None:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
        if self.proxy is not None:
            _, far, far_port = self.target.origin
            connection.set_tunnel(far, far_port, _login(self.proxy))
        return connection


def route_to(subject: Subject, target: Target) -> Route:
    """Find the way that requests would take."""
    session = subject.session
    found: Mapping[str, Any] = session.merge_environment_settings(target.url, {}, None, None, None)
    proxy = requests.utils.select_proxy(target.url, found["proxies"])
    if proxy is None:
        return Route(target, None, "", found["verify"], found["cert"])
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    variable = _variable(subject.environ, target) if session.trust_env else "http_session.proxies"
    return Route(target, proxy, variable, found["verify"], found["cert"])


def judge(subject: Subject, target: Target) -> Verdict:
    """Say whether a proxy stands between, and whether it can be used."""
    route = route_to(subject, target)
    if route.proxy is None:
        return ok(f"none on the way to {target.shown}")
    scheme = route.proxy.partition("://")[0].lower()
    if scheme.startswith("socks"):
        if importlib.util.find_spec("socks") is None:
            return failure(
                f"{route.variable} names a SOCKS proxy, for which requests needs PySocks",
                'pip install "requests[socks]", or unset the variable',
            )
        return ok(f"{route.variable} names a SOCKS proxy on the way to {target.shown}")
    if not is_usable(route.proxy):
        return failure(
            f"{route.variable} is not the URL of a proxy",
            "make it one such as http://proxy.example.com:3128, or unset it",
        )
    text = f"{route.variable} names {named(origin_of(route.proxy))} on the way to {target.shown}"
    if target.is_here:
        return warning(f"{text}, which is this machine", f"add {target.origin[1]} to NO_PROXY")
    return ok(text)


def _variable(environ: Mapping[str, str], target: Target) -> str:
    scheme = target.origin[0]
    names = [name for each in (f"{scheme}_proxy", "all_proxy") for name in (each, each.upper())]
    return next((name for name in names if environ.get(name)), "http_session.proxies")


def _login(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if not parts.username:
        return {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}
