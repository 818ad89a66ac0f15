"""The only caller of the generated client: a request in, an id or nothing out, and one of our exceptions otherwise."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Callable, Mapping, TypeVar
from uuid import UUID, uuid4

from urllib3.exceptions import InvalidHeader

from layer_api.api.applications import create_application, list_applications
from layer_api.api.firewall import firewall_session_lookup
from layer_api.api.sessions import append_action, create_session
from layer_api.errors import UnusableBody

from ._direct import DirectClient
from ._log import warn
from ._retry import RetryPolicy
from ._sender import NoAnswerError, Sender
from ._version import __version__
from .exceptions import (
    LayerAuthHTTPError,
    LayerFirewallException,
    LayerFirewallHTTPError,
    LayerFirewallRequestError,
    LayerFirewallSessionBlocked,
    LayerHTTPError,
    LayerRequestError,
)
from .schemas import (
    Application,
    ApplicationCreationRequest,
    ApplicationCreationResponse,
    FirewallLookupDecision,
    FirewallSessionLookupResponse,
    SessionActionRequest,
    SessionRequest,
    SessionResponse,
)

if TYPE_CHECKING:
    from layer_api.client import Client
    from layer_api.types import Response

    from ._credentials import Credentials

T = TypeVar("T")

HEADERS = {"Accept": "application/json", "User-Agent": f"layer-sdk-python/{__version__}"}
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid")
# Where servers put the sentence that says what is wrong.
MESSAGE_FIELDS = ("detail", "message", "error_description", "error", "title")
MESSAGE_LENGTH = 300
CHALLENGE = re.compile(r'\berror_description="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def raw_client(
    base_url: str, session: Any, timeout: float, credentials: Credentials | None = None, *, is_retried: bool = True
) -> Client:
    """Make a generated client that sends over a `requests.Session`. It is what loads httpx.

    Args:
        base_url: Where paths are appended.
        session: The `requests.Session` to send with.
        timeout: Seconds to connect and to wait for an answer, each.
        credentials: Puts them on each request.
        is_retried: Whether the session's adapters may retry.
    """
    import httpx

    from layer_api.client import Client

    from ._http import ProviderAuth, RequestsTransport

    transport = RequestsTransport(session, is_retried=is_retried)
    auth = None if credentials is None else ProviderAuth(credentials)
    client = Client(
        base_url=base_url,
        headers=dict(HEADERS),
        timeout=httpx.Timeout(timeout),
        httpx_args={"transport": transport, "auth": auth, "trust_env": False},
    )
    transport.serve(client.get_httpx_client().cookies.jar)
    transport.serve(client.get_async_httpx_client().cookies.jar)
    return client


def direct_client(
    base_url: str, session: Any, timeout: float, credentials: Credentials | None = None, *, is_retried: bool = True
) -> Client:
    """Make what the generated functions take for a client, and what the SDK sends with; see `_direct`."""
    sender = Sender(session, is_retried=is_retried)
    return DirectClient(base_url, sender, HEADERS, timeout, credentials).as_client


class Wire:
    """Says things to Layer, one request a method.

    Args:
        api: The client of the Layer API.
        firewall: The client of the firewall, where one is configured.
    """

    def __init__(self, api: Client, firewall: Client | None = None) -> None:
        self._api = api
        self._firewall = firewall

    def create_session(self, request: SessionRequest, key: str | None = None) -> UUID:
        """Create a session; the id in the answer counts, whichever was asked for."""
        answer = _call(
            "create session",
            create_session.sync_detailed,
            client=self._api,
            body=request,
            idempotency_key=key or _key(),
        )
        return _body("create session", answer, SessionResponse).session_id

    def append_action(self, session_id: UUID, request: SessionActionRequest, key: str | None = None) -> None:
        """Append one action. Whoever repeats a request gives the key that its attempts share."""
        _call(
            "append action",
            append_action.sync_detailed,
            session_id,
            client=self._api,
            body=request,
            idempotency_key=key or _key(),
        )

    def list_applications(self) -> list[Application]:
        """List the applications."""
        answer = _call("list applications", list_applications.sync_detailed, client=self._api)
        if not isinstance(answer.parsed, list) or not answer.content.lstrip().startswith(b"["):
            raise _unusable("list applications", answer.status_code, answer.content, answer.headers, LayerHTTPError)
        return answer.parsed

    def create_application(self, name: str) -> str:
        """Create an application."""
        answer = _call(
            "create application",
            create_application.sync_detailed,
            client=self._api,
            body=ApplicationCreationRequest(name=name, source="manual"),
            idempotency_key=_key(),
        )
        return str(_body("create application", answer, ApplicationCreationResponse).application_id)

    def firewall_session_lookup(self, session_id: UUID) -> FirewallSessionLookupResponse:
        """Ask the firewall for its decision."""
        answer = _call(
            "look up session in the firewall", firewall_session_lookup.sync_detailed, session_id, client=self._firewall
        )
        return _body("look up session in the firewall", answer, FirewallSessionLookupResponse)

    def refuse_blocked(self, session_id: UUID) -> None:
        """Raise if the firewall says block; a firewall that does not answer stops nobody."""
        try:
            found = self.firewall_session_lookup(session_id)
        except LayerFirewallException as error:
            warn("The firewall could not be asked before an action was appended: %s", type(error).__name__)
            return
        if found.decision == FirewallLookupDecision.BLOCK:
            raise LayerFirewallSessionBlocked(f"The firewall blocks session {session_id}")


def _key() -> str:
    """Make the key that all attempts of one request share, so that a server that knows it acts once."""
    return str(uuid4())


def _call(doing: str, function: Callable[..., Response[Any]], *arguments: Any, **options: Any) -> Response[Any]:
    """Call the generated client and turn what goes wrong into one of our exceptions."""
    firewall = function is firewall_session_lookup.sync_detailed
    http_error: type[LayerHTTPError] = LayerFirewallHTTPError if firewall else LayerHTTPError
    try:
        answer = function(*arguments, **options)
    except UnusableBody as error:
        raise _unusable(doing, error.status_code, error.content, error.headers, http_error) from error.__cause__
    except NoAnswerError as error:
        kind = LayerFirewallRequestError if firewall else LayerRequestError
        raise kind(f"{doing}: no answer: {error}") from error.__cause__
    if not 200 <= answer.status_code < 300:
        raise _refused(doing, answer, http_error)
    return answer


def _body(doing: str, answer: Response[Any], model: type[T]) -> T:
    if isinstance(answer.parsed, model):
        return answer.parsed
    try:  # a success that the contract does not name, such as 200 for a creation
        return model.from_dict(json.loads(answer.content))  # type: ignore[attr-defined, no-any-return]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        kind = LayerFirewallHTTPError if model is FirewallSessionLookupResponse else LayerHTTPError
        raise _unusable(doing, answer.status_code, answer.content, answer.headers, kind) from error


def _refused(doing: str, answer: Response[Any], kind: type[LayerHTTPError]) -> LayerHTTPError:
    status = answer.status_code
    if status in (401, 403) and kind is LayerHTTPError:
        kind = LayerAuthHTTPError
    if 300 <= status < 400:
        location = answer.headers.get("location", "nowhere")
        words = f"redirected to {location}, which would lose the request's body; configure the address it names"
    else:
        words = answer_words(answer.content, answer.headers) or "no reason given"
    error = kind(f"{doing}: {words}", status, _text(answer.content), _request_id(answer.headers))
    error.retry_after = _retry_after(answer.headers)
    return error


def _unusable(
    doing: str, status: int, content: bytes, headers: Mapping[str, str], kind: type[LayerHTTPError]
) -> LayerHTTPError:
    shown = _text(content)[:MESSAGE_LENGTH]
    message = f"{doing}: the answer is a success without a usable body: {shown!r}"
    return kind(message, status, _text(content), _request_id(headers))


def _words(content: bytes) -> str:
    """Find the sentence in an error's body, whatever its shape."""
    text = _text(content)
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    return _sentence(parsed)[:MESSAGE_LENGTH]


def answer_words(content: bytes, headers: Mapping[str, str]) -> str:
    """Find the sentence of an answer that is no success, in its body or in the header that refuses a token."""
    return _words(content) or _challenge(headers)


def _challenge(headers: Mapping[str, str]) -> str:
    """Find the sentence in the header that refuses a token (RFC 6750, section 3)."""
    found = CHALLENGE.search(headers.get("www-authenticate", ""))
    return " ".join(re.sub(r"\\(.)", r"\1", found[1]).split())[:MESSAGE_LENGTH] if found else ""


def _sentence(body: Any) -> str:
    if isinstance(body, dict):
        fields: dict[str, Any] = body
        for name in MESSAGE_FIELDS:
            if fields.get(name):
                return _sentence(fields[name])
    if isinstance(body, str):
        return " ".join(body.split())
    return json.dumps(body)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the server's wish, given in seconds or as a date; None where there is none that makes sense."""
    try:
        return float(RetryPolicy(total=0).parse_retry_after(headers["retry-after"]))
    except (KeyError, InvalidHeader, OverflowError, ValueError):
        return None


def _request_id(headers: Mapping[str, str]) -> str | None:
    return next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
