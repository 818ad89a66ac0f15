"""What a server's certificate says, whether or not anybody trusts it."""

from __future__ import annotations

import datetime
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple

import certifi

if TYPE_CHECKING:
    from ._route import Route

UTC_TIME, VERSION = 0x17, 0xA0  # tags; the other form of a time is GeneralizedTime


class Certificate(NamedTuple):
    """What a certificate says.

    Attributes:
        names: Whom it is for.
        issuer: Who signed it; empty where that cannot be read.
        ends: The end of its validity.
        protocol: The version of TLS that was spoken.
    """

    names: tuple[str, ...]
    issuer: str
    ends: datetime.datetime
    protocol: str = ""


def trusting(verify: Any, cert: Any) -> ssl.SSLContext:
    """Make a context that trusts as requests does.

    Raises:
        OSError: If a file is not there, or cannot be used.
    """
    where = certifi.where() if verify is True else verify
    if verify is False:
        context = _indifferent()
    elif Path(where).is_dir():
        context = ssl.create_default_context(capath=str(where))
    else:
        context = ssl.create_default_context(cafile=str(where))
    if cert:
        own, key = (cert, None) if isinstance(cert, (str, os.PathLike)) else cert
        context.load_cert_chain(own, key)
    return context


def presented(route: Route, seconds: float, context: ssl.SSLContext) -> Certificate:
    """Shake hands, and read the certificate.

    Raises:
        OSError: If there is no handshake; an `ssl.SSLCertVerificationError` if the certificate is not trusted.
    """
    found, raw, protocol = _handshake(route, seconds, context)
    return _read(found, raw, protocol)


def untrusted(route: Route, seconds: float) -> Certificate | None:
    """Read the certificate of a server that nobody trusts; None where there is no handshake."""
    try:
        _, raw, protocol = _handshake(route, seconds, _indifferent())
    except OSError:
        return None
    try:  # Python reads a certificate only after somebody vouched for it: it may do so itself
        found, _, _ = _handshake(route, seconds, _vouching(raw))
    except OSError:
        found = {}
    return _read(found, raw, protocol)


def _handshake(route: Route, seconds: float, context: ssl.SSLContext) -> tuple[dict[str, Any], bytes, str]:
    connection = route.connection(seconds, context)
    try:
        connection.connect()
        socket: Any = connection.sock
        return dict(socket.getpeercert() or {}), socket.getpeercert(binary_form=True) or b"", socket.version() or ""
    finally:
        connection.close()


def _indifferent() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _vouching(raw: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=raw)
    context.verify_flags |= getattr(ssl, "VERIFY_X509_PARTIAL_CHAIN", 0x80000)
    return context


def _read(found: dict[str, Any], raw: bytes, protocol: str) -> Certificate:
    names = tuple(str(value) for _, value in found.get("subjectAltName", ()))
    parts = {key: value for entry in found.get("issuer", ()) for key, value in entry}
    issuer = parts.get("commonName") or parts.get("organizationName") or ""
    return Certificate(names, issuer, end_of(raw), protocol)


def end_of(raw: bytes) -> datetime.datetime:
    """Read the end of validity out of a certificate (RFC 5280, section 4.1): Python shows none that has ended."""
    whole = next(_items(raw))[1]
    fields = list(_items(next(_items(whole))[1]))
    validity = fields[4 if fields[0][0] == VERSION else 3][1]
    _, (tag, end) = _items(validity)
    form = "%y%m%d%H%M%SZ" if tag == UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.datetime.strptime(end.decode("ascii"), form).replace(tzinfo=datetime.timezone.utc)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Read tag and content of one after the other (X.690, DER)."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        yield tag, data[position : position + length]
        position += length
