"""What the doctor finds, as values: how it is shown is somebody else's affair."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

OK, WARNING, FAILURE, SKIPPED = "ok", "warning", "failure", "skipped"


class Verdict(NamedTuple):
    """What one check comes to.

    Attributes:
        state: `ok`, `warning`, `failure` or `skipped`.
        text: What was found, in a sentence.
        advice: What to do about it; empty where there is nothing to do.
    """

    state: str
    text: str
    advice: str = ""


def ok(text: str) -> Verdict:
    """All is well."""
    return Verdict(OK, text)


def warning(text: str, advice: str) -> Verdict:
    """It works, and something is strange about it."""
    return Verdict(WARNING, text, advice)


def failure(text: str, advice: str) -> Verdict:
    """It does not work."""
    return Verdict(FAILURE, text, advice)


def skipped(text: str) -> Verdict:
    """It was not looked at."""
    return Verdict(SKIPPED, text)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: The check, such as `api.tls`.
        state: `ok`, `warning`, `failure` or `skipped`.
        text: What was found, in a sentence.
        advice: What to do about it; empty where there is nothing to do.
    """

    name: str
    state: str
    text: str
    advice: str = ""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: What it is called.
        value: What it is, with `***` for what is secret; None where it has no value.
        origin: `argument`, `default`, or `environment variable` and its name.
    """

    name: str
    value: str | None
    origin: str


@dataclass(frozen=True)
class Report:
    """All that the doctor found.

    Attributes:
        settings: Each setting.
        findings: Each check, in the order in which they were made.
        versions: Of this SDK, and of what it runs on.
    """

    settings: tuple[Setting, ...]
    findings: tuple[Finding, ...]
    versions: dict[str, str]

    @property
    def state(self) -> str:
        """The worst that was found: `failure`, `warning` or `ok`."""
        found = {finding.state for finding in self.findings}
        return next((state for state in (FAILURE, WARNING) if state in found), OK)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each state."""
        found = Counter(finding.state for finding in self.findings)
        return {state: found[state] for state in (OK, WARNING, FAILURE, SKIPPED)}

    def as_json(self) -> dict[str, Any]:
        """Give it as what JSON can hold. The keys stay from release to release; checks may be added."""
        return {
            "state": self.state,
            "counts": self.counts,
            "settings": [asdict(setting) for setting in self.settings],
            "checks": [asdict(finding) for finding in self.findings],
            "versions": dict(self.versions),
        }
