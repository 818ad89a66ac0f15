"""The options of `layer.init`: one table, resolved once into a frozen value.

An argument comes before the environment, the environment before the default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from ._origins import is_exposed, named, origin_of
from ._timeouts import DEFAULT_TIMEOUT, MAX_TIMEOUT, seconds_of, shown
from .exceptions import LayerInvalidConfigurationError, LayerMissingRequiredConfigurationError


class _WrongValueError(Exception):
    """Says what is wanted in place of a value."""


class Option(NamedTuple):
    """One option: what it is called, where it may come from and what it must be.

    Attributes:
        name: The argument of `layer.init`.
        parse: Makes the value of what was given.
        doc: What it means, in a sentence.
        variables: Environment variables, the first one that is set wins.
        default: The value when it is given nowhere.
        alias: Another name that the argument may have.
        secret: Whether an error must not show the value.
    """

    name: str
    parse: Callable[[Any], Any]
    doc: str
    variables: tuple[str, ...] = ()
    default: Any = None
    alias: str | None = None
    secret: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, (str, UUID)):
        raise _WrongValueError("must be text")
    text = str(value).strip().strip("\"'").strip()
    if not text:
        raise _WrongValueError("must not be empty")
    if text != text.encode("utf-8", "replace").decode("utf-8"):
        raise _WrongValueError("must be text that UTF-8 can write")
    return text


def _url(value: Any) -> str:
    text = _text(value).rstrip("/")
    if not _has_host(text):
        raise _WrongValueError("must be a URL with scheme and host, such as https://layer.example.com")
    if " " in text or not text.isprintable():
        raise _WrongValueError("must be a URL without blanks inside, such as https://layer.example.com")
    if "?" in text or "#" in text:
        raise _WrongValueError("must be a URL without query or fragment: paths are appended to it")
    return text


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # it may quote a password, so it goes no further
        return False


def _seconds(value: Any) -> float:
    seconds = seconds_of(value)
    if seconds is None:
        raise _WrongValueError(f"must be a number of seconds above 0 and up to {MAX_TIMEOUT:.0f}, such as 10 or 2.5")
    return seconds


def _names(value: Any) -> frozenset[str]:
    parts: Iterable[Any] = value
    if isinstance(value, str):
        parts = (part for part in value.split(",") if part.strip())
    try:
        names = [_text(part).lower() for part in parts]
    except TypeError as error:
        raise _WrongValueError("must be a list of names, such as ['openai']") from error
    return frozenset(names)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    flags = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).strip().lower() not in flags:
        raise _WrongValueError("must be true or false")
    return flags[str(value).strip().lower()]


def _having(*methods: str, wanted: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
            raise _WrongValueError(f"must be {wanted}")
        return value

    return parse


def _one_of(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.strip().lower() not in choices:
            raise _WrongValueError(f"must be one of {', '.join(choices)}")
        return value.strip().lower()

    return parse


def _count(value: Any) -> int:
    try:
        count = 0 if isinstance(value, (bool, float)) else int(value)
    except (TypeError, ValueError):
        count = 0
    if count <= 0:
        raise _WrongValueError("must be a whole number above 0")
    return count


def _callable(value: Any) -> Any:
    if not callable(value):
        raise _WrongValueError("must be callable")
    return value


def _path(value: Any) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _key(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else _text(value).encode("utf-8")


OPTIONS: list[Option] = [
    Option("base_url", _url, "Where the Layer API answers.", ("LAYER_BASE_URL",)),
    Option("application_id", _text, "The application that sessions belong to.", ("LAYER_APPLICATION_ID",)),
    Option(
        "application_name",
        _text,
        "In place of the id: looked up by `init`, and created when there is none of that name. The id wins where both "
        "are given, but not an id of the environment over a name given as an argument.",
        ("LAYER_APPLICATION_NAME",),
    ),
    Option(
        "environment",
        _text,
        "Where the application runs, such as production; every session carries it.",
        ("LAYER_ENVIRONMENT",),
    ),
    Option(
        "auth_provider",
        _having("get_headers", wanted="an AuthProvider: an object with get_headers()"),
        "Gives the credentials of each request; without one, requests carry none.",
    ),
    Option(
        "http_session",
        _having("request", "mount", wanted="a requests.Session"),
        "The `requests.Session` to send with; by default one that retries.",
    ),
    Option(
        "http_timeout",
        _seconds,
        "Seconds to connect and to wait for an answer, each.",
        ("LAYER_TIMEOUT", "LAYER_HTTP_TIMEOUT"),
        DEFAULT_TIMEOUT,
    ),
    Option("platform", _text, "The operating system that sessions name; by default found out."),
    Option(
        "disable_instrumentations",
        _names,
        "Providers to leave alone.",
        ("LAYER_DISABLE_INSTRUMENTATIONS",),
        frozenset(),
        alias="disabled_instrumentors",
    ),
    Option("firewall_base_url", _url, "Where the Layer firewall answers.", ("LAYER_FIREWALL_BASE_URL",)),
    Option(
        "enable_firewall_instrumentation",
        _flag,
        "Ask the firewall before each `append_action`, and refuse to go on in a blocked session.",
        ("LAYER_ENABLE_FIREWALL_INSTRUMENTATION",),
        default=False,
    ),
    Option(
        "delivery",
        _one_of("background", "inline"),
        "How recorded sessions and actions are sent: in the background, or inline, before the recording call returns.",
        ("LAYER_DELIVERY",),
        "background",
    ),
    Option(
        "max_queue_bytes",
        _count,
        "What may wait in memory, in bytes.",
        ("LAYER_MAX_QUEUE_BYTES",),
        64 * 1024 * 1024,
    ),
    Option(
        "overflow",
        _one_of("drop_newest", "drop_oldest", "block"),
        "What gives way when that is used up: the newest record, the session that waits longest, or the caller.",
        ("LAYER_OVERFLOW",),
        "drop_newest",
    ),
    Option(
        "shutdown_timeout",
        _seconds,
        "Seconds that `shutdown` and the end of the process wait for what is left.",
        ("LAYER_SHUTDOWN_TIMEOUT",),
        5.0,
    ),
    Option(
        "spool_dir",
        _path,
        "A folder of its own for a journal of what waits, so that it outlives the process. Prompts are written there.",
        ("LAYER_SPOOL_DIR",),
    ),
    Option(
        "spool",
        _one_of("always", "spill"),
        "When to write to it: always, before a recording call returns, or spill, only while Layer is away and at the "
        "end.",
        ("LAYER_SPOOL",),
        "always",
    ),
    Option("on_drop", _callable, "Called with reason, session id and count for every loss, from any thread."),
    Option("before_send", _callable, "Called with each action; gives the one to send, or None for none."),
    Option(
        "capture_content",
        _one_of("full", "metadata"),
        "Whether texts are sent, or only their sizes and a keyed hash.",
        ("LAYER_CAPTURE_CONTENT",),
        "full",
    ),
    Option(
        "content_key",
        _key,
        "The key of that hash; by default a random one for each process.",
        ("LAYER_CONTENT_KEY",),
        secret=True,
    ),
]


@dataclass(frozen=True, eq=False)
class Settings:
    """The options of one `init`, checked. What each means stands in `OPTIONS`.

    Attributes:
        origins: Where each value came from: `argument`, `default` or the name of an environment variable.
    """

    base_url: str = field(repr=False)  # a URL may hold a password
    application_id: str | None
    application_name: str | None
    environment: str | None
    auth_provider: Any = field(repr=False)
    http_session: Any = field(repr=False)
    http_timeout: float
    platform: str | None
    disable_instrumentations: frozenset[str]
    firewall_base_url: str | None = field(repr=False)
    enable_firewall_instrumentation: bool
    delivery: str
    max_queue_bytes: int
    overflow: str
    shutdown_timeout: float
    spool_dir: Path | None
    spool: str
    on_drop: Any = field(repr=False)
    before_send: Any = field(repr=False)
    capture_content: str
    content_key: bytes | None = field(repr=False)
    origins: Mapping[str, str] = field(repr=False)

    @classmethod
    def resolve(cls, arguments: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
        """Find each option's value.

        Args:
            arguments: What the caller gave, by name; None is the same as nothing.
            environ: The environment variables.

        Raises:
            LayerInvalidConfigurationError: If a value cannot be used.
            LayerMissingRequiredConfigurationError: If a needed one was given nowhere.
        """
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for option in OPTIONS:
            values[option.name], origins[option.name] = resolve_option(option, arguments, environ)
        if origins["application_name"] == "argument" and origins["application_id"] != "argument":
            values["application_id"], origins["application_id"] = None, "default"
        _require(values, environ)
        _refuse_exposed(values)
        return cls(**values, origins=origins)


def resolve_option(option: Option, arguments: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Any, str]:
    """Find one option's value, and where it came from, as `Settings.origins` says it.

    Raises:
        LayerInvalidConfigurationError: If the value cannot be used.
    """
    given = [name for name in (option.name, option.alias) if name is not None and arguments.get(name) is not None]
    if len(given) > 1:
        raise LayerInvalidConfigurationError(f"{' and '.join(given)} are two names of one option: give one of them")
    if given:
        return _parse(option, arguments[given[0]], f"the argument {given[0]}"), "argument"
    for variable in option.variables:
        if environ.get(variable, "").strip():
            return _parse(option, environ[variable], f"the environment variable {variable}"), variable
    return option.default, "default"


def _parse(option: Option, value: Any, source: str) -> Any:
    try:
        return option.parse(value)
    except _WrongValueError as error:
        found = "something else" if option.secret else _shown(value)
        raise LayerInvalidConfigurationError(f"{option.name} {error}, but {source} is {found}") from None


def _shown(value: Any) -> str:
    """Show a value without what may be secret in it: who logs in where it is a URL, and the URL's query."""
    if not isinstance(value, str):
        return shown(value)
    text = value
    if "@" in text:
        scheme = re.match(r"[a-z]+://", text)
        text = f"{scheme[0] if scheme else ''}***@{text.rpartition('@')[2]}"
    return shown(re.sub(r"[?#].*", "?***", text, flags=re.DOTALL))


def _require(values: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    if values["base_url"] is None:
        raise _missing(["base_url"], environ)
    if values["application_id"] is None and values["application_name"] is None:
        raise _missing(["application_id", "application_name"], environ)
    if values["enable_firewall_instrumentation"] and values["firewall_base_url"] is None:
        raise _missing(["firewall_base_url"], environ)


def _refuse_exposed(values: Mapping[str, Any]) -> None:
    """Refuse credentials that everybody on the way could read; without this, each request would fail by itself."""
    provider = values["auth_provider"]
    if provider is None or getattr(provider, "allow_insecure", False):
        return
    for name in ("base_url", "firewall_base_url"):
        if values[name] is not None and is_exposed(values[name]):
            raise LayerInvalidConfigurationError(
                f"{name} is plain http, to {named(origin_of(values[name]))}, for all on the way to read credentials: "
                f"use https, or give {type(provider).__name__} allow_insecure=True"
            )


def _missing(names: list[str], environ: Mapping[str, str]) -> LayerMissingRequiredConfigurationError:
    variables = [variable for option in OPTIONS if option.name in names for variable in option.variables]
    empty = [variable for variable in variables if variable in environ]
    note = f" ({' and '.join(empty)} set, but empty)" if empty else ""
    return LayerMissingRequiredConfigurationError(
        f"{' or '.join(names)} is missing: give layer.init the argument, or set {' or '.join(variables)}{note}"
    )
