"""Whether Layer has the application that sessions are recorded for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._report import Verdict, ok, skipped, warning

if TYPE_CHECKING:
    from ._subject import Subject


def judge(subject: Subject) -> Verdict:
    """Say whether Layer has the application."""
    name, given = subject.values["application_name"], subject.values["application_id"]
    listed = subject.learned.applications
    ids = {str(each.get("name")): str(each.get("id")) for each in listed}
    known = ", ".join(f"{each} ({ids[each]})" for each in list(ids)[:5]) or "none"
    if given is not None:
        subject.learned.application_id = str(given)
        named_one = next((each for each, id_ in ids.items() if id_ == str(given)), None)
        if named_one is not None:
            return ok(f"Layer has {given}, {named_one!r}")
        return warning(
            f"Layer does not list the application {given}; it lists {known}",
            f"check {subject.labels['application_id']}, or set LAYER_APPLICATION_NAME in its place",
        )
    if name is None:
        return skipped("no application is named: see settings")
    subject.learned.application_id = ids.get(name)
    if name in ids:
        return ok(f"{name!r} is {ids[name]}")
    return warning(
        f"Layer does not list an application {name!r}: layer.init will create it; it lists {known}",
        f"check {subject.labels['application_name']} for a slip of the pen",
    )
