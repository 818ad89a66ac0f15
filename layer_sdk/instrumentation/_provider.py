"""One provider's package, watched on behalf of every `Layer` that wants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk import _fork
from layer_sdk._log import warn

from ._imports import ImportHook

if TYPE_CHECKING:
    from types import ModuleType

    from ._base import Listener
    from ._patch import Patch

WAITING, ACTIVE, UNSUPPORTED, FAILED = "waiting", "active", "unsupported", "failed"


class Provider:
    """Watches from the first listener's coming to the last one's going.

    Args:
        name: The package.
        adapter: Gives the module of ours that knows it: its `SUPPORTED` versions and its `patches`.

    Attributes:
        listeners: Who listens.
    """

    def __init__(self, name: str, adapter: Callable[[], Any]) -> None:
        self._name = name
        self._adapter = adapter
        self._lock = _fork.Lock("RLock")
        self._hook = ImportHook(name, self._arrived)
        self._patches: list[Patch] = []
        self._state = WAITING
        self._version: str | None = None
        self.listeners: tuple[Listener, ...] = ()

    def add(self, listener: Listener) -> None:
        """Have it listen."""
        with self._lock:
            is_first = not self.listeners
            self.listeners = (*self.listeners, listener)
        if is_first:
            self._hook.start()

    def remove(self, listener: Listener) -> None:
        """Have it listen no longer. When nobody does, the package is as it was."""
        with self._lock:
            self.listeners = tuple(each for each in self.listeners if each is not listener)
            if self.listeners:
                return
            self._hook.stop()
            while self._patches:
                self._patches.pop().undo()
            self._state, self._version = WAITING, None

    def status(self) -> dict[str, Any]:
        """Tell what is watched."""
        return {"state": self._state, "version": self._version}

    def _arrived(self, module: ModuleType) -> None:
        """Watch the package, which is imported now; perhaps anew, with classes that are new as well."""
        with self._lock:
            if not self.listeners:
                return
            self._state, self._version = FAILED, version_of(module)
            adapter = self._adapter()
            oldest, too_new = adapter.SUPPORTED
            if self._version is None or not oldest <= numbers_of(self._version) < too_new:
                self._state = UNSUPPORTED
            else:
                found = adapter.patches(module, self._version, self)
                self._patches += [patch for patch in found if patch not in self._patches]
                self._state = ACTIVE
        if self._state == UNSUPPORTED:
            warn("Calls of %s are not recorded: version %s is not supported", self._name, self._version)


def version_of(module: Any) -> str | None:
    """Give a package's version."""
    found = getattr(module, "__version__", None)
    return found if isinstance(found, str) else None


def numbers_of(version: str) -> tuple[int, int]:
    """Read the first two numbers of a version."""
    found = re.match(r"(\d+)(?:\.(\d+))?", version)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
