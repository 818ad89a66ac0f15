"""The life of the process around the engines: fork, the end of the interpreter, and children that skip its end."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

from layer_sdk import _fork
from layer_sdk._log import guard

if TYPE_CHECKING:
    from types import FrameType

    from ._background import BackgroundDelivery

_engines: weakref.WeakSet[BackgroundDelivery] = weakref.WeakSet()
_hooked: set[str] = set()
_before: list[Callable[[], None]] = []
_ended: set[int] = set()  # the process whose end has begun; a forked child has another id


def watch(engine: BackgroundDelivery) -> None:
    """Look after an engine from now on."""
    _engines.add(engine)
    _fork.watch(engine)
    _hook_end()
    hook_children()


def before_end(act: Callable[[], None]) -> None:
    """Have something done when the process ends, before what is recorded is delivered for the last time."""
    if act not in _before:
        _before.append(act)
    _hook_end()  # delivery inline has no engine to be looked after


def _hook_end() -> None:
    if "atexit" not in _hooked:
        _hooked.add("atexit")
        # urllib3 empties its pools by weakref.finalize, which hooks in at its first use: have that now, so that it
        # comes after us. A session with pools that block would wait for ever for a connection.
        weakref.finalize(_end, int)
        atexit.register(_end)


def hook_children() -> None:
    """Have the end of this process flush where atexit does not run.

    multiprocessing's children end with os._exit after their own finalizers, and Celery's after one signal only. Called
    at the beginning and when a process records for the first time: either may have been imported in between.
    """
    util = sys.modules.get("multiprocessing.util")
    if hasattr(util, "Finalize"):  # else another thread is importing it
        _hook_multiprocessing(util)
    shutdown = getattr(sys.modules.get("celery.signals"), "worker_process_shutdown", None)
    if shutdown is not None and "celery" not in _hooked:
        shutdown.connect(_end_of_celery_child, weak=False)
        _hooked.add("celery")


def _hook_multiprocessing(util: Any) -> None:
    if "multiprocessing" not in _hooked:
        util.register_after_fork(_end, _hook_child)
        _hooked.add("multiprocessing")
    if f"process {os.getpid()}" not in _hooked:
        _hook_child()
    parent_process = getattr(sys.modules.get("multiprocessing"), "parent_process", None)
    if not is_main_alive() and parent_process is not None and parent_process() is not None:
        _ended.add(os.getpid())  # a thread that begins when the child's finalizers have run


def _hook_child(_: object = None) -> None:
    """Hook into the end of this process; a forked child begins with no finalizers."""
    sys.modules["multiprocessing.util"].Finalize(None, _end, exitpriority=10)
    _hooked.add(f"process {os.getpid()}")


def is_late() -> bool:
    """Tell whether the main thread or the whole process has come to its end. Asked at each recording."""
    return bool(_ended) or not is_main_alive()


def is_ending() -> bool:
    """Tell whether the process ends and nobody comes after us to send what is recorded now.

    That the main thread has ended says nothing alone: the interpreter waits for the others, which may go on for days.
    """
    return os.getpid() in _ended or (threading.get_ident() == threading.main_thread().ident and not is_main_alive())


def is_main_alive() -> bool:
    """Tell whether the main thread goes on: when it has ended, some Pythons refuse to start threads.

    Up to Python 3.12 `is_alive()` tries the thread's lock, and a signal handler that raises in there leaves the main
    thread stopped for ever. The mark alone says enough: the interpreter sets it before atexit.
    """
    main = threading.main_thread()
    is_stopped: bool | None = getattr(main, "_is_stopped", None)
    return main.is_alive() if is_stopped is None else not is_stopped


def _end_of_celery_child(**_: Any) -> None:
    _end()


def _end() -> None:
    """End all engines within the budget of the most patient one; while one is waited for, the others' workers go on."""
    _ended.clear()
    _ended.add(os.getpid())
    for act in _before:
        with guard("getting ready for the end of the process"):
            act()
    engines = list(_engines)
    budgets = [engine._exit_budget for engine in engines]  # noqa: SLF001  (a part of theirs: they end one by one there)
    ends = time.monotonic() + max(budgets, default=0.0)
    for engine in engines:
        with guard("delivering what is left at the end of the process"):
            engine.end(ends - time.monotonic())
    _keep_interrupted()


def _keep_interrupted() -> None:
    """Let a program that Ctrl-C ended still end by SIGINT, as its shell expects.

    Python notes that the main module was left by KeyboardInterrupt, and forgets it when a text is run as code, which
    many a module does that is imported to deliver what is left. Leaving a text in that way has it noted again.
    """
    trace = getattr(sys, "last_traceback", None)
    is_main = trace is not None and trace.tb_frame.f_back is None and not hasattr(sys, "ps1")
    if is_main and getattr(sys, "last_type", None) is KeyboardInterrupt:
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102  (a text of our own)


def install_sigterm_handler() -> None:
    """Turn SIGTERM into the exception that ends a program in order; chains to the handler that was there before."""
    import signal

    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, handle)
