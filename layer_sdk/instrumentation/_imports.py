"""Do something when the application imports a module, without importing it ourselves."""

from __future__ import annotations

import importlib
import sys
import threading
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any, Callable

from ._base import hush

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

Then = Callable[["ModuleType"], None]


class ImportHook(MetaPathFinder):
    """Calls `then` with a module right after it was loaded.

    Stands in `sys.meta_path`, before all others, from `start` to `stop`. For a module that is there already, `start`
    calls it.

    Args:
        name: The module.
        then: What to do; what it raises stays in here.
    """

    def __init__(self, name: str, then: Then) -> None:
        self._name = name
        self._then = then
        self._asking: set[int] = set()

    def start(self) -> None:
        """Wait for the import, or find that it was done."""
        sys.meta_path.insert(0, self)
        module = sys.modules.get(self._name)
        if module is None:
            return
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            # Another thread is at it: this waits for it, and loads nothing that is not being loaded.
            module = importlib.import_module(self._name)
        self.loaded(module)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def loaded(self, module: ModuleType) -> None:
        """Do what is to be done."""
        try:
            self._then(module)
        except Exception as error:  # noqa: BLE001  (the host's import goes on)
            hush("looking at an imported module", error)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find the module as everybody else does, and have its loader tell us; see `MetaPathFinder`."""
        me = threading.get_ident()
        if fullname != self._name or me in self._asking:
            return None
        self._asking.add(me)
        try:
            spec = self._found(fullname, path, target)
        finally:
            self._asking.discard(me)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _TellingLoader(spec.loader, self)
        return spec

    def _found(self, fullname: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec: ModuleSpec | None = finder.find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return None


class _TellingLoader(Loader):
    """Does what the loader does, and tells when the module is there. The module itself never gets to see it."""

    def __init__(self, loader: Any, hook: ImportHook) -> None:
        self._loader = loader
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        module: ModuleType | None = None if create is None else create(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._hook.loaded(module)
