"""The settings, each with where it came from, and what is wrong with them."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping
from urllib.parse import urlsplit

from layer_sdk import _oidc_options
from layer_sdk._retry import once, single_try_session
from layer_sdk._secrets import HIDDEN, Secret
from layer_sdk._settings import OPTIONS, Settings, resolve_option
from layer_sdk.auth import OIDCClientCredentials
from layer_sdk.exceptions import LayerInvalidConfigurationError, LayerSDKException

from ._report import Setting, Verdict, failure, ok, warning
from ._subject import Subject

if TYPE_CHECKING:
    from layer_sdk._settings import Option

# Of OIDCClientCredentials; what is a secret is not shown.
OIDC = {
    "oidc_token_url": "LAYER_OIDC_TOKEN_URL",
    "oidc_issuer": "LAYER_OIDC_ISSUER",
    "oidc_client_id": "LAYER_OIDC_CLIENT_ID",
    "oidc_client_secret": "LAYER_OIDC_CLIENT_SECRET",
    "oidc_client_secret_file": "LAYER_OIDC_CLIENT_SECRET_FILE",
    "oidc_scope": "LAYER_OIDC_SCOPE",
    "oidc_timeout": "LAYER_OIDC_TIMEOUT",
}
# Of requests, which sends: named where they are set, for they steer where requests go and whom they trust.
STEERING = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC")
STAND_IN = "https://layer.example.com"
ADVICE = "correct it where it is set; docs/settings.md says what each option may be"


def subject_of(arguments: Mapping[str, Any], seconds: float, *, may_write: bool) -> tuple[Subject, tuple[Setting, ...]]:
    """Read arguments and environment, as `layer.init` would, but going on where something is wrong."""
    environ = dict(os.environ)
    values, origins, problems = _values(arguments, environ)
    secrets = _secrets(values, environ)
    provider = values["auth_provider"]
    is_wanted = provider is None and any(_given(environ, OIDC[name]) for name in OIDC if name != "oidc_timeout")
    if is_wanted:
        provider = _provider(seconds, problems)
    if is_wanted and provider is not None:
        values["auth_provider"], origins["auth_provider"] = provider, "LAYER_OIDC_CLIENT_ID"
    problems += _missing(values, environ, problems)
    values["oidc_token_url"] = _given(environ, OIDC["oidc_token_url"]) or _given(environ, OIDC["oidc_issuer"])
    subject = Subject(
        values=values,
        labels={**{name: _label(name, origin) for name, origin in origins.items()}, "oidc_token_url": _oidc(environ)},
        problems=tuple(problems),
        doubts=tuple(_doubts(environ)),
        provider=provider,
        lacks_provider=is_wanted and provider is None,
        session=single_try_session() if values["http_session"] is None else once(values["http_session"]),
        environ=environ,
        seconds=seconds,
        may_write=may_write,
        secrets=secrets,
    )
    return subject, tuple(_rows(subject, origins))


def judge(subject: Subject) -> Verdict:
    """Say whether `layer.init` would take the settings."""
    if subject.problems:
        return failure("; ".join(subject.problems), ADVICE)
    if subject.doubts:
        texts, advice = zip(*subject.doubts)
        return warning("; ".join(texts), "; ".join(advice))
    return ok("all can be used")


def _values(
    arguments: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Resolve each option by itself: one that is wrong takes none of the others with it."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for option in OPTIONS:
        try:
            values[option.name], origins[option.name] = resolve_option(option, arguments, environ)
        except LayerInvalidConfigurationError as error:
            problems.append(str(error))
            values[option.name], origins[option.name] = None, _source(option, arguments, environ)
    if origins["application_name"] == "argument" and origins["application_id"] != "argument":
        values["application_id"], origins["application_id"] = None, "default"
    return values, origins, problems


def _source(option: Option, arguments: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if any(arguments.get(name) is not None for name in (option.name, option.alias) if name):
        return "argument"
    return next(variable for variable in option.variables if _given(environ, variable))


def _missing(values: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]) -> list[str]:
    """Ask `Settings` what else is wrong: options that are missing, or do not go together."""
    usable = {option.name: values[option.name] for option in OPTIONS}
    variables = [variable for option in OPTIONS for variable in option.variables]
    empty = {name: "" for name in variables if name in environ and not environ[name].strip()}
    told = {problem.split()[0] for problem in problems}
    missing = []
    while True:  # each round mends what the last one found
        try:
            Settings.resolve(usable, empty)
        except LayerSDKException as error:
            name = str(error).split()[0]
            usable[name] = STAND_IN
            missing += [] if name in told else [str(error)]
        else:
            return missing


def _provider(seconds: float, problems: list[str]) -> OIDCClientCredentials | None:
    try:
        bound = min(seconds, _oidc_options.timeout(None))
        return OIDCClientCredentials(http_session=single_try_session(), http_timeout=bound)
    except LayerSDKException as error:
        problems.append(str(error))
        return None


def _doubts(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find variables that are nearly ours. Not each LAYER_ is: Kubernetes sets some for a service of that name."""
    ours = {variable for option in OPTIONS for variable in option.variables} | set(OIDC.values())
    doubts = []
    for name in sorted(environ):
        if name.startswith("LAYER") and name not in ours:
            near = difflib.get_close_matches(name, sorted(ours), n=1, cutoff=0.85)
            doubts += [(f"{name} is no setting of the SDK", f"did you mean {each}?") for each in near]
    return doubts


def _secrets(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[Secret[str]]:
    """Collect what must not be shown, wherever it turns up."""
    found = [environ.get("LAYER_OIDC_CLIENT_SECRET", ""), environ.get("LAYER_CONTENT_KEY", "")]
    path = environ.get("LAYER_OIDC_CLIENT_SECRET_FILE", "").strip()
    if path:
        with suppress(OSError):  # the token's check will say so
            found.append(Path(path).read_text("utf-8", "replace").strip())
    if isinstance(values["content_key"], bytes):
        found.append(str(values["content_key"], "utf-8", "replace"))
    urls = [values["base_url"], values["firewall_base_url"], *environ.values()]
    for url in urls:
        if isinstance(url, str) and "@" in url and "://" in url:
            login = url.rpartition("@")[0].rpartition("//")[2]
            found += [login, login.partition(":")[2]]
    return [Secret(each) for each in dict.fromkeys(found) if each.strip()]


def _rows(subject: Subject, origins: Mapping[str, str]) -> list[Setting]:
    environ = subject.environ
    rows = [Setting(option.name, _value(option, subject), _origin(origins[option.name])) for option in OPTIONS]
    for name, variable in OIDC.items():
        given = _given(environ, variable)
        value = None if given is None else HIDDEN if name == "oidc_client_secret" else masked(given)
        rows.append(Setting(name, value, "default" if given is None else _origin(variable)))
    for variable in STEERING:
        for name in (variable.lower(), variable):
            if _given(environ, name):
                rows.append(Setting(name, masked(environ[name]), _origin(name)))
                break
    return rows


def _value(option: Option, subject: Subject) -> str | None:
    value = subject.values[option.name]
    if value is None:
        return None
    if option.secret:
        return HIDDEN
    if isinstance(value, (frozenset, list)):
        return ", ".join(sorted(value)) or None
    if isinstance(value, (str, int, float, Path)):
        return masked(str(value))
    return type(value).__name__


def masked(text: str) -> str:
    """Show a text without the login of a URL."""
    if "@" not in text:
        return text
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        scheme = ""
    return f"{scheme + '://' if '://' in text else ''}{HIDDEN}@{text.rpartition('@')[2]}"


def _given(environ: Mapping[str, str], variable: str) -> str | None:
    return environ.get(variable, "").strip() or None


def _origin(origin: str) -> str:
    return origin if origin in ("argument", "default") else f"environment variable {origin}"


def _label(name: str, origin: str) -> str:
    return f"the argument {name}" if origin in ("argument", "default") else origin


def _oidc(environ: Mapping[str, str]) -> str:
    return OIDC["oidc_token_url"] if _given(environ, OIDC["oidc_token_url"]) else OIDC["oidc_issuer"]
