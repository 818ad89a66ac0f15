"""The checks in their order, and what each needs of earlier ones. Each is bounded in time, and none stops the rest."""

from __future__ import annotations

import contextvars
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple, Sequence

from layer_sdk._deadline import within

from . import (
    _api,
    _application,
    _clock,
    _instrumentation,
    _network,
    _round_trip,
    _route,
    _settings,
    _spool,
    _tls,
    _tokens,
)
from ._report import FAILURE, SKIPPED, Finding, Verdict, failure, skipped

if TYPE_CHECKING:
    from ._subject import Subject, Target

# A check makes up to so many steps, each of which may take all the time that one may.
STEPS = 3


class Check(NamedTuple):
    """A check.

    Attributes:
        name: What it is called.
        judge: Makes it.
        needs: The checks without which it would say nothing new.
    """

    name: str
    judge: Callable[[Subject], Verdict]
    needs: Sequence[str] = ()


def plan(subject: Subject) -> list[Check]:
    """List the checks of a subject."""
    api, token = subject.target("api", "base_url"), subject.target("token", "oidc_token_url")
    firewall = subject.target("firewall", "firewall_base_url")
    checks = [Check("settings", _settings.judge)]
    reached: dict[str, str] = {}
    if api is None:
        checks += [Check(f"api.{part}", _no_address) for part in ("proxy", "name", "port", "tls")]
    for target in (api, token, firewall):
        if target is not None and target.shown not in reached:
            checks += _way(target)
            reached[target.shown] = f"{target.key}.tls"
    checks += [Check("token", _tokens.judge, [reached[token.shown]] if token else [])]
    if api is None:
        checks += [Check(name, _no_address) for name in ("api.netrc", "api", "clock", "application", "round_trip")]
    else:
        checks += _conversation(api)
    if firewall is not None:
        judge = partial(_judge_firewall, target=firewall)
        checks.append(Check("firewall", judge, [reached[firewall.shown], "token"]))
    return [*checks, Check("instrumentation", _instrumentation.judge), Check("spool", _spool.judge)]


def _judge_firewall(subject: Subject, target: Target) -> Verdict:
    return _round_trip.judge_firewall(subject, target)


def _way(target: Target) -> list[Check]:
    key = target.key
    return [
        Check(f"{key}.proxy", partial(_route.judge, target=target)),
        Check(f"{key}.name", partial(_network.judge_name, target=target), [f"{key}.proxy"]),
        Check(f"{key}.port", partial(_network.judge_port, target=target), [f"{key}.name"]),
        Check(f"{key}.tls", partial(_tls.judge, target=target), [f"{key}.port"]),
    ]


def _conversation(api: Target) -> list[Check]:
    return [
        Check("api.netrc", partial(_api.judge_netrc, target=api)),
        Check("api", partial(_api.judge, target=api), ["api.tls", "token"]),
        Check("clock", partial(_clock.judge, target=api), ["api.tls"]),
        Check("application", _application.judge, ["api"]),
        Check("round_trip", partial(_round_trip.judge, target=api), ["api", "application"]),
    ]


def _no_address(_: Subject) -> Verdict:
    return skipped("there is no base_url that can be used: see settings")


def findings(subject: Subject) -> Iterator[Finding]:
    """Make the checks, one after the other."""
    causes: dict[str, str] = {}  # of what did not succeed: the check that is to blame
    for check in plan(subject):
        cause = next((causes[name] for name in check.needs if name in causes), None)
        verdict = _bounded(check, subject) if cause is None else skipped(f"it needs {cause} to succeed")
        if verdict.state in (FAILURE, SKIPPED):
            causes[check.name] = cause or check.name
        yield Finding(check.name, verdict.state, subject.hidden(verdict.text), subject.hidden(verdict.advice))


def _bounded(check: Check, subject: Subject) -> Verdict:
    """Make a check in a thread: what asks for names, or trusts a host's code, ends when it likes."""
    found: list[Verdict] = []
    ends = time.monotonic() + STEPS * subject.seconds

    def run() -> None:
        try:
            with within(ends):
                found.append(check.judge(subject))
        except Exception as error:  # noqa: BLE001  (a doctor who stumbles still tells of the rest)
            found.append(_stumbled(error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="layer-doctor", daemon=True)
    thread.start()
    thread.join(STEPS * subject.seconds + 1)
    return found[0] if found else _endless(check, subject)


def _stumbled(error: Exception) -> Verdict:
    return failure(f"the check itself went wrong: {type(error).__name__}", "please report it, with the versions below")


def _endless(check: Check, subject: Subject) -> Verdict:
    seconds = STEPS * subject.seconds
    if check.name.endswith(".name"):
        return failure(
            f"the host cannot be resolved: no DNS answers within {seconds:g} s", "check this machine's DNS and VPN"
        )
    return failure(f"there is no end of it within {seconds:g} s", "try again with a longer --timeout")
