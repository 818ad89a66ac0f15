"""Whether calls of the providers' packages that are installed here will be recorded."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from layer_sdk.instrumentation import KNOWN, supported

from ._report import Verdict, failure, ok, warning

if TYPE_CHECKING:
    from ._subject import Subject


def judge(subject: Subject) -> Verdict:
    """Look at the version that is installed, and at what is disabled."""
    disabled = subject.values["disable_instrumentations"] or frozenset()
    strange = sorted(disabled - KNOWN)
    if strange:
        return warning(
            f"{subject.labels['disable_instrumentations']} names {', '.join(strange)}, which is no provider",
            f"it may name {' and '.join(sorted(KNOWN))}",
        )
    try:
        version = metadata.version("openai")
    except metadata.PackageNotFoundError:
        return ok("openai is not installed here: there is nothing to record of it")
    if "openai" in disabled:
        return ok(f"openai {version} is disabled by {subject.labels['disable_instrumentations']}")
    is_supported, versions = supported(version)
    if is_supported:
        return ok(f"calls of openai {version} are recorded after layer.init")
    return failure(
        f"calls of openai {version} are not recorded: that version is not supported",
        f'pip install "openai{versions}", or set LAYER_DISABLE_INSTRUMENTATIONS=openai',
    )
