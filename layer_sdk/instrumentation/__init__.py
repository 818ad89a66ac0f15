"""Which calls are watched: those of each provider's package that the application imports, unless it is disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable

from layer_sdk._log import guard, warn
from layer_sdk.delivery import before_end

from . import _streams
from ._base import Listener
from ._provider import Provider, numbers_of

if TYPE_CHECKING:
    from layer_sdk._recording import Recorder

__all__ = ["KNOWN", "Watch", "supported"]

DISABLED = "disabled"
KNOWN = frozenset({"openai", "anthropic"})  # what may be disabled; the second is what an older SDK watched as well


def _openai() -> Any:
    from . import openai

    return openai


_providers = [("openai", Provider("openai", _openai))]


def supported(version: str) -> tuple[bool, str]:
    """Tell whether a version of openai is watched, and write which ones are, as pip takes it."""
    oldest, too_new = _openai().SUPPORTED
    written = f">={'.'.join(map(str, oldest))},<{'.'.join(map(str, too_new))}"
    return oldest <= numbers_of(version) < too_new, written


class Watch:
    """All that one initialized `Layer` watches.

    Args:
        owner: The `Layer`.
        recorder: Its recorder.
        disabled: Names of providers to leave alone.
    """

    def __init__(self, owner: object, recorder: Recorder, disabled: Iterable[str]) -> None:
        self._disabled = frozenset(disabled)
        self._listener = Listener(owner, recorder)
        before_end(_streams.interrupt)
        if self._disabled - KNOWN:
            warn("disable_instrumentations names what is no provider: %s", ", ".join(sorted(self._disabled - KNOWN)))
        self.start()

    def start(self) -> None:
        """Watch, again after `stop`."""
        for name, provider in _providers:
            if name not in self._disabled:
                with guard("beginning to watch a provider"):
                    provider.add(self._listener)

    def stop(self) -> None:
        """Watch no longer. Streams that are being read are recorded as far as they went."""
        _streams.interrupt(self._listener.owner)
        for _, provider in _providers:
            with guard("ceasing to watch a provider"):
                provider.remove(self._listener)

    def status(self) -> dict[str, dict[str, Any]]:
        """Tell of each provider whether its calls are recorded."""
        return {
            name: {"state": DISABLED, "version": None} if name in self._disabled else provider.status()
            for name, provider in _providers
        }
