from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, Iterator

import httpx
import jwt
import pytest
import requests

from layer_sdk import Layer, LayerAuthError, OIDCClientCredentials
from layer_sdk.cli import main
from layer_sdk.devserver import Server, Settings, StartError, build_app
from layer_sdk.devserver._keys import ASYMMETRIC
from oidc_issuer import Issuer, SigningKey

if TYPE_CHECKING:
    from devserver.conftest import Start

APPLICATIONS = "/v1/applications"
FORGER = SigningKey("first")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


@pytest.fixture
def guarded(start: Start, issuer: Issuer) -> httpx.Client:
    """A client of a server that wants tokens of the issuer, for `layer`."""
    return start(oidc_issuer=issuer.url, oidc_audience="layer")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(answer: httpx.Response) -> str:
    """Why a token was refused, after a look at the rest of the answer."""
    assert (401, "application/problem+json") == (answer.status_code, answer.headers["Content-Type"])
    document = answer.json()
    detail = str(document["detail"])
    assert "Unauthorized" == document["title"]
    assert ["Authorization"] == [error["path"] for error in document["errors"]]
    assert f'Bearer error="invalid_token", error_description="{detail}"' == answer.headers["WWW-Authenticate"]
    return detail


def unsigned(claims: dict[str, Any]) -> str:
    """A token that claims to need no signature, as no library makes one unasked."""
    return jwt.encode(claims, "", "none", headers={"kid": "first"})


def signed_with_public_key(issuer: Issuer) -> str:
    """A token whose signature is made with what everybody knows, by hand: no library agrees to make it."""
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "first"}, issuer.claims()]
    head = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = hmac.new(issuer.keys[0].public_pem, head, hashlib.sha256).digest()
    return (head + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


# ---- who is let in


def test_good_token_lets_every_operation_pass(guarded: httpx.Client, issuer: Issuer) -> None:
    """With a token of the issuer the API works, and the keys are fetched once for all requests."""
    headers = bearer(issuer.token())
    created = guarded.post("/v1/sessions", json={"application_id": "shop"}, headers=headers)
    looked_up = guarded.get(f"/v1/sessions/{created.json()['session_id']}", headers=headers)
    assert [201, 200, 200] == [
        created.status_code,
        looked_up.status_code,
        guarded.get(APPLICATIONS, headers=headers).status_code,
    ]
    assert 1 == issuer.fetches


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256"])
def test_asymmetric_algorithms_are_taken(start: Start, algorithm: str) -> None:
    """What public keys can verify is verified."""
    with Issuer(SigningKey("one", algorithm)) as issuer:
        answer = start(oidc_issuer=issuer.url).get(APPLICATIONS, headers=bearer(issuer.token()))
    assert 200 == answer.status_code


@pytest.mark.parametrize("audience", ["layer", ["account", "layer"]])
def test_audience_may_be_one_of_several(guarded: httpx.Client, issuer: Issuer, audience: Any) -> None:
    """A token that is meant for others as well is meant for this server."""
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token(aud=audience))).status_code


@pytest.mark.parametrize("audience", [None, "somebody"])
def test_audience_counts_only_where_one_is_chosen(start: Start, issuer: Issuer, audience: str | None) -> None:
    """Without --oidc-audience a token may be meant for anybody."""
    layer = start(oidc_issuer=issuer.url)
    assert 200 == layer.get(APPLICATIONS, headers=bearer(issuer.token(aud=audience))).status_code


def test_issuer_with_a_slash_at_its_end(start: Start, issuer: Issuer) -> None:
    """Some issuers end with a slash: tokens must name the issuer as it names itself, the option either way."""
    issuer.metadata = {"issuer": issuer.url + "/"}
    for url in (issuer.url, issuer.url + "/"):
        layer = start(oidc_issuer=url)
        assert 200 == layer.get(APPLICATIONS, headers=bearer(issuer.token(iss=issuer.url + "/"))).status_code
        assert "another issuer" in refusal(layer.get(APPLICATIONS, headers=bearer(issuer.token())))


def test_token_without_key_id_needs_an_only_key(guarded: httpx.Client, issuer: Issuer) -> None:
    """Where there is one key to sign with, a token need not say which; where there are two, it must."""
    token = jwt.encode(issuer.claims(), issuer.keys[0].private, "RS256")
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(token)).status_code
    issuer.keys.append(SigningKey("second"))
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token(issuer.keys[1]))).status_code
    assert "a key that the issuer does not have" in refusal(guarded.get(APPLICATIONS, headers=bearer(token)))


def test_pages_and_views_are_open(guarded: httpx.Client) -> None:
    """Only the API wants tokens: the page, its JSON and the readiness are for the developer who started the server."""
    assert [200, 200, 200] == [guarded.get(path).status_code for path in ("/", "/dev/sessions", "/readyz")]


def test_without_an_issuer_nobody_is_asked(start: Start) -> None:
    """A server that was started without an issuer takes any token and none."""
    layer = start()
    assert [200, 200] == [layer.get(APPLICATIONS, headers=more).status_code for more in ({}, bearer("anything"))]


# ---- who is not


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "is missing; send the header"),
        ("Basic YXBwOnNlY3JldA==", "must be of the scheme Bearer"),
        ("Bearer", "must be of the scheme Bearer"),
        ("Bearer garbage", "is no JSON web token"),
        ("Bearer a.b.c", "is no JSON web token"),
        ("Bearer a.b.c.d.e", "is no JSON web token"),
        ("Bearer \xff\xfe", "is no JSON web token"),
        ('Bearer "x" error="y"', "is no JSON web token"),
    ],
)
def test_no_token_at_all(guarded: httpx.Client, issuer: Issuer, authorization: str | None, reason: str) -> None:
    """What is no token is refused without asking the issuer."""
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    assert reason in refusal(guarded.get(APPLICATIONS, headers=headers))
    assert 0 == issuer.fetches


def swapped(issuer: Issuer) -> str:
    """A token with the claims of another one between its own head and signature."""
    head, _, signature = issuer.token().split(".")
    return ".".join((head, issuer.token(sub="administrator").split(".")[1], signature))


def other_algorithm(issuer: Issuer) -> str:
    """A token signed with the right key, but not for the algorithm that the key is published for."""
    return jwt.encode(issuer.claims(), issuer.keys[0].private, "RS512", headers={"kid": "first"})


WRONG: list[tuple[str, Callable[[Issuer], str], str]] = [
    ("forged", lambda issuer: issuer.token(FORGER), "has a signature that does not verify"),
    ("changed", swapped, "has a signature that does not verify"),
    ("none", lambda issuer: unsigned(issuer.claims()), "must be signed with one of"),
    ("public key as secret", signed_with_public_key, "must be signed with one of"),
    ("other algorithm", other_algorithm, "can not be read"),
    ("expired", lambda issuer: issuer.token(exp=int(time.time()) - 10), "has expired"),
    ("never expires", lambda issuer: issuer.token(exp=None), "lacks the claim exp"),
    ("odd expiry", lambda issuer: issuer.token(exp="soon"), "can not be read"),
    ("not yet valid", lambda issuer: issuer.token(nbf=int(time.time()) + 60), "is not valid yet"),
    ("issued tomorrow", lambda issuer: issuer.token(iat=int(time.time()) + 86400), "is not valid yet"),
    ("other issuer", lambda issuer: issuer.token(iss="https://other.example.com"), "is of another issuer"),
    ("no issuer", lambda issuer: issuer.token(iss=None), "lacks the claim iss"),
    ("other audience", lambda issuer: issuer.token(aud="somebody"), "is meant for another audience"),
    ("no audience", lambda issuer: issuer.token(aud=None), "lacks the claim aud"),
    ("unknown key", lambda issuer: issuer.token(headers={"kid": "nobody"}), "a key that the issuer does not have"),
]


@pytest.mark.parametrize(("make", "reason"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_bad_token_is_refused(
    guarded: httpx.Client, issuer: Issuer, make: Callable[[Issuer], str], reason: str
) -> None:
    """Each thing that can be wrong with a token is a 401 that says which it is, and shows nothing of the token."""
    token = make(issuer)
    answer = guarded.get(APPLICATIONS, headers=bearer(token))
    assert reason in refusal(answer)
    assert not [part for part in token.split(".") if part and part in answer.text]


def test_algorithms_are_asymmetric() -> None:
    """No algorithm that is taken verifies with a secret, or with nothing."""
    assert [] == [name for name in ASYMMETRIC if name.startswith("HS") or name == "none"]


def test_refusal_comes_before_the_body_is_judged(guarded: httpx.Client) -> None:
    """Who has no token learns nothing about what is wrong with the rest."""
    assert "is missing" in refusal(guarded.post("/v1/sessions", content=b"garbage"))


# ---- the keys of the issuer


def test_rotated_key_is_found(guarded: httpx.Client, issuer: Issuer) -> None:
    """A token that a new key signed is taken at once, and one of the old key while the issuer publishes it."""
    old = issuer.token()
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(old)).status_code
    issuer.keys.insert(0, SigningKey("second"))
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(old)).status_code
    assert 2 == issuer.fetches
    del issuer.keys[1]
    issuer.keys.insert(0, SigningKey("third"))
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code
    assert "a key that the issuer does not have" in refusal(guarded.get(APPLICATIONS, headers=bearer(old)))


def test_made_up_key_ids_do_not_flood_the_issuer(guarded: httpx.Client, issuer: Issuer) -> None:
    """However many unknown keys are named at a time, the issuer is asked about once a second."""
    tokens = [issuer.token(headers={"kid": f"made up {number}"}) for number in range(40)]
    guarded.get(APPLICATIONS, headers=bearer(issuer.token()))
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda token: guarded.get(APPLICATIONS, headers=bearer(token)), tokens))
    seconds = time.monotonic() - began
    assert {401} == {answer.status_code for answer in answers}
    assert issuer.fetches <= 2 + seconds


def test_withdrawn_key_is_not_taken_for_ever(
    guarded: httpx.Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that were fetched long ago are fetched again, so what the issuer took back ends there too."""
    token = issuer.token()
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(token)).status_code
    issuer.keys = [SigningKey("second")]
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(token)).status_code
    monkeypatch.setattr("layer_sdk.devserver._keys._LIFETIME", 0.0)
    assert "a key that the issuer does not have" in refusal(guarded.get(APPLICATIONS, headers=bearer(token)))


def test_keys_that_are_none_are_passed_over(guarded: httpx.Client, issuer: Issuer) -> None:
    """Encryption keys, symmetric ones, broken ones and strangers among the keys do no harm."""
    good = issuer.keys[0].published
    odd: list[Any] = [
        {**good, "kid": "a", "use": "enc", "alg": "RSA-OAEP"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "b"},
        {"kty": "RSA", "kid": "c", "n": "!", "e": 1},
        {"kty": "EC", "crv": "P-256", "kid": "d"},
        {"kty": "from the future"},
    ]
    issuer.keys[1:] = [FORGER] * len(odd)
    for key, entry in zip(issuer.keys[1:], odd):
        vars(key)["published"] = entry
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "https://other.example.com"}, "its discovery document is of another issuer"),
    ({"jwks_uri": None}, "its discovery document has no jwks_uri"),
    ({"jwks_uri": "/nowhere"}, "failed"),
    ({"jwks_uri": "http://127.0.0.1:1/keys"}, "failed"),
]


@pytest.mark.parametrize(("metadata", "reason"), UNUSABLE)
def test_issuer_that_makes_no_sense(
    guarded: httpx.Client, issuer: Issuer, metadata: dict[str, Any], reason: str
) -> None:
    """What is wrong at the issuer is a 503 that says so: the token may be good."""
    issuer.metadata = metadata
    answer = guarded.get(APPLICATIONS, headers=bearer(issuer.token()))
    assert 503 == answer.status_code
    assert f"the issuer {issuer.url} does not tell its keys: " in answer.json()["detail"]
    assert reason in answer.json()["detail"]


def test_issuer_without_keys(guarded: httpx.Client, issuer: Issuer) -> None:
    """An issuer that publishes no key is a 503."""
    token = issuer.token()
    issuer.keys = []
    answer = guarded.get(APPLICATIONS, headers=bearer(token))
    assert (503, True) == (answer.status_code, "no key that can be used" in answer.json()["detail"])


def test_issuer_that_comes_back(guarded: httpx.Client, issuer: Issuer) -> None:
    """While the issuer fails, tokens can not be verified (503); when it is back, they are; what is known lasts."""
    issuer.is_down = True
    answer = guarded.get(APPLICATIONS, headers=bearer(issuer.token()))
    assert (503, True) == (answer.status_code, "answered 500" in answer.json()["detail"])
    issuer.is_down = False
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code
    issuer.is_down = True
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code


def test_issuer_that_is_not_there(start: Start) -> None:
    """With nobody at the issuer's address the API answers 503, and the pages as ever."""
    with Issuer() as gone:
        url, token = gone.url, gone.token()
    layer = start(oidc_issuer=url)
    answer = layer.get(APPLICATIONS, headers=bearer(token))
    assert (503, True) == (answer.status_code, f"the issuer {url} does not tell its keys" in answer.json()["detail"])
    assert 200 == layer.get("/").status_code


def test_slow_issuer_holds_up_nobody_else(
    guarded: httpx.Client, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the keys are fetched, others are answered."""
    answered: list[int] = []
    usual = issuer._discovery

    def slow() -> dict[str, Any]:
        answered.append(httpx.get(guarded.base_url.join("/dev/sessions"), timeout=4).status_code)
        return usual()

    monkeypatch.setattr(issuer, "_discovery", slow)
    assert 200 == guarded.get(APPLICATIONS, headers=bearer(issuer.token())).status_code
    assert 200 == answered[0]


def test_request_that_is_given_up_takes_no_other_with_it(issuer: Issuer) -> None:
    """Who goes away while keys are fetched does not end the fetch that others wait for."""

    async def statuses() -> tuple[bool, int]:
        app = build_app(Settings(oidc_issuer=issuer.url))
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(
            transport=transport, base_url="http://localhost"
        ) as mine:
            first = asyncio.ensure_future(mine.get(APPLICATIONS, headers=bearer(issuer.token())))
            second = asyncio.ensure_future(mine.get(APPLICATIONS, headers=bearer(issuer.token())))
            while not issuer.server.asked:  # noqa: ASYNC110  (a thread of the issuer changes it)
                await asyncio.sleep(0)
            first.cancel()
            answer = await second
            return first.cancelled(), answer.status_code

    assert (True, 200) == asyncio.run(statuses())


# ---- with the SDK, and chosen


def test_sdk_with_its_provider(issuer: Issuer) -> None:
    """The SDK fetches a token and is let in; with a wrong secret or without a provider it raises LayerAuthError."""
    with Server(Settings(oidc_issuer=issuer.url, oidc_audience="layer")) as server:
        for secret, is_let_in in (("of-the-client", True), ("wrong", False), (None, False)):
            mine = Layer()
            mine.init(base_url=server.url, application_id="app", auth_provider=provider(issuer, secret))
            if is_let_in:
                assert mine.create_session()
            else:
                with pytest.raises(LayerAuthError):
                    mine.create_session()
            mine.shutdown(5)


def provider(issuer: Issuer, secret: str | None) -> OIDCClientCredentials | None:
    if secret is None:
        return None
    session = requests.Session()
    return OIDCClientCredentials(
        token_url=issuer.token_url, client_id="app", client_secret=secret, http_session=session
    )


@pytest.mark.parametrize(
    "chosen",
    [
        {"oidc_issuer": ""},
        {"oidc_issuer": "sso.example.com"},
        {"oidc_issuer": "ftp://sso.example.com"},
        {"oidc_issuer": "https://[sso"},
        {"oidc_issuer": "https://sso.example.com?realm=layer"},
        {"oidc_audience": "layer"},
        {"oidc_issuer": "https://sso.example.com", "oidc_audience": ""},
    ],
)
def test_choices_that_make_no_sense(chosen: dict[str, Any]) -> None:
    """An issuer that is no URL, or an audience without an issuer, is told when the server is set up."""
    with pytest.raises(ValueError, match=next(reversed(chosen))):
        Settings(**chosen)


def test_command_line_passes_the_issuer_on(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`layer-sdk dev --oidc-issuer URL --oidc-audience NAME` starts a server that wants such tokens."""
    started: list[Settings] = []

    def not_run(settings: Settings, on_ready: Callable[[str], None]) -> None:
        started.append(settings)
        raise StartError("not today")

    monkeypatch.setattr("layer_sdk.devserver.run", not_run, raising=False)
    assert 1 == main(["dev", "--oidc-issuer", issuer.url, "--oidc-audience", "layer"])
    assert [(issuer.url, "layer")] == [(each.oidc_issuer, each.oidc_audience) for each in started]


def test_command_line_tells_what_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    """An audience without an issuer ends the command with status 1 and a sentence."""
    assert 1 == main(["dev", "--oidc-audience", "layer"])
    assert "layer-sdk dev: oidc_audience 'layer' needs" in capsys.readouterr().err
