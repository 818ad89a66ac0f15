"""The doctor: what is set, what works, and what to do about what does not."""

from __future__ import annotations

from typing import Any, Callable

from layer_sdk._settings import OPTIONS

from ._checks import findings
from ._report import Finding, Report, Setting
from ._settings import subject_of
from ._versions import versions

__all__ = ["Finding", "Report", "Setting", "examine"]


def examine(
    *,
    timeout: float = 10.0,
    may_write: bool = True,
    on_settings: Callable[[tuple[Setting, ...]], object] | None = None,
    on_finding: Callable[[Finding], object] | None = None,
    **options: Any,
) -> Report:
    """Examine a set-up: the environment, and the options that an application gives to `layer.init`.

    Nothing raises but a wrong call; no secret and no token is in what it gives.

    Args:
        timeout: Seconds that each step may take.
        may_write: Whether a session, marked with the attribute `layer.doctor`, may be made to see whether it arrives.
        on_settings: Called with the settings before anything is checked.
        on_finding: Called with each finding as it is made.
        options: As for `layer.init`.

    Returns:
        The report.

    Example:
        >>> report = examine(base_url="https://layer.invalid", application_id="my-application")
        >>> [finding.state for finding in report.findings if finding.name == "api.name"]
        ['failure']
    """
    strange = sorted(set(options) - {name for option in OPTIONS for name in (option.name, option.alias) if name})
    if strange:
        raise TypeError(f"examine() got what is no option of layer.init: {', '.join(strange)}")
    subject, settings = subject_of(options, timeout, may_write=may_write)
    if on_settings is not None:
        on_settings(settings)
    found: list[Finding] = []
    for finding in findings(subject):
        found.append(finding)
        if on_finding is not None:
            on_finding(finding)
    if subject.values["http_session"] is None:
        subject.session.close()
    return Report(settings, tuple(found), versions())
