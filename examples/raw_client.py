"""Call the Layer API itself: one function for each operation, with the settings of `layer.init`.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL and LAYER_FIREWALL_BASE_URL to its address, and run
this file.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TypeVar

from layer_api.api.applications import create_application
from layer_api.api.firewall import firewall_session_lookup
from layer_api.api.sessions import append_action, create_session
from layer_sdk import SessionActionKind, SessionActionRequest, SessionRequest, layer
from layer_sdk.schemas import (
    ApplicationCreationRequest,
    ApplicationCreationResponse,
    FirewallSessionLookupResponse,
    SessionResponse,
)

T = TypeVar("T")


def expect(model: type[T], answer: object) -> T:
    """The functions raise where there is no answer; a refusal they give back, its body in place of the model."""
    if not isinstance(answer, model):
        raise SystemExit(f"Layer refused: {answer}")
    return answer


def main() -> None:
    """Create an application and a session in it, append an action, and ask the firewall."""
    layer.init(application_id="examples")  # for URL, auth, retries and timeout; the raw client adds nothing of its own

    made = create_application.sync(client=layer.raw, body=ApplicationCreationRequest(name="examples", source="manual"))
    application_id = str(expect(ApplicationCreationResponse, made).application_id)

    # `sync_detailed` gives status and headers, too; `sync` gives the model alone.
    created = create_session.sync_detailed(client=layer.raw, body=SessionRequest(application_id=application_id))
    print(created.status_code, created.headers["content-type"])
    session_id = expect(SessionResponse, created.parsed).session_id

    now = datetime.now(timezone.utc)
    action = SessionActionRequest(
        kind=SessionActionKind.COMPLETION_PROMPT,
        start_time=now,
        end_time=now,
        data={"messages": [{"role": "user", "content": "Which tyre fits my Trail 2?"}]},
    )
    append_action.sync_detailed(session_id, client=layer.raw, body=action)

    found = firewall_session_lookup.sync(session_id, client=layer.raw_firewall)
    print(expect(FirewallSessionLookupResponse, found).decision)
    layer.shutdown()
    print(session_id)


if __name__ == "__main__":
    main()
