"""The address of an API, and the login in it, read as httpx reads them without loading httpx.

`layer.raw` has httpx read the same text: both must send the same requests. Dot segments are left to requests, which
takes them out of every URL.
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, unquote, urlsplit

from ._origins import PORTS

# What stands as it is, besides letters, digits and `_.-~`. A `%` does: it may be the beginning of an escape.
IN_PATH = "!$%&'()*+,/:;=@[\\]^|"
IN_LOGIN = "!$%&'()*+,:"


def address_of(base_url: str) -> str:
    """Give a base URL, quoted, as paths are appended to it."""
    parts = urlsplit(base_url)
    login = quote(parts.netloc.rpartition("@")[0], safe=IN_LOGIN)
    login = f"{login}@" if login else ""
    host = _encoded(parts.hostname or "")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    path = quote(parts.path, safe=IN_PATH).rstrip("/")
    return f"{parts.scheme}://{login}{host}{port}{path}"


def login_headers(base_url: str) -> dict[str, str]:
    """Give the header that a login in a URL stands for. requests would make none of a name without a password."""
    name, _, password = urlsplit(base_url).netloc.rpartition("@")[0].partition(":")
    if not name and not password:
        return {}
    login = f"{unquote(name)}:{unquote(password)}".encode()
    return {"Authorization": f"Basic {b64encode(login).decode('ascii')}"}


def _encoded(host: str) -> str:
    """Encode a host that is not ASCII (IDNA 2008); one that cannot be stays as it is, and requests says so."""
    if host.isascii():
        return host
    import idna  # requests needs it, and imports it for such a host, too

    try:
        return idna.encode(host).decode("ascii")
    except idna.IDNAError:
        return host
