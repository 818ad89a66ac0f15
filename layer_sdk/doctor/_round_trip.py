"""Whether what is recorded arrives: a session made for the purpose, and what the firewall says of it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from layer_sdk import _wire
from layer_sdk._credentials import Credentials
from layer_sdk._drafts import STRICT
from layer_sdk._ids import new_session_id
from layer_sdk._platform import session_attributes
from layer_sdk.exceptions import LayerAuthError, LayerHTTPError, LayerSDKException

from ._report import Verdict, failure, ok, skipped, warning

if TYPE_CHECKING:
    from ._subject import Subject, Target

MARK = {"layer.doctor": "true"}
# What a server answers that does not offer the question.
NOT_OFFERED = {403, 404, 405, 501}


def judge(subject: Subject, target: Target) -> Verdict:
    """Create a session, append an action, and read it back where the server lets us."""
    learned = subject.learned
    if not subject.may_write:
        return skipped("--no-write leaves it out")
    if learned.application_id is None:
        return skipped("there is no application to record for, and the doctor makes none")
    wire = _wire_to(subject, target)
    now = datetime.datetime.now(datetime.timezone.utc)
    values = subject.values
    attributes = {**session_attributes(subject.environ, values["platform"], values["environment"]), **MARK}
    session = STRICT.session(learned.application_id, session_id=new_session_id(), attributes=attributes, start_time=now)
    data = {"messages": [{"role": "user", "content": "layer-sdk doctor"}]}
    action = STRICT.action(kind="completion_prompt", start_time=now, end_time=now, attributes=dict(MARK), data=data)
    try:
        session_id = wire.create_session(session)
        wire.append_action(session_id, action)
    except LayerSDKException as error:
        return _refused(subject, error)
    learned.session_id = session_id
    text = f"session {session_id}, marked layer.doctor=true, was created, and an action appended"
    try:
        wire.firewall_session_lookup(session_id)
    except LayerHTTPError as error:
        if error.status_code not in NOT_OFFERED:
            return warning(f"{text}, but reading it back failed: {error}", "ask who runs the server")
        return ok(f"{text}; the server offers no reading back")
    except LayerSDKException as error:
        return warning(f"{text}, but reading it back failed: {error}", "ask who runs the server")
    return ok(f"{text}, and read back")


def judge_firewall(subject: Subject, target: Target) -> Verdict:
    """Ask for a decision."""
    session_id = subject.learned.session_id
    try:
        found = _wire_to(subject, target).firewall_session_lookup(session_id or new_session_id())
    except LayerHTTPError as error:
        if error.status_code == 404 and error.response_data.lstrip().startswith("{") and session_id is None:
            return ok(f"{target.shown} answers")
        return failure(f"{target.shown}: {error}", f"check {target.setting}: is it the firewall of this very Layer?")
    except LayerSDKException as error:
        return failure(f"{target.shown}: {error}", f"check {target.setting}")
    return ok(f"{target.shown} decides: {found.decision.value}")


def _wire_to(subject: Subject, target: Target) -> _wire.Wire:
    credentials = None if subject.provider is None else Credentials(subject.provider, target.url)
    client = _wire.direct_client(target.url, subject.session, subject.seconds, credentials, is_retried=False)
    return _wire.Wire(client, client)


def _refused(subject: Subject, error: LayerSDKException) -> Verdict:
    application = subject.learned.application_id
    status = getattr(error, "status_code", None)
    if isinstance(error, LayerAuthError):
        return failure(
            str(error),
            "the token may read, but not write: assign the scope or role for writing to the client at the provider",
        )
    names = {str(each.get("id")) for each in subject.learned.applications}
    if status in (400, 404, 409, 422) and application not in names:
        listed = ", ".join(f"{each.get('name')} ({each.get('id')})" for each in subject.learned.applications[:5])
        return failure(
            f"Layer takes no sessions of the application {application}, which it does not list: {error}",
            f"set LAYER_APPLICATION_ID to one that it lists ({listed or 'it lists none'}), or LAYER_APPLICATION_NAME",
        )
    return failure(str(error), "the server's words say what it wants; ask who runs it")
