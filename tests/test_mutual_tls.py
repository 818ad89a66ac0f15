"""A client that proves who it is by its certificate (RFC 8705), over a real handshake."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Iterator
from urllib.parse import parse_qsl

import pytest
import requests

from authority import Authority
from layer_sdk import LayerRequestError, OIDCClientCredentials

if TYPE_CHECKING:
    from pathlib import Path


class TokenEndpoint(BaseHTTPRequestHandler):
    """Gives a token to whoever came through the handshake; its name is that of the certificate."""

    forms: list[dict[str, str]] = []  # noqa: RUF012  (one server, one test)

    def do_POST(self) -> None:
        """Answer with a token."""
        self.forms.append(dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode())))
        subject: Any = self.connection.getpeercert()["subject"]
        body = json.dumps({"access_token": f"of-{subject[0][0][1]}", "expires_in": 300}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


class Quiet(HTTPServer):
    """A server that says nothing of a handshake that fails."""

    def handle_error(self, *_: object) -> None:
        """Go on."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whom both sides trust."""
    return Authority(tmp_path)


@pytest.fixture
def token_url(authority: Authority) -> Iterator[str]:
    """Where a token endpoint asks for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    TokenEndpoint.forms.clear()
    server = Quiet(("127.0.0.1", 0), TokenEndpoint)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    thread.join()
    server.server_close()


def test_certificate_of_the_session_is_the_proof(authority: Authority, token_url: str) -> None:
    """The token request carries the client's id and no secret; the handshake says who it is."""
    session = requests.Session()
    session.cert, session.verify = str(authority.issue("my-app")), str(authority.path)
    provider = OIDCClientCredentials(token_url=token_url, client_id="my-app", client_auth="tls", http_session=session)
    assert {"Authorization": "Bearer of-my-app"} == provider.get_headers()
    assert [{"grant_type": "client_credentials", "client_id": "my-app"}] == TokenEndpoint.forms


def test_without_a_certificate_there_is_no_token(authority: Authority, token_url: str) -> None:
    """A handshake that fails is a LayerRequestError: nobody answered, so what is recorded waits."""
    session = requests.Session()
    session.verify = str(authority.path)
    provider = OIDCClientCredentials(token_url=token_url, client_id="my-app", client_auth="tls", http_session=session)
    with pytest.raises(LayerRequestError):
        provider.get_headers()
    assert [] == TokenEndpoint.forms
