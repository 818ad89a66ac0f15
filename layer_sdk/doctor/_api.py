"""Whether the Layer API answers, and what answers in its place."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, Mapping
from urllib.parse import urljoin, urlsplit

import requests

from layer_sdk._origins import is_exposed, without_login
from layer_sdk._secrets import Secret
from layer_sdk._suppression import suppressed
from layer_sdk._wire import HEADERS, answer_words

from ._report import Verdict, failure, ok, warning
from ._route import route_to
from ._subject import Answered, Subject, Target
from ._tls import speaks_tls

PATH = "/v1/applications"
MAX_BODY = 8 * 1024 * 1024


def judge(subject: Subject, target: Target) -> Verdict:
    """Ask for the applications, which changes nothing, and look at whatever answers."""
    if (
        subject.provider is not None
        and is_exposed(target.url)
        and not getattr(subject.provider, "allow_insecure", False)
    ):
        return failure(
            f"credentials are not sent to {target.shown}, which is plain http",
            f"write https:// in {target.setting}, or give the provider allow_insecure=True",
        )
    try:
        answer = ask(subject, target.url + PATH, subject.learned.credentials.reveal())
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        return _unanswered(subject, target, error)
    subject.learned.answer = answer
    if 300 <= answer.status < 400:
        return _redirected(target, answer)
    if is_page(answer):
        return _page(target, answer)
    if answer.status in (401, 403, 404, 407):
        judges = {401: _unknown, 403: _forbidden, 404: _nowhere, 407: _unknown_to_proxy}
        return judges[answer.status](subject, target, answer)
    if not 200 <= answer.status < 300:
        return failure(f"{target.shown} answered {_said(answer)}", "ask who runs the server, and try again later")
    return _listed(subject, target, answer)


def ask(subject: Subject, url: str, headers: Mapping[str, str]) -> Answered:
    """Send a GET and follow no redirect.

    Raises:
        requests.exceptions.RequestException: If there is no answer.
    """
    began = time.time()
    with suppressed():
        response = subject.session.request(
            "GET",
            url,
            headers={**HEADERS, **headers},
            timeout=subject.seconds,
            allow_redirects=False,
            stream=True,
            auth=_keep if headers else None,
        )
        answered = (began + time.time()) / 2
        with response:
            body = b""
            for piece in response.iter_content(65_536):
                body += piece
                if len(body) > MAX_BODY:
                    break
    return Answered(response.status_code, response.headers, body, _ahead(response.headers, answered))


def is_page(answer: Answered) -> bool:
    """Tell whether it is for people to look at."""
    return "html" in answer.headers.get("Content-Type", "").lower() or answer.body.lstrip()[:1] == b"<"


def _keep(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would put credentials out of a netrc file over the ones that the request has."""
    return prepared


def _ahead(headers: Mapping[str, str], now: float) -> float | None:
    try:
        then = parsedate_to_datetime(headers["Date"]).timestamp()
        return now - then - float(headers.get("Age") or 0)
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _unanswered(subject: Subject, target: Target, error: Exception) -> Verdict:
    route = route_to(subject, target)
    if isinstance(error, requests.exceptions.ProxyError):
        return failure(
            f"{route.near_shown} does not lead to {target.shown}: {_reason(error)}",
            f"correct or unset {route.variable}, or add {target.origin[1]} to NO_PROXY",
        )
    if isinstance(error, requests.exceptions.Timeout):
        return failure(
            f"{target.shown} takes the connection, and does not answer within {subject.seconds:g} s",
            f"check the port in {target.setting}, and whether the server is overloaded; --timeout waits for longer",
        )
    if target.origin[0] == "http" and speaks_tls(route, subject.seconds):
        return failure(f"{target.shown} speaks TLS, not plain http", f"write https:// in {target.setting}")
    return failure(
        f"{target.shown} breaks off, or does not speak HTTP: {_reason(error)}",
        f"check scheme and port in {target.setting}",
    )


def _reason(error: BaseException) -> str:
    """Find the innermost reason, which is the one that says something."""
    seen = {id(error)}
    while True:
        given = [arg for arg in error.args if isinstance(arg, Exception)]
        inner: Any = getattr(error, "reason", None) or (given[0] if given else None)
        if not isinstance(inner, BaseException) or id(inner) in seen:
            return re.sub(r"<[^>]*>:? ?", "", str(error))[:200] or type(error).__name__
        seen.add(id(inner))
        error = inner


def _redirected(target: Target, answer: Answered) -> Verdict:
    where = urljoin(target.url + PATH, answer.headers.get("Location", ""))
    there = without_login(where) if urlsplit(where).hostname else "nowhere"
    text = f"{target.shown} answered {answer.status}, a redirect to {there}"
    if there.startswith("https://") and there.endswith(PATH):
        return failure(text, f"write {there[: -len(PATH)]} in {target.setting}")
    return failure(
        text,
        f"a login page or a gateway seems to stand before the API: {target.setting} must be the address where the API "
        "itself takes bearer tokens",
    )


def _page(target: Target, answer: Answered) -> Verdict:
    title = re.search(rb"<title[^>]*>(.*?)</title>", answer.body, re.DOTALL | re.IGNORECASE)
    shown = f", {unescape(title[1].decode('utf-8', 'replace')).strip()[:80]!r}," if title else ""
    return failure(
        f"{target.shown} answered {answer.status} with a web page{shown} where JSON was expected",
        f"{target.setting} must be the address of the API: what answers is a website, a login page or a gateway; check "
        "host, port and path",
    )


def _unknown(subject: Subject, target: Target, answer: Answered) -> Verdict:
    login = netrc_login(subject, target)
    if subject.provider is not None:
        return failure(
            f"{target.shown} rejects the token, with {_said(answer)}",
            "see that its issuer and audience are those that this Layer trusts, and that the clocks agree",
        )
    if login:
        return failure(
            f"{target.shown} rejects the login that requests took from {login}, with {_said(answer)}",
            f"take the entry for {target.origin[1]} out of that file, or configure credentials, which come before it",
        )
    return failure(
        f"{target.shown} wants credentials, and none are configured: {_said(answer)}",
        "set LAYER_OIDC_TOKEN_URL, LAYER_OIDC_CLIENT_ID and LAYER_OIDC_CLIENT_SECRET, and give layer.init "
        "auth_provider=OIDCClientCredentials(), or examine a provider of your own with layer_sdk.doctor.examine",
    )


def _forbidden(subject: Subject, target: Target, answer: Answered) -> Verdict:
    scope = subject.environ.get("LAYER_OIDC_SCOPE", "").strip()
    asked = f"LAYER_OIDC_SCOPE asks for {scope}" if scope else "LAYER_OIDC_SCOPE asks for none"
    return failure(
        f"{target.shown} knows who asks and forbids it, with {_said(answer)}",
        f"the token lacks a scope or role: {asked}; assign it to the client at the provider",
    )


def _nowhere(subject: Subject, target: Target, answer: Answered) -> Verdict:
    path = urlsplit(target.url).path
    text = f"{target.shown} has nothing at {path}{PATH}, with {_said(answer)}"
    if path.endswith("/v1"):
        return failure(text, f"take /v1 off the end of {target.setting}: the SDK adds it")
    if path and _answers_at(subject, target.shown + PATH):
        return failure(text, f"take {path} off {target.setting}: the API answers at {target.shown}")
    return failure(text, f"check the path in {target.setting}: it must be what stands before /v1, and nothing else")


def _answers_at(subject: Subject, url: str) -> bool:
    try:
        answer = ask(subject, url, subject.learned.credentials.reveal())
    except (requests.exceptions.RequestException, OSError, ValueError):
        return False
    return answer.status != 404 and not is_page(answer)


def _unknown_to_proxy(subject: Subject, target: Target, answer: Answered) -> Verdict:
    variable = route_to(subject, target).variable or "the proxy's variable"
    return failure(f"the proxy wants a login: {_said(answer)}", f"put user and password into {variable}")


def _listed(subject: Subject, target: Target, answer: Answered) -> Verdict:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return failure(
            f"{target.shown} answered {answer.status}, but not with a list of applications",
            f"check {target.setting}: what answers is not the Layer API",
        )
    subject.learned.applications = found
    count = "1 application" if len(found) == 1 else f"{len(found)} applications"
    return ok(f"{target.shown} answers, and lists {count}")


def _said(answer: Answered) -> str:
    words = answer_words(answer.body, answer.headers)
    return f"HTTP {answer.status}" + (f": {words}" if words else "")


def netrc_login(subject: Subject, target: Target) -> str:
    """Give the netrc file out of which requests would take a login; empty where it takes none."""
    has_own = subject.provider is not None or subject.session.auth is not None or "@" in urlsplit(target.url).netloc
    found = None if has_own or not subject.session.trust_env else requests.utils.get_netrc_auth(target.url)
    if found is None:
        return ""
    subject.secrets.extend([Secret(":".join(found)), Secret(found[1])])
    return subject.environ.get("NETRC") or "~/.netrc"


def judge_netrc(subject: Subject, target: Target) -> Verdict:
    """Say whether requests takes a login from where nobody thinks of."""
    login = netrc_login(subject, target)
    if not login:
        return ok("no login out of a netrc file is sent")
    host = target.origin[1]
    return warning(
        f"{login} has a login for {host}, which requests sends because no credentials are configured",
        f"take the entry for {host} out of it, unless that is how you log in",
    )
