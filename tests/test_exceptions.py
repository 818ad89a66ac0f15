from __future__ import annotations

import copy
import inspect
import pickle
import re
from http import HTTPStatus
from typing import Any, Callable

import pytest

import layer_sdk
from layer_sdk import (
    LayerAuthError,
    LayerHTTPError,
    LayerInvalidConfigurationError,
    LayerRequestError,
    LayerSDKException,
    exceptions,
)

CLASSES: dict[str, type[LayerSDKException]] = {
    name: kind
    for name, kind in vars(exceptions).items()
    if inspect.isclass(kind) and issubclass(kind, LayerSDKException)
}


def drawn(docstring: str) -> dict[str, set[str]]:
    """Read the tree out of a docstring: the bases of each class, by name."""
    bases: dict[str, set[str]] = {}
    above: list[str] = []
    for line in docstring.splitlines():
        found = re.match(r"    ((?:[│ ]   )*)(?:[├└]── )?(Layer\w+)(.*)", line)
        if found:
            depth = len(found[1]) // 4 + ("── " in line)
            above[depth:] = [found[2]]
            also = re.findall(r"\(also an? (\w+)\)", found[3])
            bases[found[2]] = {*above[depth - 1 : depth], *also}
    return bases


def real() -> dict[str, set[str]]:
    return {name: {base.__name__ for base in kind.__bases__} - {"Exception"} for name, kind in CLASSES.items()}


def make(kind: type[LayerSDKException]) -> LayerSDKException:
    if issubclass(kind, LayerHTTPError):
        return kind("create session: no", HTTPStatus.NOT_FOUND, '{"detail": "no"}', "r-1")
    return kind("what happened")


def test_drawing_is_the_tree() -> None:
    """The tree in the docstring names every class and all its bases."""
    assert real() == drawn(exceptions.__doc__ or "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LayerAuthError  ", "LayerAuthFailure"),
        ("    ├── LayerRequestPreparationError             the data cannot be put into JSON\n", ""),
        (" (also a LayerAuthError)", ""),
        ("│   └── LayerFirewallRequestError", "├── LayerFirewallRequestError    "),
    ],
)
def test_wrong_drawing_is_noticed(old: str, new: str) -> None:
    """A renamed, forgotten or misplaced class makes the comparison fail."""
    docstring = exceptions.__doc__ or ""
    assert old in docstring
    assert real() != drawn(docstring.replace(old, new))


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_documented_and_exported(name: str) -> None:
    """Every exception class says when it is raised and can be imported from the package."""
    assert CLASSES[name].__doc__
    assert CLASSES[name] is getattr(layer_sdk, name)
    assert name in layer_sdk.__all__


def pickled(protocol: int) -> Callable[[Any], Any]:
    return lambda error: pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  (our own pickle)


DUPLICATES = [copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))]


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("name", CLASSES)
def test_error_survives_copy_and_pickle(name: str, duplicate: Callable[[Any], Any]) -> None:
    """A copy has the class, the text and every attribute, also those that somebody added."""
    error = make(CLASSES[name])
    error.note = "added"  # type: ignore[attr-defined]
    twin = duplicate(error)
    assert (type(error), str(error), repr(error), error.args) == (type(twin), str(twin), repr(twin), twin.args)
    assert vars(error) == vars(twin)


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_http_error_made_by_keywords_survives(duplicate: Callable[[Any], Any]) -> None:
    """How an error was constructed makes no difference to its copies."""
    error = LayerHTTPError(message="no", status_code=404, response_data="{}", request_id=None)
    assert vars(error) == vars(duplicate(error))


@pytest.mark.parametrize("name", [name for name, kind in CLASSES.items() if issubclass(kind, LayerHTTPError)])
def test_http_error_says_what_the_server_said(name: str) -> None:
    """The four attributes are there, and the text is a sentence with status and request id."""
    error: Any = make(CLASSES[name])
    assert ("create session: no", 404, '{"detail": "no"}', "r-1") == (
        error.message,
        error.status_code,
        error.response_data,
        error.request_id,
    )
    assert "HTTP 404: create session: no (request id r-1)" == str(error)


@pytest.mark.parametrize("status", [520, HTTPStatus.BAD_GATEWAY])
def test_text_without_request_id(status: int) -> None:
    """Without a request id none is shown; a status that Python does not know is shown as a number."""
    assert f"HTTP {int(status)}: x" == str(LayerHTTPError("x", status, ""))


def test_invalid_configuration_is_a_value_error() -> None:
    """Who expects a ValueError of a wrong value gets one."""
    assert issubclass(LayerInvalidConfigurationError, ValueError)
    assert not issubclass(LayerAuthError, LayerRequestError)


@pytest.mark.parametrize("name", layer_sdk.__all__)
def test_exported_name_is_there(name: str) -> None:
    """Everything that `__all__` promises can be imported, and `dir` lists it."""
    assert getattr(layer_sdk, name) is not None
    assert name in dir(layer_sdk)


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not exported is missing in the ordinary way."""
    with pytest.raises(AttributeError, match="has no attribute 'Bogus'"):
        _ = layer_sdk.Bogus
