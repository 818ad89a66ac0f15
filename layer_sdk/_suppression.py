"""Marks the SDK's own requests, so that no instrumentation, ours or OpenTelemetry's, records them."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any

_suppressed: ContextVar[bool] = ContextVar("layer_sdk_suppressed", default=False)


# Tells whether what happens now is the SDK's own doing. No function around it: it is asked at each call of the host's.
is_suppressed = _suppressed.get


class suppressed:  # noqa: N801  (used as a function is; a class takes a third of what a generator does)
    """Mark what happens inside as the SDK's own doing."""

    __slots__ = ("_otel_token", "_token")

    def __enter__(self) -> None:
        self._token = _suppressed.set(True)
        self._otel_token = _attach()

    def __exit__(self, *_: object) -> None:
        _suppressed.reset(self._token)
        if self._otel_token is not None:
            sys.modules["opentelemetry.context"].detach(self._otel_token)


def _attach() -> Any:
    otel = sys.modules.get("opentelemetry.context")  # never imported by us: who has not loaded it does not use it
    if otel is None:
        return None
    try:
        context = otel.set_value(otel._SUPPRESS_HTTP_INSTRUMENTATION_KEY, True)  # noqa: FBT003, SLF001  (OpenTelemetry's signature; OpenTelemetry's own packages use it)
        return otel.attach(otel.set_value(otel._SUPPRESS_INSTRUMENTATION_KEY, True, context))  # noqa: FBT003, SLF001  (OpenTelemetry's signature; OpenTelemetry's own packages use it)
    except AttributeError:  # a version without one of these names
        return None
