"""The file that sessions travel in: JSON, one object a line. docs/export.md describes it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Iterator, NamedTuple

from ._canonical import Members, NotJsonError, read, text_of, value_of, write

if TYPE_CHECKING:
    from ._canonical import Node

FORMAT = "layer-sdk sessions"
VERSION = "1"
LONGEST = 64 * 1024 * 1024


class FormatError(ValueError):
    """A line is not what it should be; the message names it."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number}: {what}")


class Line(NamedTuple):
    """A line of the file.

    Attributes:
        number: Counted from 1.
        kind: `header`, `session` or `action`.
        node: What the API takes of the session or action; the whole header.
        actions: How many actions follow, or are in the file.
    """

    number: int
    kind: str
    node: Members
    actions: int = 0


def header_line(sessions: int, actions: int) -> bytes:
    """Write the first line."""
    counts = [("sessions", str(sessions)), ("actions", str(actions))]
    return _line(Members([("format", text_of(FORMAT)), ("version", VERSION), *counts]))


def session_line(session: Members, actions: int) -> bytes:
    """Write the line of a session; its actions must follow, as many as it says."""
    return _line(Members([("actions", str(actions)), ("session", session)]))


def action_line(action: Node) -> bytes:
    """Write the line of an action of the session before."""
    return _line(Members([("action", action)]))


def read_lines(stream: IO[bytes]) -> Iterator[Line]:
    """Read the lines, one after the other; no more than one is held in memory.

    Raises:
        FormatError: If a line is none, or lines are missing.
    """
    number, missing = 0, 0
    for number, document in enumerate(_documents(stream), 1):
        line = _header(document) if number == 1 else _entry(number, document)
        if missing and line.kind != "action":
            raise FormatError(number, f"{missing} more actions of the session before should stand here")
        if line.kind == "action" and not missing:
            raise FormatError(number, "an action more than its session says; it would belong to none")
        missing = line.actions if line.kind == "session" else missing - (line.kind == "action")
        yield line
    if not number:
        raise FormatError(1, "is missing; the file is empty")
    if missing:
        raise FormatError(number + 1, f"{missing} actions are missing: the file was cut off; export it again")


def _documents(stream: IO[bytes]) -> Iterator[Members]:
    number = 0
    while True:
        raw = stream.readline(LONGEST + 1)
        if not raw:
            return
        number += 1
        if len(raw) > LONGEST:
            raise FormatError(number, f"has more than {LONGEST} bytes; this is no export")
        try:
            document = read(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise FormatError(number, f"is not UTF-8 at byte {error.start + 1}") from None
        except NotJsonError as error:
            ended = "" if raw.endswith(b"\n") else "; the file was cut off here"
            raise FormatError(number, f"is not JSON: {error}{ended}") from None
        if not isinstance(document, Members):
            raise FormatError(number, "is not a JSON object")
        yield document


def _header(document: Members) -> Line:
    if value_of(document.get("format")) != FORMAT:
        raise FormatError(1, f'is not the header of an export ("format": "{FORMAT}"); is this the right file?')
    if document.get("version") != VERSION:
        raise FormatError(1, f"is of a newer format, version {document.get('version')}; update the SDK")
    return Line(1, "header", document, _count(1, document))


def _entry(number: int, document: Members) -> Line:
    names = {name for name, _ in document}
    kind = "session" if "session" in names else "action"
    node = document.get(kind)
    if not isinstance(node, Members) or names - {kind, "actions"}:
        raise FormatError(number, 'is neither {"actions": ..., "session": {...}} nor {"action": {...}}')
    return Line(number, kind, node, _count(number, document) if kind == "session" else 0)


def _count(number: int, document: Members) -> int:
    count: Any = document.get("actions")
    if not (isinstance(count, str) and count.isdigit() and len(count) < 16):
        raise FormatError(number, '"actions" is not a number from 0 on')
    return int(count)


def _line(document: Members) -> bytes:
    return f"{write(document)}\n".encode()
