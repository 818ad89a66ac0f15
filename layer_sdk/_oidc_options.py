"""The options of `OIDCClientCredentials`: an argument comes before the environment, that before the default."""

from __future__ import annotations

import os
from typing import Any, Mapping

from ._client_auth import ALGORITHMS, Certificate, ClientAuth, SecretInForm, SecretInHeader, SignedAssertion
from ._origins import is_exposed, is_usable, named, origin_of
from ._secrets import Secret, SecretSource, problem_with
from ._timeouts import DEFAULT_TIMEOUT, MAX_TIMEOUT, seconds_of, shown
from .exceptions import LayerInvalidConfigurationError, LayerMissingRequiredConfigurationError

METHODS = ("post", "basic", "private_key_jwt", "tls")
EXAMPLES = {
    "token_url": "https://sso.example.com/realms/REALM/protocol/openid-connect/token",
    "issuer": "https://sso.example.com/realms/REALM",
}
# What the grant and the ways to prove who asks put into the form themselves.
OWN_FIELDS = {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"}


def text(name: str, given: Any, variable: str | None = None) -> str:
    """Read an optional text; empty where it is given nowhere.

    Raises:
        LayerInvalidConfigurationError: If it is no text.
    """
    found = Secret(given or (os.environ.get(variable) if variable else None) or "")
    if found.reveal() == "" or str(found.reveal()).strip() == "":
        return ""
    _check(name, found)
    return str(found.reveal()).strip()


def client_id(given: str | None) -> str:
    """Read the client's id.

    Raises:
        LayerMissingRequiredConfigurationError: If it is given neither way.
    """
    found = text("client_id", given, "LAYER_OIDC_CLIENT_ID")
    if not found:
        raise _missing("client_id", ["client_id"], ["LAYER_OIDC_CLIENT_ID"])
    return found


def location(token_url: Secret[Any], issuer: Any) -> tuple[Secret[str] | None, str | None]:
    """Read the token endpoint's URL and the issuer; one of them may be None. An argument sets both variables aside.

    Raises:
        LayerMissingRequiredConfigurationError: If neither is given.
        LayerInvalidConfigurationError: If one is no URL.
    """
    given_issuer = text("issuer", issuer)
    if not _is_given(token_url) and not given_issuer:
        token_url = Secret(os.environ.get("LAYER_OIDC_TOKEN_URL"))
        given_issuer = text("issuer", None, "LAYER_OIDC_ISSUER")
    url = _url("token_url", token_url, "LAYER_OIDC_TOKEN_URL") if _is_given(token_url) else None
    if url is None and not given_issuer:
        variables = ["LAYER_OIDC_TOKEN_URL", "LAYER_OIDC_ISSUER"]
        raise _missing("token_url", ["token_url", "issuer"], variables)
    return url, _issuer(given_issuer) if given_issuer else None


def refuse_exposed(name: str, url: Secret[str]) -> None:
    """Refuse a URL that would let everybody on the way read what is sent there.

    Raises:
        LayerInvalidConfigurationError: If it is one of plain http, unless it stays on this machine.
    """
    if is_exposed(url.reveal()):
        raise LayerInvalidConfigurationError(
            f"{name} is plain http, to {named(origin_of(url.reveal()))}, for all on the way to read secret and token: "
            "use https, or give allow_insecure=True"
        )


def client_auth(
    method: str, client: str, secret: SecretSource | None, key: SecretSource | None, *, key_id: Any, algorithm: Any
) -> ClientAuth:
    """Choose how the client proves who it is.

    Raises:
        LayerMissingRequiredConfigurationError: If the secret or key for it is given nowhere.
        LayerInvalidConfigurationError: If there is no such way, or it cannot be gone.
    """
    if method not in METHODS:
        raise LayerInvalidConfigurationError(f"client_auth must be one of {', '.join(METHODS)}, but is {shown(method)}")
    if method == "tls":
        return Certificate(client)
    if method == "private_key_jwt":
        return _signed(client, key, key_id, algorithm)
    if secret is None:
        variables = ["LAYER_OIDC_CLIENT_SECRET", "LAYER_OIDC_CLIENT_SECRET_FILE"]
        raise _missing("client_secret", ["client_secret", "client_secret_file"], variables)
    return (SecretInHeader if method == "basic" else SecretInForm)(client, secret)


def _signed(client: str, key: SecretSource | None, key_id: Any, algorithm: Any) -> ClientAuth:
    if key is None:
        raise _missing("private_key", ["private_key", "private_key_file"], [])
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise LayerInvalidConfigurationError(
            f"signing_algorithm must be one of {', '.join(ALGORITHMS)}, but is {shown(algorithm)}"
        )
    return SignedAssertion(client, key, text("key_id", key_id) or None, algorithm)


def source(name: str, given: Secret[Any], file: Any, variable: str = "") -> SecretSource | None:
    """Find where a secret is given: as itself, as a function or in a file; None where it is given nowhere.

    Raises:
        LayerInvalidConfigurationError: If it is given twice, or is no text.
    """
    if given.reveal() is not None and file is not None:
        raise LayerInvalidConfigurationError(f"{name} and {name}_file are two ways to give one thing: give one of them")
    if not _is_given(given) and file is None and variable:
        given = Secret(os.environ.get(variable))
        file = None if _is_given(given) else os.environ.get(f"{variable}_FILE", "").strip() or None
    if file is not None:
        return SecretSource(name, given, _path(name, file))
    if not _is_given(given):
        return None
    if not callable(given.reveal()):
        _check(name, given)
    return SecretSource(name, given)


def parameters(scope: Any, audience: Any, extra: Secret[Any]) -> dict[str, str]:
    """Read what else goes into the form.

    Raises:
        LayerInvalidConfigurationError: If something is no text, or not the caller's to give.
    """
    fields = dict(_pairs(extra))
    taken = sorted(OWN_FIELDS & set(fields))
    if taken:
        raise LayerInvalidConfigurationError(f"extra_parameters must leave {', '.join(taken)} to the SDK")
    for name, value in fields.items():
        _check(f"extra_parameters[{name!r}]", value)
    named_ones = {"scope": text("scope", scope, "LAYER_OIDC_SCOPE"), "audience": text("audience", audience)}
    return {
        **{name: value for name, value in named_ones.items() if value},
        **{name: str(value.reveal()) for name, value in fields.items()},
    }


def timeout(given: Any) -> float:
    """Read the timeout.

    Raises:
        LayerInvalidConfigurationError: If it is no number of seconds that a socket can wait.
    """
    value = given if given is not None else os.environ.get("LAYER_OIDC_TIMEOUT", "").strip() or DEFAULT_TIMEOUT
    seconds = seconds_of(value)
    if seconds is None:
        origin = "the argument http_timeout" if given is not None else "the environment variable LAYER_OIDC_TIMEOUT"
        raise LayerInvalidConfigurationError(
            f"http_timeout must be a number of seconds above 0 and up to {MAX_TIMEOUT:.0f}, "
            f"but {origin} is {shown(value)}"
        )
    return seconds


def _pairs(extra: Secret[Any]) -> dict[str, Secret[Any]]:
    if extra.reveal() is None:
        return {}
    if not isinstance(extra.reveal(), Mapping) or not all(isinstance(name, str) for name in extra.reveal()):
        raise LayerInvalidConfigurationError("extra_parameters must be a mapping from names to texts")
    return {name: Secret(value) for name, value in extra.reveal().items()}


def _path(name: str, file: Any) -> str:
    if not isinstance(file, (str, os.PathLike)):
        raise LayerInvalidConfigurationError(f"{name}_file must be a path, but is {shown(file)}")
    return os.fsdecode(file)


def _url(name: str, given: Secret[Any], variable: str) -> Secret[str]:
    _check(name, given)
    url = Secret(str(given.reveal()).strip().strip("\"'").strip())
    if not is_usable(url.reveal()):  # shown it is not: a URL may hold a password
        raise LayerInvalidConfigurationError(
            f"{name} must be a URL with scheme and host, such as {EXAMPLES[name]}: look at the argument {name}, or "
            f"{variable}"
        )
    return url


def _issuer(given: str) -> str:
    url = _url("issuer", Secret(given), "LAYER_OIDC_ISSUER").reveal()
    if {"?", "#", "@"} & set(url):
        raise LayerInvalidConfigurationError(
            "issuer must be a URL without login, query and fragment, as the provider's tokens have it in `iss`"
        )
    return url


def _is_given(value: Secret[Any]) -> bool:
    return bool(value.reveal()) and (not isinstance(value.reveal(), str) or bool(value.reveal().strip()))


def _check(name: str, value: Secret[Any]) -> None:
    problem = problem_with(value)
    if problem is not None:
        raise LayerInvalidConfigurationError(f"{name} {problem}")


def _missing(name: str, arguments: list[str], variables: list[str]) -> LayerMissingRequiredConfigurationError:
    ways = f"give OIDCClientCredentials the argument {' or '.join(arguments)}"
    also = f", or set {' or '.join(variables)}" if variables else ""
    return LayerMissingRequiredConfigurationError(f"{name} is missing: {ways}{also}")
