"""The operations of the contract, carried out."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Awaitable, Callable, Iterable, Mapping, Sequence, TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route

from . import _records
from ._bodies import Body, parsed, receive
from ._digest import digest
from ._problems import Refusal, problem
from ._records import Action, Answer, Call, Creation

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._contract import Operation
    from ._events import Hub
    from ._firewall import Firewall
    from ._policies import Policies
    from ._problems import Fault
    from ._requests import Requests
    from ._settings import Settings
    from ._store import Store
    from ._tokens import Gate

_logger = logging.getLogger("layer_sdk.devserver")
_NOTHING = Body(b"", "", None)
_T = TypeVar("_T")
_LONG = 64 * 1024
_NOSNIFF = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class _Asked:
    """A request that is as the contract says."""

    parameters: Mapping[str, str]
    body: Body
    call: Call


class Api:
    """Answers the operations of the contract, and nothing that the contract does not say."""

    def __init__(
        self,
        operations: Iterable[Operation],
        store: Store,
        firewall: Firewall,
        settings: Settings,
        *,
        hub: Hub,
        requests: Requests,
        gate: Gate | None = None,
    ) -> None:
        self._operations = tuple(operations)
        self._store = store
        self._firewall = firewall
        self._settings = settings
        self._hub = hub
        self._requests = requests
        self._gate = gate
        self._handlers: Mapping[str, Callable[[_Asked], Awaitable[Answer]]] = {
            "appendAction": self._append_action,
            "createApplication": self._create_application,
            "createSession": self._create_session,
            "firewallSessionLookup": self._look_up,
            "listApplications": self._list_applications,
        }

    def routes(self) -> list[Route]:
        """One route for each path of the contract."""
        paths = dict.fromkeys(operation.path for operation in self._operations)
        return [self._route(path) for path in paths]

    def _route(self, path: str) -> Route:
        here = {operation.method: operation for operation in self._operations if operation.path == path}

        async def endpoint(request: Request) -> Response:
            return await self._answer(here["GET" if request.method == "HEAD" else request.method], request)

        return Route(path, endpoint, methods=list(here))

    async def _answer(self, operation: Operation, request: Request) -> Response:
        try:
            if self._gate is not None:
                await self._gate.check(request.headers.get("authorization"))
            asked = await self._asked(operation, request)
            answer = await self._handlers[operation.name](asked)
        except Refusal as refusal:
            response = problem(refusal)
        except ClientDisconnect:
            response = problem(Refusal(400, "The client went away before its request was complete."))
        else:
            media_type = "application/json" if answer.body else None
            response = Response(answer.body, answer.status, _NOSNIFF, media_type)
        answered = _checked(operation, response)
        self._keep(operation, request, answered.status_code)
        return answered

    def _keep(self, operation: Operation, request: Request, status: int) -> None:
        target = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
        session_id = str(request.path_params.get("session_id", "")).lower()
        body: bytes | None = getattr(request.state, "raw", None)
        self._requests.keep(operation.name, (request.method, target), body, status, session_id)
        self._hub.tell_of_request()

    async def _asked(self, operation: Operation, request: Request) -> _Asked:
        parameters = request.path_params
        _refuse(422, "path", operation.parameter_faults("path", parameters))
        headers = _header_values(operation, request)
        _refuse(400, "header", operation.parameter_faults("header", headers))
        body = _NOTHING
        if operation.body:
            raw = await receive(request, operation.body, self._settings.max_body)
            request.state.raw = raw
            body = await _worked_out(partial(_judged, operation, raw), len(raw))
        call = Call(_fingerprint(operation, parameters, body), headers.get("Idempotency-Key"))
        return _Asked(parameters, body, call)

    async def _create_session(self, asked: _Asked) -> Answer:
        policies = self._firewall.policies
        creation = await _worked_out(partial(_creation, asked.body, policies), len(asked.body.raw))
        work = partial(_records.create_session, call=asked.call, creation=creation, policies=policies)
        answer = await self._store.run(partial(work, status=self._settings.status_on_create))
        self._hub.tell(json.loads(answer.body)["session_id"])
        return answer

    async def _append_action(self, asked: _Asked) -> Answer:
        policies = self._firewall.policies
        digested = await _worked_out(partial(digest, asked.body.value, policies), len(asked.body.raw))
        action = Action(asked.body.value["kind"], asked.body.text, digested)
        work = partial(_records.append_action, call=asked.call, session_id=_session_id(asked), action=action)
        answer = await self._store.run(partial(work, policies=policies))
        self._hub.tell(_session_id(asked))
        return answer

    async def _look_up(self, asked: _Asked) -> Answer:
        session_id = _session_id(asked)
        verdict = await self._firewall.verdict(session_id)
        violated = [
            {"id": policy.id, "name": policy.name, "severity": policy.severity, "action": policy.action}
            for policy in verdict.violated
        ]
        document = {"session_id": session_id, "decision": verdict.decision, "context": {"violated_policies": violated}}
        return Answer(200, json.dumps(document).encode("ascii"))

    async def _create_application(self, asked: _Asked) -> Answer:
        name = asked.body.value["name"]
        return await self._store.run(partial(_records.create_application, call=asked.call, name=name))

    async def _list_applications(self, _asked: _Asked) -> Answer:
        return await self._store.run(_records.list_applications)


async def _worked_out(work: Callable[[], _T], size: int) -> _T:
    # What takes long must not keep all others waiting.
    return await run_in_threadpool(work) if size > _LONG else work()


def _refuse(status: int, part: str, faults: Sequence[Fault]) -> None:
    if faults:
        first = f"{faults[0].path} {faults[0].message}"
        raise Refusal(status, f"The {part} does not fit the contract: {first}", faults)


def _header_values(operation: Operation, request: Request) -> dict[str, str]:
    names = [parameter.name for parameter in operation.parameters if parameter.place == "header"]
    given = {name: request.headers.getlist(name) for name in names}
    return {name: ", ".join(values) for name, values in given.items() if values}


def _judged(operation: Operation, raw: bytes) -> Body:
    body = parsed(raw)
    # All media types that the contract takes are JSON.
    schema = next(iter(operation.body.values()))
    try:
        _refuse(422, "body", schema.faults(body.value))
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.") from None
    return body


def _fingerprint(operation: Operation, parameters: Mapping[str, str], body: Body) -> bytes:
    start = f"{operation.name} {parameters.get('session_id', '').lower()}\n"
    return hashlib.sha256(start.encode("ascii") + body.raw).digest()


def _session_id(asked: _Asked) -> str:
    return asked.parameters["session_id"].lower()


def _creation(body: Body, policies: Policies) -> Creation:
    # Null says the same as leaving a member out.
    said = {name: value for name, value in body.value.items() if value is not None}
    session_id = said.get("session_id")
    actions = said.get("actions", ())
    return Creation(
        session_id=session_id and session_id.lower(),
        application_id=said["application_id"],
        attributes=said.get("attributes", {}),
        start_time=said.get("start_time"),
        end_time=said.get("end_time"),
        actions=[
            Action(action["kind"], text, digest(action, policies))
            for action, text in zip(actions, body.elements("actions"))
        ],
        body=body.text,
    )


def _checked(operation: Operation, response: Response) -> Response:
    """Hold an answer of ours against the contract: a wrong one is a fault of this program."""
    body = bytes(response.body)
    faults = operation.answer_faults(
        response.status_code, response.media_type or "", json.loads(body) if body else None
    )
    if not faults:
        return response
    # Where it is wrong, not what it says there: a log is no place for what was recorded.
    places = ", ".join(fault.path for fault in faults)
    _logger.error("The answer to %s does not fit the contract: %s", operation.name, places)
    return problem(Refusal(500, "The embedded Layer's own answer does not fit the contract.", faults))
