"""Sends requests over a `requests.Session`, so that everything its owner set up on it keeps working."""

from __future__ import annotations

import contextvars
import netrc  # noqa: F401  (requests imports it in its first request: a child forked meanwhile would wait for ever)
from functools import partial
from typing import Any, Callable, TypeVar

import requests
from requests import exceptions as failed
from urllib3 import exceptions as urllib3_failed

from . import _fork, _pools
from ._deadline import capped
from ._origins import named, origin_of
from ._retry import once
from ._shortcut import Answer, Asking, Seconds, Shortcut
from ._suppression import suppressed
from .exceptions import LayerAuthError

T = TypeVar("T")

_dispatch_hook: Any = requests.hooks.dispatch_hook
_keep_cookies: Any = requests.cookies.extract_cookies_to_jar

# Marks a request whose headers hold credentials of a provider.
CONFINED = "layer_sdk.confined"


class NoAnswerError(Exception):
    """There is no answer; the cause, an exception of requests or of what is below it, says why."""


class Sender:
    """Sends over a `requests.Session`.

    Adapters, retries, proxies, TLS settings, hooks, headers, cookies and auth of the session work as they do in
    requests. Redirects are followed by requests alone; one that would turn a POST into a GET is handed back as it is.

    Args:
        session: The session to send with. It is used from many threads at once.
        is_retried: Whether the session's adapters may retry; else each request is sent once.
    """

    def __init__(self, session: requests.Session, *, is_retried: bool = True) -> None:
        self._session = session
        self._is_retried = is_retried
        self._shortcut = Shortcut(session, is_retried=is_retried)
        _fork.watch(self)

    def after_fork(self) -> None:
        """Leave the parent's connections alone, and what its threads had locked."""
        _pools.renew(self._session)

    def exchange(self, asking: Asking) -> Answer:
        """Send a request and read its whole answer.

        Raises:
            NoAnswerError: If there is none.
        """
        _fork.check()
        seconds = (capped(asking.timeout[0]), capped(asking.timeout[1]))
        try:
            with suppressed():
                answer = self._shortcut.send(asking, seconds)
                if answer is not None and not answer.is_redirect:
                    return answer
                response = _before_method_change(self._answered(answer, asking, seconds), asking.method)
                return Answer(response.status_code, response.headers, response.content, response.reason or "")
        except (failed.RequestException, urllib3_failed.HTTPError, OSError, ValueError) as error:
            raise NoAnswerError(str(error)) from error

    def _answered(self, redirect: Answer | None, asking: Asking, timeout: Seconds) -> requests.Response:
        try:
            return self._send(asking, timeout) if redirect is None else self._follow(redirect, asking, timeout)
        except failed.HTTPError as error:
            # A hook that calls raise_for_status() got an answer; what it means is for the caller to say.
            if error.response is None:
                raise
            return error.response

    def _follow(self, answer: Answer, asking: Asking, timeout: Seconds) -> requests.Response:
        """Let requests go where a redirect points, as it does after a first answer of its own."""
        session = self._session if self._is_retried else once(self._session)
        hooks = _confining(session) if asking.extensions.get(CONFINED) else None
        request = requests.Request(asking.method, asking.url, asking.headers, data=asking.body, hooks=hooks, auth=_keep)
        prepared = session.prepare_request(request)
        adapter: Any = session.get_adapter(asking.url)
        response: Any = adapter.build_response(prepared, answer.raw)
        settings: Any = {"timeout": timeout, **session.merge_environment_settings(asking.url, {}, None, None, None)}
        response = _dispatch_hook("response", prepared.hooks, response, **settings)
        _keep_cookies(session.cookies, prepared, answer.raw)
        steps: list[requests.Response] = [response, *session.resolve_redirects(response, prepared, **settings)]
        steps[-1].history = steps[:-1]
        return steps[-1]

    def _send(self, asking: Asking, timeout: Seconds) -> requests.Response:
        keeps_own = self._session.auth is None and any(name.lower() == "authorization" for name in asking.headers)
        session = self._session if self._is_retried else once(self._session)
        return session.request(
            asking.method,
            asking.url,
            headers=asking.headers,
            data=asking.body,
            timeout=timeout,
            allow_redirects=True,
            auth=_keep if keeps_own else None,
            hooks=_confining(session) if asking.extensions.get(CONFINED) else None,
        )


def _keep(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would put credentials out of a netrc file over the ones that the request has."""
    return prepared


def _confining(session: requests.Session) -> dict[str, list[Callable[..., Any]]]:
    """Make hooks that stop a redirect to another origin, before those that the session has.

    On such a redirect, requests takes the `Authorization` header away and leaves all others. Without credentials the
    request would be of no use there, and its body is nobody else's either.
    """

    def stop(response: requests.Response, **_: Any) -> None:
        following = next(session.resolve_redirects(response, response.request, yield_requests=True), None)
        here, there = origin_of(str(response.url)), origin_of(str(getattr(following, "url", response.url)))
        if here != there:
            raise LayerAuthError(
                f"{named(here)} redirected with status {response.status_code} to {named(there)}, where the credentials "
                "must not go: configure the address that answers"
            )

    own = session.hooks.get("response") or []
    return {"response": [stop, *([own] if callable(own) else own)]}


def _before_method_change(response: requests.Response, method: str) -> requests.Response:
    """Give the last answer to the method that was asked for: a GET's success does not stand for a POST's."""
    steps = [*response.history, response]
    for step, follower in zip(steps, steps[1:]):
        if follower.request.method != method:
            return step
    return response


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking function in a thread, with the caller's context variables (asyncio.to_thread is Python 3.9's)."""
    import asyncio  # which is there where this is awaited, and takes 20 ms where it is not

    call = partial(contextvars.copy_context().run, function, *arguments)
    return await asyncio.get_running_loop().run_in_executor(None, call)
