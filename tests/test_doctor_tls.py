"""`layer-sdk doctor` and certificates: what is wrong with one, and what to do about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Callable, Iterator

import pytest

from authority import DAY, NOW, Authority
from examined import APPLICATION, api, examined
from layer_sdk.doctor import _certificate
from scripted_server import ScriptedServer

if TYPE_CHECKING:
    import datetime
    from pathlib import Path

Serve = Callable[..., str]
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs the servers' certificates."""
    return Authority(tmp_path)


@pytest.fixture
def serve(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start Layers of https, trusted by this machine, and point the SDK at them."""
    started: list[ScriptedServer] = []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    monkeypatch.setenv("LAYER_APPLICATION_ID", APPLICATION)

    def start(ends: datetime.timedelta = 90 * DAY, host: str | None = None, *, asks: bool = False) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue("server", ends, host))
        if asks:
            context.load_verify_locations(authority.path)
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = ssl.TLSVersion.TLSv1_2  # where the server says so within the handshake
        server = ScriptedServer(api)
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        server._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # strangers are expected
        started.append(server.__enter__())
        url = server.url.replace("http:", "https:")
        monkeypatch.setenv("LAYER_BASE_URL", url)
        return url

    yield start
    for server in started:
        server.__exit__()


def test_trusted_certificate(serve: Serve, capsys: Capsys) -> None:
    """Who signed it and when it ends is told, and all else works over it."""
    url = serve()
    found = examined(capsys)
    assert (0, []) == (found.status, found.failures)
    assert f"{url} is trusted, signed by 'authority', until {NOW + 90 * DAY:%Y-%m-%d} (TLSv1." in found.line("api.tls")
    assert found.line("round_trip").startswith("ok")


def test_certificate_that_ends_soon(serve: Serve, capsys: Capsys) -> None:
    """Two weeks before its end there is a warning."""
    serve(13 * DAY)
    found = examined(capsys)
    assert 0 == found.status
    assert found.line("api.tls").startswith("warning")
    assert "which is 12 days from now -> renew the server's certificate" in found.line("api.tls")


def test_expired_certificate(serve: Serve, capsys: Capsys) -> None:
    """The day of the end is told."""
    serve(-3 * DAY)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert f"has expired on {NOW - 3 * DAY:%Y-%m-%d}" in found.line("api.tls")
    assert "renew it on the server" in found.line("api.tls")
    assert found.line("api").startswith("skipped")


def test_unknown_authority(serve: Serve, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who signed it and where requests looked is told."""
    serve()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "is signed by 'authority', and no authority in " in found.line("api.tls")
    assert "set REQUESTS_CA_BUNDLE to a file with your authority's certificate" in found.line("api.tls")


def test_certificate_for_another_name(serve: Serve, capsys: Capsys) -> None:
    """Whom it is for is told."""
    serve(host="layer.example.com")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "is not for 127.0.0.1, but for layer.example.com" in found.line("api.tls")
    assert "use a name that it has in LAYER_BASE_URL" in found.line("api.tls")


def test_http_to_a_server_of_https(serve: Serve, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrong scheme is the cause."""
    monkeypatch.setenv("LAYER_BASE_URL", serve().replace("https:", "http:"))
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "speaks TLS, not plain http -> write https:// in LAYER_BASE_URL" in found.line("api")


def test_server_that_wants_a_certificate(serve: Serve, capsys: Capsys) -> None:
    """A server that asks the client for a certificate is told from one that is broken."""
    serve(asks=True)
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "asks for a client's certificate" in found.line("api.tls")


def test_bundle_that_is_not_there(serve: Serve, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of authorities that is missing is named, with the variable that names it."""
    serve()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    found = examined(capsys)
    assert (1, 1) == (found.status, len(found.failures))
    assert "REQUESTS_CA_BUNDLE names /no/such/file.pem, which is not there" in found.line("api.tls")


@pytest.mark.parametrize("years", [1, 40])
def test_end_is_read_whatever_its_form(authority: Authority, years: int) -> None:
    """A certificate has its end in one of two forms, before and after 2050; both are read."""
    ends = 365 * years * DAY
    pem = authority.issue("server", ends).read_text()
    raw = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERT") :])
    assert (NOW + ends).replace(microsecond=0) == _certificate.end_of(raw)
