"""What must hold with every real provider: the tests themselves, which each provider's test module imports.

Such a module has a fixture `real`, the provider, shared by its tests: each leaves it as it was, up to secrets and keys.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Iterator, Protocol

import jwt
import pytest
import requests
from requests.adapters import HTTPAdapter

from layer_sdk import Layer, LayerAuthError, LayerRequestError, OIDCClientCredentials
from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from scripted_server import ScriptedServer

THREADS = 32
ACTIONS = 5
PACE = 0.2  # seconds between two requests of a thread: a steady load that leaves the machine its breath
PATIENCE = 60.0
LATE = 0.3  # seconds for which a busy machine may let a thread wait that has its token
MARGIN = 2  # seconds of its life that a token may have left when it is renewed; providers count whole ones


class RealProvider(Protocol):
    """What the scenarios need of a provider."""

    lifetime: int
    run_seconds: float

    @property
    def issuer(self) -> str: ...
    @property
    def token_url(self) -> str: ...

    def credentials(self, client_auth: str = "post", *, is_patient: bool = False) -> dict[str, Any]: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def rotate_secret(self) -> None: ...
    def rotate_signing_key(self, *, is_old_withdrawn: bool = False) -> None: ...
    def let_clients(self, *, in_: bool) -> None: ...


class Watched(requests.Session):
    """A session that tells what went over it. It sends once: retries would hide what a test wants to see."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[requests.Response] = []
        self.late = 0  # requests whose token had ended when they were sent
        self.hooks["response"].append(self._note)
        self.mount("http://", HTTPAdapter(pool_maxsize=THREADS))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send, and look at the token's end as the strictest server would."""
        kind, _, token = str(request.headers.get("Authorization")).partition(" ")
        if kind == "Bearer" and token.count(".") == 2:
            claims = jwt.decode(token, options={"verify_signature": False})
            self.late += claims["exp"] + LATE <= time.time()
        return super().send(request, **options)

    def _note(self, answer: requests.Response, **_: Any) -> None:
        self.answers.append(answer)

    @property
    def statuses(self) -> list[int]:
        """The statuses that came, in their order."""
        return [answer.status_code for answer in self.answers]

    def claims(self) -> list[dict[str, Any]]:
        """The claims of the token of each request."""
        tokens = [answer.request.headers["Authorization"].partition(" ")[2] for answer in self.answers]
        return [jwt.decode(token, options={"verify_signature": False}) for token in tokens]


class Sides:
    """A `Layer` and the two sessions it uses: one to the provider, one to the embedded Layer.

    Args:
        server: The embedded Layer, or what stands in for one.
        credentials: Arguments of `OIDCClientCredentials`.
        options: Options of `layer.init`.
    """

    def __init__(self, server: Server | ScriptedServer, credentials: dict[str, Any], **options: Any) -> None:
        self.tokens, self.calls = Watched(), Watched()
        self.provider = OIDCClientCredentials(
            **{"scope": "layer-sdk", "http_session": self.tokens, "http_timeout": 10, **credentials}
        )
        self.layer = Layer()
        chosen = {"application_id": "real", "http_timeout": 10, **options}
        self.layer.init(
            base_url=server.url,
            firewall_base_url=server.url,
            auth_provider=self.provider,
            http_session=self.calls,
            **chosen,
        )

    def close(self) -> None:
        self.layer.shutdown(5)
        self.tokens.close()
        self.calls.close()


Open = Callable[..., Sides]


@pytest.fixture
def guarded(real: RealProvider) -> Iterator[Server]:
    """An embedded Layer that wants the provider's tokens."""
    with Server(Settings(oidc_issuer=real.issuer, oidc_audience="layer")) as server:
        yield server


@pytest.fixture
def sides(real: RealProvider, guarded: Server) -> Iterator[Open]:
    """Open sides, with the provider's credentials unless told otherwise."""
    opened: list[Sides] = []

    def opener(client_auth: str = "post", *, is_patient: bool = False, **options: Any) -> Sides:
        changed = options.pop("credentials", {})
        found = {**real.credentials(client_auth, is_patient=is_patient), **changed}
        where = {} if "issuer" in found else {"token_url": real.token_url}
        opened.append(Sides(guarded, {**where, **found}, **options))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def record(mine: Layer, start: int = 0, session_id: str | None = None) -> str:
    """Record some actions, numbered from a start on, in the background."""
    with mine.session(session_id=session_id) as chosen:
        for number in range(start, start + ACTIONS):
            with mine.action(kind="embeddings") as action:
                action.data = {"key": str(number)}
    return str(chosen)


def recorded_keys(server: Server, session_id: str) -> list[str]:
    """The numbers of the actions that arrived."""
    document = requests.get(f"{server.url}/dev/sessions/{session_id}", timeout=10).json()
    return [action["data"]["key"] for action in document["actions"]]


def until_raised(error: type[Exception], call: Callable[[], object]) -> Exception:
    """Call until it raises: the token that was fetched before serves while it lives."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            call()
        except error as raised:
            return raised
        time.sleep(0.1)
    raise AssertionError(f"no {error.__name__} within {PATIENCE:.0f} seconds")


# ---- how a client says who it is


@pytest.mark.parametrize("client_auth", ["post", "basic", "private_key_jwt"])
def test_each_way_to_authenticate(sides: Open, client_auth: str) -> None:
    """Each way gives a token with which the API lets the client in."""
    mine = sides(client_auth)
    assert mine.layer.create_session()
    assert ([200], [201]) == (mine.tokens.statuses, mine.calls.statuses)


@pytest.mark.parametrize("client_auth", ["post", "private_key_jwt"])
def test_issuer_alone_says_where_tokens_are(sides: Open, real: RealProvider, client_auth: str) -> None:
    """The issuer's URL is enough: the token endpoint is found out, and assertions are addressed to the issuer."""
    mine = sides(client_auth, credentials={"issuer": real.issuer})
    assert mine.layer.create_session()
    assert real.token_url == mine.tokens.answers[-1].request.url


def test_token_is_for_layer(sides: Open, real: RealProvider) -> None:
    """The token has the issuer, the audience, the scope and the life that the provider was set up with."""
    mine = sides()
    mine.layer.create_session()
    (claims,) = mine.calls.claims()
    assert (real.issuer, "layer", real.lifetime) == (claims["iss"], claims["aud"], claims["exp"] - claims["iat"])
    assert "layer-sdk" in claims["scope"].split()


@pytest.mark.parametrize("change", [{"client_secret": "wrong"}, {"client_id": "nobody"}])
def test_refused_by_the_provider(sides: Open, change: dict[str, str]) -> None:
    """A wrong secret or client is a LayerAuthError with the provider's words, and nothing reaches the API."""
    mine = sides(credentials=change)
    with pytest.raises(LayerAuthError, match=r"invalid_client|unauthorized_client"):
        mine.layer.create_session()
    assert [] == mine.calls.statuses


# ---- how long a token serves


def test_one_token_serves_many_calls(sides: Open) -> None:
    """Many calls of many threads need one token while it lives."""
    mine = sides(is_patient=True)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: mine.layer.create_session(), range(80)))
    assert ([200], {201}) == (mine.tokens.statuses, set(mine.calls.statuses))


def test_renewal_under_load(sides: Open, real: RealProvider) -> None:
    """While 32 threads work, tokens end again and again: one request renews each, and no call is refused or fails."""
    mine = sides()
    began = time.monotonic()
    ready = threading.Barrier(THREADS)

    def work(_: int) -> int:
        ready.wait()
        session_id, made = mine.layer.create_session(), 1
        while time.monotonic() < began + real.run_seconds:
            mine.layer.append_action(session_id, kind="embeddings", data={"input": ["text"]})
            made += 1
            time.sleep(PACE)
        return made

    with ThreadPoolExecutor(THREADS) as pool:
        made = sum(pool.map(work, range(THREADS)))
    assert (made, {201, 202}, 0) == (len(mine.calls.statuses), set(mine.calls.statuses), mine.calls.late)
    tokens = sorted({(claims["iat"], claims["exp"], claims["jti"]) for claims in mine.calls.claims()})
    assert [200] * len(tokens) == mine.tokens.statuses
    expiries = sum(expires < time.time() + MARGIN for _, expires, _ in tokens)
    assert 2 <= len(tokens) <= expiries + 1
    # None was renewed before it was about to end.
    assert [] == [after for before, after in zip(tokens, tokens[1:]) if after[0] < before[1] - MARGIN]


# ---- what changes at the provider


def test_outage_of_the_provider(sides: Open, real: RealProvider, guarded: Server) -> None:
    """While the provider is away explicit calls say so, and what is recorded waits: it all arrives when it is back."""
    mine = sides()
    first = record(mine.layer)
    assert mine.layer.flush(PATIENCE)
    real.stop()
    try:
        error = until_raised(LayerRequestError, mine.layer.create_session)
        record(mine.layer, ACTIONS, first)
        others = [record(mine.layer) for _ in range(10)]
        assert not mine.layer.flush(1)
    finally:
        real.start()
    assert real.token_url in str(error)
    assert mine.layer.flush(PATIENCE)
    assert [str(number) for number in range(2 * ACTIONS)] == recorded_keys(guarded, first)
    assert [[str(number) for number in range(ACTIONS)]] * 10 == [recorded_keys(guarded, each) for each in others]
    assert {} == {reason: count for reason, count in mine.layer.stats()["dropped"].items() if count}


def test_clients_that_are_shut_out(
    sides: Open, real: RealProvider, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is shut out gets LayerAuthError when its token ends; what is recorded waits until it is let in."""
    monkeypatch.setattr("layer_sdk.delivery._gate.HOLD_DELAY", 1.0)  # in earnest it waits for half a minute
    mine = sides()
    first = record(mine.layer)
    assert mine.layer.flush(PATIENCE)
    real.let_clients(in_=False)
    try:
        error = until_raised(LayerAuthError, mine.layer.create_session)
        record(mine.layer, ACTIONS, first)
        assert not mine.layer.flush(1)
    finally:
        real.let_clients(in_=True)
    assert real.token_url in str(error)
    assert mine.layer.flush(PATIENCE)
    assert [str(number) for number in range(2 * ACTIONS)] == recorded_keys(guarded, first)
    assert {} == {reason: count for reason, count in mine.layer.stats()["dropped"].items() if count}


def test_rotated_secret(sides: Open, real: RealProvider, tmp_path: Path) -> None:
    """After a rotation the secret given as text is refused; one from a callable or a file is the new one."""
    file = tmp_path / "secret"
    secret: Callable[[], str] = lambda: str(real.credentials()["client_secret"])  # noqa: E731
    file.write_text(secret() + "\n")
    by_text, by_call = sides(), sides(credentials={"client_secret": secret})
    by_file = sides(credentials={"client_secret": None, "client_secret_file": str(file)})
    assert all(each.layer.create_session() for each in (by_text, by_call, by_file))
    old = secret()
    real.rotate_secret()
    file.write_text(secret() + "\n")
    for each in (by_text, by_call, by_file):
        each.provider.invalidate()
    with pytest.raises(LayerAuthError) as raised:
        by_text.layer.create_session()
    assert old not in str(raised.value)
    assert all(each.layer.create_session() for each in (by_call, by_file))


def test_rotated_signing_key(sides: Open, real: RealProvider) -> None:
    """Tokens of the old key and of the new one are taken, and no call is refused meanwhile."""
    old = sides(is_patient=True)
    old.layer.create_session()
    real.rotate_signing_key()
    new = sides()
    for each in (new, old, new, old):
        each.layer.create_session()
    assert ({201}, {201}) == (set(old.calls.statuses), set(new.calls.statuses))
    assert 1 == len(old.tokens.statuses)


def test_withdrawn_signing_key(sides: Open, real: RealProvider) -> None:
    """A token whose key was withdrawn is refused once; the call is repeated with another, and succeeds."""
    old = sides(is_patient=True)
    old.layer.create_session()
    real.rotate_signing_key(is_old_withdrawn=True)
    sides().layer.create_session()
    old.layer.create_session()
    assert ([201, 401, 201], [200, 200]) == (old.calls.statuses, old.tokens.statuses)


def test_awaited_calls(sides: Open) -> None:
    """The awaitable twin of a call has its token in the same way."""
    mine = sides(is_patient=True)

    async def work() -> list[str]:
        return list(await asyncio.gather(*(mine.layer.acreate_session() for _ in range(10))))

    assert 10 == len(set(asyncio.run(work())))
    assert [200] == mine.tokens.statuses
