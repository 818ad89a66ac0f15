from __future__ import annotations

import platform
import sys

import pytest

from layer_sdk import __version__
from layer_sdk._platform import operating_system, session_attributes

IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
EVERYWHERE = {"source", "os", "python.runtime", "python.runtime.version"}


def test_what_every_session_says() -> None:
    """Source, system and runtime are always there, and nothing else is without being configured."""
    assert {
        "source": f"layer-python-sdk/{__version__}",
        "os": operating_system(),
        "python.runtime": platform.python_implementation(),
        "python.runtime.version": platform.python_version(),
    } == session_attributes({})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Linux", "Linux"),
        ("Darwin", "MacOS"),
        ("Windows", "Windows"),
        ("iOS", "iOS"),
        ("iPadOS", "iOS"),
        ("Android", "Android"),
        ("FreeBSD", "Other:FreeBSD"),
        ("", "Unknown"),
    ],
)
def test_operating_system_as_the_contract_spells_it(monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    """Python's names of systems become the contract's."""
    monkeypatch.setattr(platform, "system", lambda: name)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert expected == operating_system() == session_attributes({})["os"]


@pytest.mark.parametrize("machine", ["iPhone14,2", "iPad13,1"])
def test_python_before_3_13_on_ios(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    """There the system was called Darwin; the machine tells."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert "iOS" == operating_system()


def test_python_before_3_13_on_android(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the system was called Linux; a function of Android tells."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(sys, "getandroidapilevel", lambda: 21, raising=False)
    assert "Android" == operating_system()


def test_configured_system_and_environment() -> None:
    """The option `platform` replaces what was found out; the environment is written in lower case."""
    found = session_attributes({}, "My OS", "Production")
    assert ("My OS", "production") == (found["os"], found["environment"])


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        (
            {"POD_NAME": "web-1", "POD_NAMESPACE": "shop", "NODE_NAME": "node-7", "HOSTNAME": "other"},
            {
                "kubernetes_pod_name": "web-1",
                "kubernetes_pod_namespace": "shop",
                "kubernetes_node_name": "node-7",
            },
        ),
        ({"HOSTNAME": "web-2"}, {"kubernetes_pod_name": "web-2"}),
        ({"POD_NAME": "", "HOSTNAME": "web-2", "NODE_NAME": ""}, {"kubernetes_pod_name": "web-2"}),
    ],
)
def test_pod_of_kubernetes(environ: dict[str, str], expected: dict[str, str]) -> None:
    """In a pod its name, namespace and node are there as far as they are known."""
    found = session_attributes({**IN_A_POD, **environ})
    assert expected == {name: value for name, value in found.items() if name not in EVERYWHERE}


@pytest.mark.parametrize("host", [{}, {"KUBERNETES_SERVICE_HOST": ""}])
def test_outside_of_kubernetes(host: dict[str, str]) -> None:
    """Without KUBERNETES_SERVICE_HOST those variables mean something else and stay out."""
    environ = {"POD_NAME": "web-1", "POD_NAMESPACE": "shop", "NODE_NAME": "node-7", "HOSTNAME": "laptop", **host}
    assert EVERYWHERE == set(session_attributes(environ))
