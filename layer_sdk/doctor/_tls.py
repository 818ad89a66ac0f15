"""Whether the connection is encrypted, and by whom one can believe."""

from __future__ import annotations

import datetime
import http.client
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

from layer_sdk._origins import is_exposed

from . import _certificate
from ._report import Verdict, failure, ok, warning
from ._route import Route, route_to

if TYPE_CHECKING:
    from ._subject import Subject, Target

SOON = datetime.timedelta(days=14)
# OpenSSL's numbers of what may be wrong with a certificate (X509_V_ERR_*).
NOT_YET, EXPIRED = 9, 10
OTHER_NAME = {62, 64}


def judge(subject: Subject, target: Target) -> Verdict:
    """Look at the handshake and the certificate."""
    route = route_to(subject, target)
    if target.origin[0] == "http":
        return _plain(target)
    if route.proxy is not None and not route.is_tunnelled:
        return ok(f"not looked into by itself: the proxy that {route.variable} names does not take plain HTTP")
    try:
        context = _certificate.trusting(route.verify, route.cert)
    except (OSError, ssl.SSLError) as error:
        return _no_trust(route, error)
    try:
        found = _certificate.presented(route, subject.seconds, context)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(subject, route, error)
    except (OSError, http.client.HTTPException) as error:
        return _no_handshake(subject, route, error)
    if route.verify is False:
        return warning(f"{target.shown} is not asked who it is: verification is off", "set http_session.verify to True")
    return _ending(route, found)


def speaks_tls(route: Route, seconds: float) -> bool:
    """Tell whether a server shakes hands, whoever it is."""
    return route.proxy is None and _certificate.untrusted(route, seconds) is not None


def _plain(target: Target) -> Verdict:
    if is_exposed(target.url):
        return warning(
            f"{target.setting} is plain http: all on the way to {target.shown} can read what is recorded", "use https"
        )
    return ok("plain http, which stays on this machine")


def _ending(route: Route, found: _certificate.Certificate) -> Verdict:
    left = found.ends - datetime.datetime.now(datetime.timezone.utc)
    text = f"{route.target.shown} is trusted, signed by {found.issuer!r}, until {found.ends:%Y-%m-%d}"
    if left < SOON:
        return warning(f"{text}, which is {_days(left)} from now", "renew the server's certificate")
    return ok(f"{text} ({found.protocol})")


def _days(span: datetime.timedelta) -> str:
    return f"{span.days} days" if span.days != 1 else "1 day"


def _no_trust(route: Route, error: Exception) -> Verdict:
    named = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)), "")
    if isinstance(route.verify, (str, os.PathLike)) and not Path(route.verify).exists():
        where = named or "http_session.verify"
        return failure(f"{where} names {os.fspath(route.verify)}, which is not there", f"correct or unset {where}")
    reason = getattr(error, "strerror", None) or type(error).__name__
    return failure(
        f"the certificates to trust, or to show, cannot be read: {reason}",
        f"check {named or 'verify and cert of http_session'}",
    )


def _distrusted(subject: Subject, route: Route, error: ssl.SSLCertVerificationError) -> Verdict:
    found = _certificate.untrusted(route, subject.seconds)
    host, shown = route.target.origin[1], route.target.shown
    if error.verify_code == EXPIRED:
        when = f" on {found.ends:%Y-%m-%d}" if found else ""
        return failure(
            f"the certificate of {shown} has expired{when}",
            "renew it on the server; if that date is in the future, set this machine's clock",
        )
    if error.verify_code == NOT_YET:
        return failure(
            f"the certificate of {shown} is not valid yet", "set the clock of this machine, or of the server"
        )
    if error.verify_code in OTHER_NAME:
        names = f", but for {', '.join(found.names[:5])}" if found and found.names else ""
        return failure(
            f"the certificate of {shown} is not for {host}{names}",
            f"use a name that it has in {route.target.setting}, or have the server's certificate name {host}",
        )
    by = f" by {found.issuer!r}" if found and found.issuer else ""
    trusted = certifi.where() if route.verify is True else os.fspath(route.verify)
    return failure(
        f"the certificate of {shown} is signed{by}, and no authority in {trusted} vouches for it "
        f"({error.verify_message})",
        "set REQUESTS_CA_BUNDLE to a file with your authority's certificate, in PEM",
    )


def _no_handshake(subject: Subject, route: Route, error: Exception) -> Verdict:
    shown, setting = route.target.shown, route.target.setting
    if route.proxy is None and _speaks_http(route, subject.seconds):
        return failure(
            f"{shown} answers in plain http, not TLS", f"write http:// in {setting}, or the port where https is spoken"
        )
    if isinstance(error, OSError) and "Tunnel connection failed" in str(error):
        answer = str(error).partition("failed: ")[2]
        return failure(
            f"{route.near_shown} does not lead to {shown}: {answer}",
            f"correct {route.variable}, or its login, or add {route.target.origin[1]} to NO_PROXY",
        )
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return failure(
            f"{shown} takes the connection, and does not answer the TLS handshake within {subject.seconds:g} s",
            f"check the port in {setting}: what listens there may be something else",
        )
    reason = getattr(error, "reason", None) or str(error) or type(error).__name__
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return failure(f"{shown} asks for a client's certificate ({reason})", "set cert of http_session")
    return failure(f"there is no TLS handshake with {shown}: {reason}", f"check scheme and port in {setting}")


def _speaks_http(route: Route, seconds: float) -> bool:
    connection = route.connection(seconds, None)
    try:
        connection.request("HEAD", "/")
        connection.getresponse().close()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
