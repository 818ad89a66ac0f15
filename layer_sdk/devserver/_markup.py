"""Recorded text as markup: code and JSON coloured, and what policies found marked. All of it is escaped here."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Iterable, Iterator, List, Tuple

from markupsafe import Markup, escape

# A stretch of a text, and what it is: a class of the stylesheet, or the name of a policy.
Stretch = Tuple[int, int, str]
Find = Callable[[str], List[Stretch]]

_LONGEST = 20_000
_LONGEST_COLOURED = 30_000
_FOLDED_FROM = 15
_FENCE = re.compile(r"^[ ]{0,3}```[ ]*([\w+#.-]{0,20})[^\n`]*\n(.*?)(?:^[ ]{0,3}```[ ]*$|\Z)", re.DOTALL | re.MULTILINE)
_JSON = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")(?P<name>:)?|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)')
_CODE = (
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\]|\\.)*`?)"""
    r"""|(?P<number>\b\d[\w.]*)|(?P<word>\b[A-Za-z_]\w*)"""
)
_COMMENTS = {
    "#": ("python", "py", "sh", "bash", "shell", "zsh", "ruby", "rb", "yaml", "yml", "toml", "r", "perl", "make"),
    "//": ("js", "javascript", "ts", "typescript", "jsx", "tsx", "c", "cpp", "c++", "cs", "java", "go", "rust", "php"),
    "--": ("sql", "lua", "haskell"),
}
_WORDS = (
    "and as assert async await begin bool boolean break case catch class const continue create def default del "
    "delete do elif else end enum except export extends extern false final finally fn for from func function "
    "go group if impl import in insert instanceof int interface into is join lambda let limit long match mod "
    "module mut new nil none not null on or order package pass private protected pub public raise return "
    "select self set static str string struct super switch table then this throw trait true try type typeof "
    "union update use using values var void where while with yield True False None SELECT FROM WHERE AND OR "
    "NOT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE JOIN ON GROUP ORDER BY LIMIT AS NULL "
)
_KEYWORDS = frozenset(_WORDS.split())
# What a terminal or a parser would act on is shown as the sign for it.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"}
_CONTROLS[0x7F] = 0x2421


def found_nothing(_text: str) -> list[Stretch]:
    """Mark nothing."""
    return []


def prose(text: str, find: Find = found_nothing, longest: int = _LONGEST) -> Markup:
    """A text as somebody said it: paragraphs as they were written, fenced code and JSON folded and coloured."""
    shown, cut = text[:longest], len(text) - longest
    value = _json_of(shown) if cut <= 0 else None
    body = document(value, find) if value is not None else Markup("").join(_passages(shown, find))
    return body + _cut(cut) if cut > 0 else body


def document(value: Any, find: Find = found_nothing, longest: int = _LONGEST) -> Markup:
    """A JSON value, indented, coloured, and folded where it is long."""
    text = indented(value)
    return _folded("JSON", text[:longest], _json_stretches, find) + _cut(len(text) - longest)


def coloured_json(text: str, find: Find = found_nothing) -> Markup:
    """JSON text, coloured where it is not too long for that."""
    return _woven(text, _json_stretches(text) if len(text) <= 10 * _LONGEST_COLOURED else (), find(text))


def indented(value: Any) -> str:
    """A value as indented JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=2)
    except RecursionError:
        return "(nested too deeply to show)"


def _cut(characters: int) -> Markup:
    return (
        Markup('<p class="cut">{:,} more characters are in the JSON.</p>').format(characters)
        if characters > 0
        else Markup()
    )


def _passages(text: str, find: Find) -> Iterator[Markup]:
    at = 0
    for fence in _FENCE.finditer(text):
        yield _paragraph(text[at : fence.start()], find)
        yield _code(fence[1], fence[2], find)
        at = fence.end()
    yield _paragraph(text[at:], find)


def _paragraph(text: str, find: Find) -> Markup:
    text = text.strip("\n")
    return Markup('<p class="text" dir="auto">{}</p>').format(_woven(text, (), find(text))) if text else Markup()


def _code(language: str, text: str, find: Find) -> Markup:
    if language.lower() == "json":
        return _folded("JSON", text.rstrip("\n"), _json_or_nothing, find)
    return _folded(language or "code", text.rstrip("\n"), lambda code: _code_stretches(code, language), find)


def _folded(name: str, text: str, colour: Callable[[str], Iterable[Stretch]], find: Find) -> Markup:
    stretches = colour(text) if len(text) <= _LONGEST_COLOURED else ()
    lines = text.count("\n") + 1
    # tabindex: who has no mouse scrolls what is wide by keys, too.
    block = Markup('<pre class="code" tabindex="0" role="group" aria-label="{}"><code>{}</code></pre>').format(
        name, _woven(text, stretches, find(text))
    )
    if lines == 1:
        return block
    fold = Markup('<details class="fold"{}><summary>{}, {:,} lines</summary>{}</details>')
    return fold.format(Markup(" open") if lines <= _FOLDED_FROM else "", name, lines, block)


def _json_of(text: str) -> Any:
    stripped = text.strip()
    if not stripped.startswith(("{", "[")) or len(stripped) < 3:
        return None
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return None


def _json_or_nothing(text: str) -> Iterable[Stretch]:
    # On what is no JSON the expression for strings would be slow.
    return _json_stretches(text) if _json_of(text) is not None else ()


def _json_stretches(text: str) -> Iterator[Stretch]:
    for match in _JSON.finditer(text):
        name = "name" if match["name"] else match.lastgroup or ""
        start, end = match.span("string") if name == "name" else match.span()
        yield start, end, f"c-{name}"


def _code_stretches(text: str, language: str) -> Iterator[Stretch]:
    sign = next((sign for sign, languages in _COMMENTS.items() if language.lower() in languages), None)
    comment = rf"(?P<comment>{re.escape(sign)}[^\n]*)|" if sign else ""
    for match in re.finditer(comment + _CODE, text):
        kind = match.lastgroup or ""
        if kind != "word" or match[0] in _KEYWORDS:
            yield match.start(), match.end(), f"c-{kind}"


def _woven(text: str, colours: Iterable[Stretch], marks: Iterable[Stretch]) -> Markup:
    """A text with colours and marks, neither of which overlap among themselves."""
    marks = list(marks)
    pieces: list[str] = []
    for start, end, name in _without_gaps(colours, len(text)):
        inner = "".join(_marked(text, start, end, marks))
        pieces.append(f'<span class="{name}">{inner}</span>' if name else inner)
    return Markup("".join(pieces))  # noqa: S704 - each piece was escaped


def _without_gaps(stretches: Iterable[Stretch], length: int) -> Iterator[Stretch]:
    at = 0
    for start, end, name in stretches:
        if start > at:
            yield at, start, ""
        yield start, end, name
        at = end
    if at < length:
        yield at, length, ""


def _marked(text: str, start: int, end: int, marks: list[Stretch]) -> Iterator[str]:
    at = start
    for found_at, found_to, policy in marks:
        first, last = max(found_at, at), min(found_to, end)
        if first >= last:
            continue
        yield _escaped(text[at:first])
        yield f'<mark title="{_escaped(policy)}">{_escaped(text[first:last])}</mark>'
        at = last
    yield _escaped(text[at:end])


def _escaped(text: str) -> str:
    return str(escape(text.translate(_CONTROLS)))
