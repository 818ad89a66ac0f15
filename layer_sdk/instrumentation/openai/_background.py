"""Answers that are made in the background and fetched later: recorded once, where their question is."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Callable, Tuple

from layer_sdk import _fork
from layer_sdk._ids import id_of
from layer_sdk.instrumentation._bodies import json_or_text
from layer_sdk.instrumentation._snapshot import fields_of

from ._responses import id_of as response_id_of
from ._responses import is_under_way

if TYPE_CHECKING:
    from layer_sdk.instrumentation._base import Target

    from ._observer import Observer

MAX_ANSWERS = 1000  # remembered, each

Targets = Tuple["Target", ...]

# By the answer's id: where it belongs, or None once it is recorded.
_answers: OrderedDict[str, Targets | None] = OrderedDict()


def expect(answer: Any, targets: Targets) -> None:
    """Remember where an answer belongs that was asked for in the background, if it is not there yet."""
    if is_under_way(answer):
        _remember(response_id_of(answer), targets)


def _remember(response_id: str | None, targets: Targets | None) -> None:
    if response_id is not None:
        _answers[response_id] = targets and tuple(
            target._replace(session=id_of(target.session), is_new=False) for target in targets
        )
        if len(_answers) > MAX_ANSWERS:
            _answers.popitem(last=False)


class Fetch:
    """Watches an answer being fetched, or cancelled. Who fetches one twice, or one that came at once, hears no news.

    Args:
        response_id: The answer's id.
        find: Gives the sessions for an answer that was asked for by another process.
        observer_of: Makes what records it.
        restore: Puts back what was changed of the request.
    """

    def __init__(
        self,
        response_id: str,
        find: Callable[[], Targets],
        observer_of: Callable[[Targets], Observer],
        restore: list[Callable[[], None]],
    ) -> None:
        self._id = response_id
        self._find = find
        self._observer_of = observer_of
        self._restore = restore

    def failed(self, error: BaseException) -> None:  # noqa: ARG002  (the answer is there all the same)
        """Wait for another try."""
        for restore in self._restore:
            restore()

    def answered(self, answer: Any) -> None:
        """Record it, if it is there and was not recorded."""
        for restore in self._restore:
            restore()
        _fork.check()
        targets = self._targets(answer)
        if targets:
            _remember(self._id, None)
            self._observer_of(targets).answered(answer)

    def _targets(self, answer: Any) -> Targets | None:
        if hasattr(answer, "_iterator"):
            return _answers.get(self._id)
        fields = _fields(answer)
        if fields is None or is_under_way(fields):
            return None
        if self._id in _answers:
            return _answers[self._id]
        return self._find() if fields.get("background") else None


def _fields(answer: Any) -> dict[str, Any] | None:
    response = getattr(answer, "http_response", None)
    if response is None:
        return fields_of(answer)
    read = json_or_text(response.content) if response.is_stream_consumed else None
    return read if isinstance(read, dict) else None
