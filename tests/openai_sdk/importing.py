"""A program that imports openai in the ways that its arguments name, and prints what came of each.

First in `sys.path`, in the folder that the variable FAKE names, is a package of that name which is imported in no time.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk import Layer, layer

if TYPE_CHECKING:
    from types import ModuleType

wrapt: Any = importlib.import_module("wrapt")

Found = list[Any]

warnings: list[str] = []
begun, go_on = threading.Event(), threading.Event()  # of an import that is told to wait


class Listening(logging.Handler):
    """Keeps what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


def load(name: str = "openai") -> ModuleType:
    return importlib.import_module(name)


def status(of: Layer = layer) -> Any:
    return of.instrumentation_status()["openai"]["state"]


def is_watched(module: Any = None) -> bool:
    return "request" in vars((module or sys.modules["openai"]).OpenAI)


def state() -> Found:
    return [status(), is_watched()]


# ---- ways to import


def by_statement() -> Found:
    layer.init()
    before = status()
    import openai  # noqa: F401  (the import is all)

    return [before, *state()]


def by_name() -> Found:
    layer.init()
    from openai import OpenAI

    return [*state(), "request" in vars(OpenAI)]


def by_submodule() -> Found:
    layer.init()
    load("openai.types")
    return state()


def before_init() -> Found:
    load()
    layer.init()
    return state()


def reloaded() -> Found:
    layer.init()
    module = importlib.reload(load())
    found = state()
    layer.shutdown()
    return [*found, is_watched(module)]


def imported_anew() -> Found:
    layer.init()
    old = load()
    del sys.modules["openai"]
    new = load()
    found = [is_watched(old), is_watched(new)]
    layer.shutdown()
    return [*found, is_watched(old), is_watched(new)]


def in_another_thread() -> Found:
    def wait() -> None:
        begun.set()
        go_on.wait(10)

    builtins.fake_begun = wait  # type: ignore[attr-defined]
    threading.Thread(target=load).start()
    begun.wait(10)
    threading.Timer(0.1, go_on.set).start()
    layer.init()
    return state()


def lazily() -> Found:
    layer.init()
    spec = importlib.util.find_spec("openai")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules["openai"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    before = status()
    return [before, module.OpenAI.__name__, *state()]


# ---- others who wait for it


def after_another_hook() -> Found:
    seen: Found = []
    wrapt.register_post_import_hook(seen.append, "openai")
    layer.init()
    load()
    return [len(seen), *state()]


def before_another_hook() -> Found:
    seen: Found = []
    layer.init()
    wrapt.register_post_import_hook(seen.append, "openai")
    load()
    return [len(seen), *state()]


def two_layers() -> Found:
    finders = list(sys.meta_path)
    other = Layer()
    other.init()
    layer.init()
    layer.shutdown()
    load()
    found = [status(other), is_watched()]
    other.shutdown()
    return [*found, is_watched(), finders == sys.meta_path]


# ---- what is left


def shut_down_before() -> Found:
    finders = list(sys.meta_path)
    layer.init()
    layer.shutdown()
    load()
    return [is_watched(), finders == sys.meta_path]


def shut_down_after() -> Found:
    finders = list(sys.meta_path)
    layer.init()
    load()
    layer.shutdown()
    return [is_watched(), finders == sys.meta_path]


def only_looked_for() -> Found:
    layer.init()
    spec = importlib.util.find_spec("openai")
    return [spec is not None and spec.name, status(), "openai" in sys.modules]


# ---- what goes wrong


def failing() -> Found:
    os.environ["FAKE_ERROR"] = "1"
    layer.init()
    try:
        load()
    except ImportError as error:
        found = [str(error), "openai" in sys.modules, status()]
    del os.environ["FAKE_ERROR"]
    load()
    return [*found, *state()]


def not_installed() -> Found:
    sys.path[:] = [path for path in sys.path if not Path(path, "openai").exists()]
    layer.init()
    try:
        load()
    except ModuleNotFoundError as error:
        return [str(error), error.name, status()]
    return []


def with_a_hole() -> Found:
    os.environ["FAKE_HOLE"] = "1"
    layer.init()
    load()
    return [*state(), len(warnings)]


def of_version(version: str) -> Callable[[], Found]:
    """Make the program that imports a version twice."""

    def program() -> Found:
        os.environ["FAKE_VERSION"] = version
        found: Found = []
        for _ in range(2):
            layer.init()
            load()
            found += state()
            layer.shutdown()
            del sys.modules["openai"]
        return [*found, *warnings]

    return program


# ---- how it looks


def look() -> Found:
    module = load()
    spec, loader = module.__spec__, module.__loader__
    assert spec is not None
    files = [spec.origin, module.__file__, module.__cached__, list(module.__path__)]
    kinds = [type(loader).__name__, loader is spec.loader, spec.name, module.__package__]
    return [*kinds, *files, inspect.getsource(module)]


def look_when_watched() -> Found:
    layer.init()
    return look()


# ---- the real package


def really() -> Found:
    sys.path.remove(os.environ["FAKE"])
    layer.init()
    with layer.session():
        from openai import OpenAI

        OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
    layer.flush(10)
    return [layer.instrumentation_status()["openai"], layer.stats()["sent"]]


def main() -> None:
    """Run each in a fork of this process, which has loaded what layer needs, and never openai."""
    logging.getLogger("layer_sdk").addHandler(Listening())
    layer.init()
    layer.shutdown()
    for name in sys.argv[1:]:
        if os.fork() == 0:
            program = globals().get(name) or of_version(name)
            sys.stdout.write(f"{json.dumps([name, program()])}\n")
            sys.exit()
        os.wait()


if __name__ == "__main__":
    main()
