"""Requests to an identity provider, and answers of which nothing can be trusted."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from . import _fork
from ._origins import without_login
from ._secrets import Secret, hide, without_frames
from ._suppression import suppressed
from .exceptions import LayerRequestError

if TYPE_CHECKING:
    import requests

T = TypeVar("T")

# A token that a server takes as a header is far shorter; what comes beyond is left unread.
MAX_ANSWER = 128 * 1024


class Proof(NamedTuple):
    """What tells a token endpoint who asks: some of it in the form, some in headers.

    Attributes:
        form: Fields of the form.
        headers: Headers of the request.
        credential: The secret or key behind it; another one after somebody exchanged it.
        secrets: All that must not be shown, should the answer repeat it.
    """

    form: Secret[dict[str, str]]
    headers: Secret[dict[str, str]]
    credential: Secret[str] | None = None
    secrets: tuple[Secret[str], ...] = ()


class Answer(NamedTuple):
    """An answer, as far as it is of use.

    Attributes:
        status: The HTTP status.
        fields: The JSON object in its body; empty where there is none.
        is_html: Whether it is a page for people.
    """

    status: int
    fields: Secret[dict[str, Any]]
    is_html: bool


class Exchange:
    """Asks an identity provider over a `requests.Session`, following no redirect.

    Args:
        session: The session to use, or None for one with the SDK's retry policy.
        timeout: Seconds to connect, to wait for an answer, and to read it, each.
    """

    def __init__(self, session: requests.Session | None, timeout: float) -> None:
        self._session = session
        self._timeout = timeout
        _fork.watch(self)

    def after_fork(self) -> None:
        """Leave the parent's connections alone."""
        if self._session is not None:
            from . import _pools

            _pools.renew(self._session)

    def get(self, url: Secret[str], what: str) -> Answer:
        """Ask for a document.

        Raises:
            LayerRequestError: If there is no answer; the text calls the document `what`.
        """
        return self._ask("GET", url, what, None, ())

    def post(self, url: Secret[str], what: str, form: Secret[dict[str, str]], proof: Proof) -> Answer:
        """Post a form.

        Raises:
            LayerRequestError: If there is no answer; the text calls the endpoint `what`.
        """
        whole = Proof(Secret({**form.reveal(), **proof.form.reveal()}), proof.headers)
        return self._ask("POST", url, what, whole, proof.secrets)

    def _ask(
        self, method: str, url: Secret[str], what: str, proof: Proof | None, secrets: tuple[Secret[str], ...]
    ) -> Answer:
        import requests
        import urllib3

        try:
            with suppressed():
                return self._send(method, url, proof)
        except UnicodeEncodeError:  # it quotes what it could not write, which is the login in the URL
            failure = LayerRequestError(f"{_subject(what, url)}: HTTP cannot carry the letters of the login in it")
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = _unanswered(error, url, what, secrets)
        raise failure  # out here, where what was caught is no context of it

    def _send(self, method: str, url: Secret[str], proof: Proof | None) -> Answer:
        import requests

        try:
            response = self._request(method, url, proof or Proof(Secret({}), Secret({})))
        except requests.exceptions.HTTPError as error:
            if error.response is None:
                raise
            response = error.response  # a hook that calls raise_for_status()
        with response:
            return _read(response, self._timeout)

    def _request(self, method: str, url: Secret[str], proof: Proof) -> requests.Response:
        if self._session is None:
            from ._retry import default_session

            self._session = default_session()
        has_own = "Authorization" in proof.headers.reveal()
        has_login = self._session.auth is not None or "@" in urlsplit(url.reveal()).netloc
        return self._session.request(
            method,
            url.reveal(),
            data=proof.form.reveal(),
            headers={"Accept": "application/json", **proof.headers.reveal()},
            timeout=self._timeout,
            allow_redirects=False,
            stream=True,
            # RFC 6749 forbids a second way to authenticate: the login that a netrc file may have stays out.
            auth=None if has_login and not has_own else _itself,
        )


def _subject(what: str, url: Secret[str]) -> str:
    return f"No answer from {what} {without_login(url.reveal())}"


def _unanswered(error: Exception, url: Secret[str], what: str, secrets: tuple[Secret[str], ...]) -> LayerRequestError:
    """Make our error of another one, with that as its cause unless it repeats a secret."""
    failure = LayerRequestError(f"{_subject(what, url)}: {_text(error, url, secrets):.500}")
    failure.__cause__ = None if _quotes(error, url, secrets) else without_frames(error)
    return failure


def _text(error: BaseException, url: Secret[str], secrets: tuple[Secret[str], ...]) -> str:
    password = urlsplit(url.reveal()).password
    return hide(str(error), (*secrets, *([Secret(password)] if password else ())))


def _quotes(error: BaseException | None, url: Secret[str], secrets: tuple[Secret[str], ...]) -> bool:
    """Tell whether an error, or one that led to it, repeats what must not be shown."""
    while error is not None:
        if _text(error, url, secrets) != str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _read(response: requests.Response, timeout: float) -> Answer:
    body = _body(response, time.monotonic() + timeout)
    is_html = "html" in response.headers.get("Content-Type", "") or body.reveal()[:100].lstrip()[:1] == b"<"
    return Answer(response.status_code, _fields(body), is_html)


def _body(response: requests.Response, ends_at: float) -> Secret[bytes]:
    """Read the body byte by byte, so that a server that dawdles over each does not make anybody wait for ever."""
    import requests

    body = Secret(bytearray())
    for piece in response.iter_content(1):
        body.reveal().extend(piece)
        if len(body.reveal()) >= MAX_ANSWER:
            break
        if time.monotonic() > ends_at:
            raise requests.exceptions.ReadTimeout("the answer began, and did not end in time")
    return Secret(bytes(body.reveal()))


def _fields(body: Secret[bytes]) -> Secret[dict[str, Any]]:
    try:
        parsed = json.loads(body.reveal())
    except (RecursionError, ValueError):
        return Secret({})
    return Secret(parsed if isinstance(parsed, dict) else {})


def _itself(value: T) -> T:
    return value
