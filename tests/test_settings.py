from __future__ import annotations

import dataclasses
import inspect
import math
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from layer_sdk import Layer, LayerInvalidConfigurationError, LayerMissingRequiredConfigurationError
from layer_sdk._settings import OPTIONS, Option, Settings
from layer_sdk._timeouts import DEFAULT_TIMEOUT
from layer_sdk.auth import AuthProvider

URL = "https://layer.example.com"
NEEDED = {"base_url": URL, "application_id": "app"}
BY_NAME = {option.name: option for option in OPTIONS}


class Provider(AuthProvider):
    def get_headers(self) -> dict[str, str]:
        """Give none."""
        return {}


def resolve(environ: dict[str, str] | None = None, **arguments: Any) -> Settings:
    return Settings.resolve({**NEEDED, **arguments}, environ or {})


# ---- the table


def test_init_has_the_options_of_the_table() -> None:
    """The arguments of `Layer.init` are the options and their aliases, all by keyword and all None by default."""
    parameters = [each for name, each in inspect.signature(Layer.init).parameters.items() if name != "self"]
    expected = [name for option in OPTIONS for name in (option.name, option.alias) if name is not None]
    assert sorted(expected) == sorted(each.name for each in parameters)
    assert {(inspect.Parameter.KEYWORD_ONLY, None)} == {(each.kind, each.default) for each in parameters}


def test_init_documents_every_option() -> None:
    """The docstring of `Layer.init` has a line for each option and alias."""
    lines = {line.strip().partition(":")[0] for line in (Layer.init.__doc__ or "").splitlines()}
    assert set() == {option.name for option in OPTIONS} - lines
    assert set() == {option.alias for option in OPTIONS if option.alias} - lines


def test_settings_have_the_options_of_the_table() -> None:
    """A resolved value has a field for each option, in order, and one for where they came from."""
    assert [*BY_NAME, "origins"] == [field.name for field in dataclasses.fields(Settings)]


@pytest.mark.parametrize("option", OPTIONS, ids=list(BY_NAME))
def test_option_says_what_it_means(option: Option) -> None:
    """Each option has a sentence, and its variables start with LAYER_."""
    assert option.doc.endswith(".")
    assert all(variable.startswith("LAYER_") for variable in option.variables)


def test_variables_that_the_product_brief_names() -> None:
    """The variables of the product brief are those of the table."""
    assert ("LAYER_BASE_URL",) == BY_NAME["base_url"].variables
    assert ("LAYER_APPLICATION_ID",) == BY_NAME["application_id"].variables
    assert ("LAYER_APPLICATION_NAME",) == BY_NAME["application_name"].variables
    assert ("LAYER_ENVIRONMENT",) == BY_NAME["environment"].variables
    assert ("LAYER_TIMEOUT", "LAYER_HTTP_TIMEOUT") == BY_NAME["http_timeout"].variables


# ---- where a value comes from


def test_defaults() -> None:
    """What is given nowhere has its default."""
    found = resolve()
    assert (DEFAULT_TIMEOUT, 10.0) == (found.http_timeout, found.http_timeout)
    assert (None, None, None, None, None) == (
        found.application_name,
        found.environment,
        found.auth_provider,
        found.http_session,
        found.platform,
    )
    assert (frozenset(), None, False) == (
        found.disable_instrumentations,
        found.firewall_base_url,
        found.enable_firewall_instrumentation,
    )


SOURCES: list[tuple[str, str, Any, Any, Any]] = [
    # variable, its value, what it means; the argument, what it means
    ("LAYER_BASE_URL", "https://env.example.com", "https://env.example.com", URL, URL),
    ("LAYER_APPLICATION_ID", "from-env", "from-env", "given", "given"),
    ("LAYER_APPLICATION_NAME", "from env", "from env", "given", "given"),
    ("LAYER_ENVIRONMENT", "Staging", "Staging", "production", "production"),
    ("LAYER_TIMEOUT", "2.5", 2.5, 3, 3.0),
    ("LAYER_HTTP_TIMEOUT", "2.5", 2.5, "4", 4.0),
    ("LAYER_DISABLE_INSTRUMENTATIONS", "OpenAI, other,", {"openai", "other"}, ["Third"], {"third"}),
    ("LAYER_FIREWALL_BASE_URL", "https://fw.example.com", "https://fw.example.com", URL, URL),
    ("LAYER_ENABLE_FIREWALL_INSTRUMENTATION", "on", True, False, False),
    ("LAYER_DELIVERY", "Inline", "inline", "background", "background"),
    ("LAYER_MAX_QUEUE_BYTES", "1000", 1000, 2000, 2000),
    ("LAYER_OVERFLOW", "block", "block", "drop_oldest", "drop_oldest"),
    ("LAYER_SHUTDOWN_TIMEOUT", "2", 2.0, 1.5, 1.5),
    ("LAYER_SPOOL_DIR", "/tmp/a", Path("/tmp/a"), "/tmp/b", Path("/tmp/b")),  # noqa: S108  (nothing is put there)
    ("LAYER_SPOOL", "spill", "spill", "always", "always"),
    ("LAYER_CAPTURE_CONTENT", "metadata", "metadata", "full", "full"),
    ("LAYER_CONTENT_KEY", "secret", b"secret", b"other", b"other"),
]


@pytest.mark.parametrize(("variable", "text", "from_variable", "argument", "from_argument"), SOURCES)
def test_argument_then_environment_then_default(
    variable: str, text: str, from_variable: Any, argument: Any, from_argument: Any
) -> None:
    """The argument wins over the variable, the variable over the default, and the origin is remembered."""
    name = next(option.name for option in OPTIONS if variable in option.variables)
    arguments: dict[str, Any] = {**NEEDED, "firewall_base_url": URL, name: None}
    if variable == "LAYER_FIREWALL_BASE_URL":
        del arguments["firewall_base_url"]
    found = Settings.resolve(arguments, {variable: text})
    assert (from_variable, variable) == (getattr(found, name), found.origins[name])
    found = Settings.resolve({**arguments, name: argument}, {variable: text})
    assert (from_argument, "argument") == (getattr(found, name), found.origins[name])
    if name not in NEEDED:
        found = Settings.resolve(arguments, {variable: "  "})
        assert (BY_NAME[name].default, "default") == (getattr(found, name), found.origins[name])


def test_every_variable_is_tested() -> None:
    """A variable that is added to the table is added to the test above, too."""
    assert {variable for option in OPTIONS for variable in option.variables} == {variable for variable, *_ in SOURCES}


def test_shorter_timeout_variable_wins() -> None:
    """Of the two variables of the timeout, LAYER_TIMEOUT comes first; a blank one counts as not set."""
    assert 1.0 == resolve({"LAYER_TIMEOUT": "1", "LAYER_HTTP_TIMEOUT": "2"}).http_timeout
    assert 2.0 == resolve({"LAYER_TIMEOUT": " ", "LAYER_HTTP_TIMEOUT": "2"}).http_timeout


def test_environment_is_read_at_init(monkeypatch: pytest.MonkeyPatch) -> None:
    """`Layer.init` without arguments takes what the environment says at that moment."""
    monkeypatch.setenv("LAYER_BASE_URL", URL)
    monkeypatch.setenv("LAYER_APPLICATION_ID", "from-the-environment")
    mine = Layer()
    mine.init()
    assert "<Layer: application from-the-environment>" == repr(mine)
    mine.shutdown()


def test_objects_are_taken_as_they_are() -> None:
    """Provider and session are the caller's own objects."""
    provider, session = Provider(), requests.Session()
    found = resolve(auth_provider=provider, http_session=session)
    assert found.auth_provider is provider
    assert found.http_session is session


def test_settings_are_frozen() -> None:
    """What was resolved cannot be changed."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        resolve().http_timeout = 1  # type: ignore[misc]


# ---- the application


APPLICATION: list[tuple[dict[str, str], dict[str, str], tuple[str | None, str | None]]] = [
    # arguments, environment; id, name
    ({"id": "a"}, {}, ("a", None)),
    ({"name": "n"}, {}, (None, "n")),
    ({"id": "a", "name": "n"}, {}, ("a", "n")),
    ({}, {"ID": "a", "NAME": "n"}, ("a", "n")),
    ({"id": "a"}, {"NAME": "n"}, ("a", "n")),
    ({"name": "n"}, {"ID": "a"}, (None, "n")),
    ({"name": "n"}, {"ID": "a", "NAME": "m"}, (None, "n")),
    ({"id": "a", "name": "n"}, {"ID": "b"}, ("a", "n")),
]


@pytest.mark.parametrize(("arguments", "environ", "expected"), APPLICATION)
def test_application_by_id_or_name(
    arguments: dict[str, str], environ: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    """Either will do; a name given as an argument is not overruled by an id of the environment."""
    found = Settings.resolve(
        {"base_url": URL, **{f"application_{name}": value for name, value in arguments.items()}},
        {f"LAYER_APPLICATION_{name}": value for name, value in environ.items()},
    )
    assert expected == (found.application_id, found.application_name)


def test_application_id_as_uuid() -> None:
    """A UUID is taken as its text."""
    number = uuid.uuid4()
    assert str(number) == resolve(application_id=number).application_id


# ---- what is missing


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        ({"base_url": None}, {}, "base_url is missing: give layer.init the argument, or set LAYER_BASE_URL"),
        (
            {"application_id": None},
            {},
            "application_id or application_name is missing: give layer.init the argument, or set LAYER_",
        ),
        (
            {"application_id": None},
            {"LAYER_APPLICATION_ID": " "},
            "or set LAYER_APPLICATION_ID or LAYER_APPLICATION_NAME (LAYER_APPLICATION_ID set, but empty)",
        ),
        (
            {"enable_firewall_instrumentation": True},
            {},
            "firewall_base_url is missing: give layer.init the argument, or set LAYER_FIREWALL_BASE_URL",
        ),
    ],
)
def test_missing_option_names_both_ways(arguments: dict[str, Any], environ: dict[str, str], words: str) -> None:
    """The error says which argument to give or which variable to set, and which one is set but empty."""
    with pytest.raises(LayerMissingRequiredConfigurationError) as caught:
        resolve(environ, **arguments)
    assert words in str(caught.value)


# ---- what is forgiven


@pytest.mark.parametrize("name", ["base_url", "firewall_base_url"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{URL}/", URL),
        (f"{URL}///", URL),
        (f"  {URL}\n", URL),
        (f'"{URL}"', URL),
        (f" '{URL}/' ", URL),
        (f'" {URL} "', URL),
        (f"{URL}/layer/", f"{URL}/layer"),
        ("HTTP://127.0.0.1:8000/", "HTTP://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://user:password@layer.example.com", "https://user:password@layer.example.com"),
    ],
)
def test_what_is_forgiven_in_a_url(name: str, text: str, expected: str) -> None:
    """A trailing slash, blanks and quotes around a URL are taken away, wherever it comes from."""
    arguments: dict[str, Any] = {name: text}
    assert expected == getattr(resolve(**arguments), name)
    variable = BY_NAME[name].variables[0]
    assert expected == getattr(resolve({variable: text}, **{name: None}), name)


def test_what_is_forgiven_in_a_text() -> None:
    """Blanks and quotes around an id, a name or an environment are taken away."""
    found = resolve(application_id=" 'app' ", application_name="\tn\n", environment='"prod"', platform=" p ")
    assert ("app", "n", "prod", "p") == (
        found.application_id,
        found.application_name,
        found.environment,
        found.platform,
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], set()),
        ("", set()),
        ("openai", {"openai"}),
        (" OpenAI ,, anthropic", {"openai", "anthropic"}),
        (("OpenAI", "'anthropic'"), {"openai", "anthropic"}),
        ({"openai"}, {"openai"}),
    ],
)
@pytest.mark.parametrize("argument", ["disable_instrumentations", "disabled_instrumentors"])
def test_instrumentations_to_leave_alone(argument: str, value: Any, expected: set[str]) -> None:
    """Any list of names, or names with commas between, under either name of the option; case does not count."""
    found = resolve({"LAYER_DISABLE_INSTRUMENTATIONS": "other"}, **{argument: value})
    assert expected == set(found.disable_instrumentations)
    assert "argument" == found.origins["disable_instrumentations"]


def test_two_names_of_one_option() -> None:
    """Both names at once are an error: one of the two lists would be lost in silence."""
    with pytest.raises(LayerInvalidConfigurationError, match="disable_instrumentations and disabled_instrumentors are"):
        resolve(disable_instrumentations=["openai"], disabled_instrumentors=["other"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(value, True) for value in (True, 1, "1", "true", "TRUE", " yes ", "on")],
        *[(value, False) for value in (False, 0, "0", "false", "No", "off")],
    ],
)
def test_flag(value: Any, expected: bool) -> None:  # noqa: FBT001  (what is expected of the flag)
    """A flag may be a bool or one of the usual words."""
    found = resolve(firewall_base_url=URL, enable_firewall_instrumentation=value)
    assert expected is found.enable_firewall_instrumentation


# ---- what is wrong

WRONG: list[tuple[str, Any, str, str]] = [
    # option, value, what is wanted, how the value is shown
    ("http_timeout", "ten", "must be a number of seconds above 0", "'ten'"),
    ("http_timeout", 0, "must be a number of seconds above 0", "0"),
    ("http_timeout", -1.5, "must be a number of seconds above 0", "-1.5"),
    ("http_timeout", math.nan, "must be a number of seconds above 0", "nan"),
    ("http_timeout", math.inf, "must be a number of seconds above 0", "inf"),
    ("http_timeout", 1e9, "and up to 2000000, such as 10 or 2.5", "1000000000.0"),
    ("http_timeout", 10**5000, "must be a number of seconds above 0", "of type int"),
    ("http_timeout", True, "must be a number of seconds above 0", "True"),
    ("http_timeout", (3, 10), "must be a number of seconds above 0", "of type tuple"),
    ("base_url", "layer.example.com", "must be a URL with scheme and host", "'layer.example.com'"),
    ("base_url", "ftp://layer.example.com", "must be a URL with scheme and host", "'ftp://layer.example.com'"),
    ("base_url", "https://", "must be a URL with scheme and host", "'https://'"),
    ("base_url", "https://:8000", "must be a URL with scheme and host", "'https://:8000'"),
    ("base_url", "http:/layer.example.com", "must be a URL with scheme and host", "'http:/layer.example.com'"),
    ("base_url", "https://host:port", "must be a URL with scheme and host", "'https://host:port'"),
    ("base_url", "https://host:0", "must be a URL with scheme and host", "'https://host:0'"),
    ("base_url", "https://host:99999", "must be a URL with scheme and host", "'https://host:99999'"),
    ("base_url", "https://[::1", "must be a URL with scheme and host", "'https://[::1'"),
    ("base_url", "https://layer example.com", "without blanks inside", "'https://layer example.com'"),
    ("base_url", "https://layer.exam\nple.com", "without blanks inside", "'https://layer.exam\\nple.com'"),
    ("base_url", f"{URL}/?key=secret", "without query or fragment", f"'{URL}/?***'"),
    ("base_url", f"{URL}/#", "without query or fragment", f"'{URL}/?***'"),
    ("base_url", b"https://x", "must be text", "of type bytes"),
    ("base_url", "", "must not be empty", "''"),
    ("base_url", " '' ", "must not be empty", "\" '' \""),
    ("firewall_base_url", "firewall", "must be a URL with scheme and host", "'firewall'"),
    ("application_id", "", "must not be empty", "''"),
    ("application_id", "  ", "must not be empty", "'  '"),
    ("application_id", 7, "must be text", "7"),
    ("application_id", "\udcff", "must be text that UTF-8 can write", "'\\udcff'"),
    ("application_name", [], "must be text", "of type list"),
    ("environment", "", "must not be empty", "''"),
    ("platform", object(), "must be text", "of type object"),
    ("auth_provider", Provider, "must be an AuthProvider: an object with get_headers()", "of type ABCMeta"),
    ("auth_provider", "token", "must be an AuthProvider: an object with get_headers()", "'token'"),
    ("http_session", requests, "must be a requests.Session", "of type module"),
    ("http_session", requests.Session, "must be a requests.Session", "of type type"),
    ("disable_instrumentations", 5, "must be a list of names, such as ['openai']", "5"),
    ("disable_instrumentations", ["openai", 5], "must be text", "of type list"),
    ("enable_firewall_instrumentation", "maybe", "must be true or false", "'maybe'"),
    ("enable_firewall_instrumentation", 2, "must be true or false", "2"),
]
IN_THE_ENVIRONMENT = [
    (name, value, wanted, shown)
    for name, value, wanted, shown in WRONG
    if isinstance(value, str) and value.strip() and BY_NAME[name].variables
]


@pytest.mark.parametrize(
    ("name", "value", "wanted", "shown"), WRONG, ids=[f"{name} {shown}" for name, _, _, shown in WRONG]
)
def test_wrong_argument(name: str, value: Any, wanted: str, shown: str) -> None:
    """A wrong value is an error that names the option, the argument and what is wanted."""
    with pytest.raises(LayerInvalidConfigurationError) as caught:
        resolve(**{name: value})
    assert str(caught.value).startswith(f"{name} must ")
    assert wanted in str(caught.value)
    assert str(caught.value).endswith(f", but the argument {name} is {shown}")
    str(caught.value).encode()


@pytest.mark.parametrize(("name", "value", "wanted", "shown"), IN_THE_ENVIRONMENT)
def test_wrong_variable(name: str, value: str, wanted: str, shown: str) -> None:
    """A wrong value in the environment is an error that names the option, the variable and what is wanted."""
    for variable in BY_NAME[name].variables:
        with pytest.raises(LayerInvalidConfigurationError) as caught:
            resolve({variable: value}, **{name: None})
        assert str(caught.value).startswith(name)
        assert wanted in str(caught.value)
        assert str(caught.value).endswith(f", but the environment variable {variable} is {shown}")


def test_alias_is_named_as_it_was_given() -> None:
    """The error names the argument that the caller wrote."""
    with pytest.raises(LayerInvalidConfigurationError, match="but the argument disabled_instrumentors is 5"):
        resolve(disabled_instrumentors=5)


def test_long_value_is_cut() -> None:
    """An error stays readable."""
    with pytest.raises(LayerInvalidConfigurationError) as caught:
        resolve(base_url="x" * 100_000)
    assert len(str(caught.value)) < 400


# ---- secrets


def chain(error: BaseException | None) -> str:
    """Give the text of an error and of all that led to it."""
    words = []
    while error is not None:
        words += [str(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(words)


SECRET = "S3CR3T"
FORMS = [
    "https://user:{}@host:port",
    "https://user:{}@host:99999999",
    "https://user:{}@[::1",
    "ftp://user:{}@host",
    "user:{}@host",
    "//user:{}@host",
    "https://user:{}@",
    "https://user:{}@host?q=1",
    "https://user:{}@host/#x",
    "https://user:{}@ho st",
    "https:/user:{}@host",
]
AROUND = st.text(st.sampled_from("ab:/?#@ %\"'[]\\\n\ud800é"), max_size=6)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(FORMS), AROUND, AROUND)
@example("https://user:{}@host:port", "x" * 300, "/")
@example("https://user:{}@host?q", "", "y" * 300)
@example("user:{}@host", "", "://")
def test_no_password_in_an_error(form: str, before: str, after: str) -> None:
    """However wrong a URL is, neither the error nor what led to it shows the password inside."""
    url = form.format(before + SECRET + after)
    for arguments, environ in (({"base_url": url}, {}), ({"base_url": None}, {"LAYER_BASE_URL": url})):
        try:
            shown = repr(resolve(environ, **arguments))  # the characters around it may make it right
        except LayerInvalidConfigurationError as error:
            shown = chain(error)
        assert SECRET not in shown


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if "key" in option.name], ids=lambda option: option.name
)
def test_no_key_in_an_error(option: Option) -> None:
    """A key that cannot be used is not shown, wherever it comes from."""
    for value in (f"{SECRET}\udcff", [SECRET], 53):
        arguments: dict[str, Any] = {option.name: value}
        with pytest.raises(LayerInvalidConfigurationError, match=f"{option.name} must be .*argument") as caught:
            resolve(**arguments)
        assert [] == [secret for secret in (SECRET, "53") if secret in chain(caught.value)]
    with pytest.raises(LayerInvalidConfigurationError, match=f"{option.name} must be .*variable") as caught:
        resolve({option.variables[0]: f"{SECRET}\udcff"})
    assert SECRET not in chain(caught.value)


def test_no_password_in_a_repr() -> None:
    """Settings show neither a URL nor the caller's objects."""
    url = f"https://user:{SECRET}@host"
    found = resolve(base_url=url, firewall_base_url=url, http_session=requests.Session(), auth_provider=Provider())
    assert (url, url) == (found.base_url, found.firewall_base_url)
    assert SECRET not in repr(found)
    assert "Session" not in repr(found)
