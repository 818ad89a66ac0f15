"""A process that makes calls and ends in a way of choice. Run by endings.py.

It lets nothing leave this machine, and says at which address it stopped something.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
import time
from typing import Any, Callable

from peers import prepared


def stay_here(say: Callable[[str], object]) -> None:
    """Refuse every connection that leaves this machine, and every look-up of a name."""

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        else:
            return
        if not is_here(host):
            say(f"{event} {host}")
            raise PermissionError(f"{host} is outside this machine")

    sys.addaudithook(watch)


def is_here(host: Any) -> bool:
    """Tell an address of this machine."""
    try:
        return host in (None, "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def end(ending: str) -> None:
    """End; the end of the program is to do nothing."""
    if ending == "sys.exit":
        sys.exit(0)
    if ending == "exception":
        raise RuntimeError("an end of choice")
    if ending == "os._exit":
        os._exit(0)
    if ending in ("SIGTERM", "SIGKILL"):
        os.kill(os.getpid(), getattr(signal, ending))
        time.sleep(60)


def main() -> None:
    """Make calls, and end; `adopt` makes none, and waits for what an earlier process left."""
    name, openai_url, sink_url, ending, count = sys.argv[1:]
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a peer prints is no answer
    stay_here(lambda line: os.write(answers, f"{line}\n".encode()))
    peer = prepared(name).start(f"{sink_url}/{name}")
    if ending == "adopt":
        peer.flush()
    else:
        from calls import Calls

        call = Calls(openai_url, peer.wrapped).named("chat_1")
        for number in range(int(count)):
            call(number, {})
    os.write(answers, b"made\n")
    end(ending)


if __name__ == "__main__":
    main()
