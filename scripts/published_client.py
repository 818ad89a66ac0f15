"""Use the published SDK 0.15 as its users do, against the Layer at the URL given.

That it works shows that the contract is Layer's and not ours alone.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import datetime, timezone
from urllib.request import urlopen

from layer_sdk import (
    SessionActionError,
    SessionActionKind,
    SessionActionRequest,
    SessionActionScanner,
    layer,
)


def main(url: str) -> None:
    """Create with actions, append, applications, firewall; each is checked."""
    name = f"published {uuid.uuid4()}"
    layer.init(base_url=url, firewall_base_url=url, application_name=name, environment="Test")
    assert name in layer.get_applications_by_name()
    now = datetime.now(timezone.utc)
    output = SessionActionKind.COMPLETION_OUTPUT
    first = SessionActionRequest(kind=output, start_time=now, end_time=now, data={"messages": []})
    chosen = uuid.uuid5(uuid.NAMESPACE_URL, name)
    session_id = layer.create_session(session_id=str(chosen), attributes={"user.id": "u"}, actions=[first])
    assert str(chosen) == session_id
    layer.append_action(
        session_id,
        kind=SessionActionKind.COMPLETION_PROMPT,
        start_time=now,
        end_time=now,
        attributes={"model.id": "m"},
        data={"messages": [{"role": "user", "content": "Hello"}]},
        error=SessionActionError(message="late", code=504),
        scanners=[SessionActionScanner(name="usage", data={"total_tokens": 1})],
    )
    decorated(session_id)
    assert layer.firewall_session_lookup(session_id).decision == "pass"
    with urlopen(f"{url}/dev/sessions/{session_id}", timeout=10) as response:
        kinds = [action["kind"] for action in json.load(response)["actions"]]
    assert kinds == ["completion_output", "completion_prompt", "embeddings"]


def decorated(session_id: str) -> None:
    """Record with the published SDK's decorators."""

    @layer.action(session_id=session_id, kind=SessionActionKind.EMBEDDINGS)
    def embed() -> tuple[dict[str, list[str]], None, None]:
        return {"input": ["x"]}, None, None

    @layer.session(attributes={"user.id": "u"})
    def run() -> None:
        embed()

    run()


if __name__ == "__main__":
    main(sys.argv[1])
