from __future__ import annotations

from typing import Callable

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from layer_sdk._retry import MAX_RETRY_AFTER, STATUSES, RetryPolicy, default_session
from scripted_server import Answer, ScriptedServer

Scripted = Callable[..., ScriptedServer]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note how long the policy would have slept instead of sleeping."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_policy_is_the_one_that_the_brief_promises() -> None:
    """Total, statuses, backoff, methods and pools are the brief's."""
    adapter = default_session().get_adapter("https://layer.example.com")
    assert isinstance(adapter, HTTPAdapter)
    policy = adapter.max_retries
    assert (3, {408, 425, 502, 503, 504}, 0.5, None) == (
        policy.total,
        set(policy.status_forcelist or ()),
        policy.backoff_factor,
        policy.allowed_methods,
    )
    assert (False, False, True) == (policy.raise_on_redirect, policy.raise_on_status, policy.respect_retry_after_header)
    assert (3, 10) == (adapter._pool_connections, adapter._pool_maxsize)  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_transient_status_is_retried_three_times(scripted: Scripted, quick: list[float], status: int) -> None:
    """A POST answered with such a status is sent four times, then the last answer is given."""
    server = scripted(Answer(status))
    response = default_session().post(server.url, data=b"x", timeout=5)
    assert (status, 4) == (response.status_code, len(server.asked))
    assert [1.0, 2.0] == [seconds for seconds in quick if seconds]


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 501])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "1"}])
def test_other_status_is_not_retried(
    scripted: Scripted, quick: list[float], status: int, headers: dict[str, str]
) -> None:
    """No other status is sent twice, not even with a Retry-After."""
    server = scripted(Answer(status, b"", headers))
    assert status == default_session().post(server.url, data=b"x", timeout=5).status_code
    assert (1, []) == (len(server.asked), quick)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("3", 3.0), ("86400", MAX_RETRY_AFTER), ("1e12", None), ("soon", None), ("9" * 400, MAX_RETRY_AFTER)],
)
def test_retry_after_is_honoured_up_to_a_ceiling(header: str, expected: float | None) -> None:
    """A wish that makes sense is followed, a huge one is cut, garbage is ignored."""
    answer = HTTPResponse(status=503, headers={"Retry-After": header})
    assert expected == RetryPolicy(total=3).get_retry_after(answer)


def test_retry_after_is_slept(scripted: Scripted, quick: list[float]) -> None:
    """The server's wish replaces the backoff."""
    server = scripted(Answer(503, b"", {"Retry-After": "2"}), Answer(201))
    assert 201 == default_session().post(server.url, data=b"x", timeout=5).status_code
    assert [2] == quick


def test_timeout_is_not_retried(scripted: Scripted, quick: list[float]) -> None:
    """A server that does not answer in time is asked once: it may have done what it was asked."""
    server = scripted(Answer(delay=30))
    with pytest.raises(requests.ReadTimeout):
        default_session().post(server.url, data=b"x", timeout=0.2)
    assert (1, []) == (len(server.asked), quick)


def test_broken_connection_is_not_retried(scripted: Scripted, quick: list[float]) -> None:
    """A request that was on its way when the connection broke is not sent again by the session."""
    server = scripted(Answer(cut=True))
    with pytest.raises(requests.ConnectionError):
        default_session().post(server.url, data=b"x", timeout=5)
    assert (1, []) == (len(server.asked), quick)


def test_refused_connection_is_retried(quick: list[float]) -> None:
    """Where nothing was sent yet, the same backoff applies."""
    with pytest.raises(requests.ConnectionError):
        default_session().post("http://127.0.0.1:1/", data=b"x", timeout=5)
    assert [1.0, 2.0] == [seconds for seconds in quick if seconds]
