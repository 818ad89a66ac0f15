"""Many threads and short tokens, over real sockets."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Callable

import pytest
import requests
from requests.adapters import HTTPAdapter

from layer_sdk import OIDCClientCredentials
from scripted_server import CREATED, SESSION, Answer, Asked, ScriptedServer

if TYPE_CHECKING:
    from conftest import Figures, MakeLayer

Scripted = Callable[..., ScriptedServer]

LIFETIME = 3
LATE = 0.3  # seconds for which a busy machine may let a thread wait that has its token
SECONDS = 6.0
THREADS = 32


class Issuer:
    """Gives tokens that live for three seconds, whole ones as everybody's do, and knows of each when it ends.

    Attributes:
        ends: When each token ends.
    """

    def __init__(self) -> None:
        self.ends: dict[str, float] = {}

    def __call__(self, _: Asked) -> Answer:
        token = f"t{len(self.ends)}"
        self.ends[f"Bearer {token}"] = int(time.time()) + LIFETIME
        return Answer(200, json.dumps({"access_token": token, "expires_in": LIFETIME}).encode())

    def lives(self, authorization: str) -> bool:
        return time.time() < self.ends.get(authorization, 0.0) + LATE

    def ended(self) -> int:
        return sum(end <= time.time() + LIFETIME / 2 for end in self.ends.values())


class Stamped(requests.Session):
    """A session that notes whether the token of each request lives when it is sent."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
        self.lived: list[bool] = []
        self._issuer = issuer

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        self.lived.append(self._issuer.lives(str(request.headers["Authorization"])))
        return super().send(request, **options)  # type: ignore[arg-type]


@pytest.mark.row(12, "32 threads, tokens of 3 s")
def test_short_tokens_under_many_threads(scripted: Scripted, make_layer: MakeLayer, figures: Figures) -> None:
    """No more token requests than tokens that ended and one; every request has a token that lives; none fails."""
    issuer = Issuer()
    issuing, api = scripted(issuer), scripted(CREATED)
    provider = OIDCClientCredentials(token_url=issuing.url, client_id="app", client_secret="s3cr3t")
    session = Stamped(issuer)
    mine = make_layer(base_url=api.url, auth_provider=provider, http_session=session)
    began = time.monotonic()
    answers: list[str] = []

    def work() -> None:
        while time.monotonic() - began < SECONDS:
            answers.append(mine.create_session())

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    elapsed = time.monotonic() - began
    assert ({SESSION}, len(answers), [True] * len(answers)) == (set(answers), len(api.asked), session.lived)
    assert 2 <= len(issuing.asked) <= issuer.ended() + 1
    assert len(issuing.asked) <= elapsed / (LIFETIME / 2) + 1
    assert len(answers) > THREADS
    figures(requests=len(answers), token_requests=len(issuing.asked), tokens_ended=issuer.ended())
