"""What type checkers are to infer of users' tests. `mypy --strict` reads this file, nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, Optional, Tuple

from typing_extensions import assert_type

from layer_sdk import SessionActionError, SessionActionKind, SessionActionScanner
from layer_sdk.testing import LayerOptions, Recorded, RecordedAction, RecordedSession

if TYPE_CHECKING:
    from layer_sdk.devserver import Server

__all__ = ["check_options", "check_recorded", "check_server"]


def check_recorded(recorded: Recorded) -> None:
    assert_type(recorded.sessions(), Tuple[RecordedSession, ...])
    assert_type(recorded.session().attributes, Mapping[str, str])
    assert_type(recorded.session().actions, Tuple[RecordedAction, ...])
    assert_type(recorded.actions("completion_prompt"), Tuple[RecordedAction, ...])
    action = recorded.action(SessionActionKind.COMPLETION_OUTPUT)
    assert_type(action, RecordedAction)
    assert_type(action.kind, SessionActionKind)
    assert_type(action.data, Optional[Mapping[str, Any]])
    assert_type(action.error, Optional[SessionActionError])
    assert_type(action.scanners, Tuple[SessionActionScanner, ...])
    action.data = {}  # type: ignore[misc]
    recorded.action(1)  # type: ignore[arg-type]


def check_options() -> LayerOptions:
    return {"application_id": "shop"}


def check_server(layer_server: Server) -> None:
    assert_type(layer_server.url, str)
