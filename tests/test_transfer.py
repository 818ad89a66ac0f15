"""Export and import: the same bytes again, whatever was recorded, and nothing twice."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layer_sdk.devserver import Server
from layer_sdk.transfer import FormatError, Import, Source, Wanted, export, read_lines, target
from layer_sdk.transfer._canonical import NotJsonError, read, write

if TYPE_CHECKING:
    from scripted_server import ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
TIMES = {"start_time": "2026-03-02T09:30:00Z", "end_time": "2026-03-02T09:30:02.500000001Z"}
JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Half of a surrogate pair, NUL and what steers a terminal are texts, too.
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
# As text: none of these comes out of Python's own reader as it went in.
NUMBERS = ("1e400", "-0", "-0.0", "1.0", "1E+2", "0.1000", "1" * 4000, "1e-999999", "12345678901234567890123")


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[Server, Server]]:
    """Two embedded Layers."""
    with Server() as here, Server() as there:
        yield here, there


@pytest.fixture
def fresh() -> Iterator[Server]:
    """An embedded Layer that has nothing."""
    with Server() as server:
        yield server


def session_id() -> str:
    return str(uuid.uuid5(uuid.uuid4(), "session"))


def record(server: Server, body: str, path: str = "/v1/sessions") -> None:
    headers = {"Content-Type": "application/json"}
    answer = requests.post(server.url + path, data=body.encode(), headers=headers, timeout=60)
    assert answer.ok, answer.text


def a_session(server: Server, *actions: str, **members: Any) -> str:
    """Record a session with actions that are JSON already; its id."""
    about = {"application_id": "shop", "session_id": session_id(), **TIMES, **members}
    text = json.dumps(about)
    record(server, f'{text[:-1]}, "actions": [{", ".join(actions)}]}}')
    return str(about["session_id"])


def an_action(data: str = "null", more: str = "") -> str:
    return f'{{"kind": "completion_output", {json.dumps(TIMES)[1:-1]}, "data": {data}{more}}}'


def exported(server: Server, *ids: str) -> bytes:
    out = io.BytesIO()
    export(Source(server.url), Wanted(ids), out.write, lambda _done, _total: None)
    return out.getvalue()


def imported(server: Server, content: bytes) -> Import:
    with target(server.url) as to:
        work = Import(to, None, lambda _done, _total: None)
        work.run(read_lines(io.BytesIO(content)))
    return work


def ran(*words: str, given: bytes | None = None, url: str = "") -> tuple[int, bytes, str]:
    """Run the command line: its status, what it printed, and what it complained of."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": "generated:.", "LAYER_BASE_URL": url}
    command = [sys.executable, "-W", "error", "-m", "layer_sdk", *words]
    done = subprocess.run(command, cwd=ROOT, env=environ, input=given, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


# ---- the same bytes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    attributes=st.dictionaries(st.text(max_size=9), st.text(st.characters(exclude_categories=())), max_size=3),
    values=st.lists(JSONS, max_size=5),
    numbers=st.lists(st.sampled_from(NUMBERS), max_size=4),
)
def test_export_import_and_export_again_give_the_same_bytes(
    two: tuple[Server, Server], attributes: dict[str, str], values: list[Any], numbers: list[str]
) -> None:
    """Whatever was recorded comes out of a second Layer as it came out of the first."""
    here, there = two
    actions = [an_action(json.dumps({"value": value})) for value in values]
    actions += [an_action(f'{{"number": {number}}}', f', "later": {number}') for number in numbers]
    recorded_id = a_session(here, *actions, attributes=attributes)
    first = exported(here, recorded_id)
    work = imported(there, first)
    assert ([], [], len(actions)) == (work.refused, work.renamed, work.actions)
    assert first == exported(there, recorded_id)
    lines = [json.loads(line) for line in first.splitlines()]
    for line, value in zip(lines[2:], values):
        assert value == line["action"]["data"]["value"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:9])
def test_numbers_stay_as_they_were_written(two: tuple[Server, Server], number: str) -> None:
    """What no float can hold, and what a float would write in another way, stands in the file as it was sent."""
    recorded_id = a_session(two[0], an_action(f'{{"n": {number}}}'))
    assert f'"data":{{"n":{number}}}'.encode() in exported(two[0], recorded_id)


def test_whole_layers_travel_through_a_pipe(two: tuple[Server, Server], fresh: Server, tmp_path: Path) -> None:
    """All sessions, in order, by the command line: out of one, into another, the same bytes, a second time too."""
    for number in range(3):
        a_session(two[0], an_action(f'{{"n": {number}}}'), an_action('{"deep": ' + "[" * 300 + "]" * 300 + "}"))
    status, first, told = ran("export", "-", url=two[0].url)
    assert (0, 1) == (status, told.count("exported "))
    for _ in range(2):
        assert (0, "") == ran("import", "-", given=first, url=fresh.url)[::2]
        file = tmp_path / "again.jsonl"
        assert (0, b"") == ran("export", str(file), url=fresh.url)[:2]
        assert first == file.read_bytes()
    assert ["again.jsonl"] == [path.name for path in tmp_path.iterdir()]


def test_names_of_ours_in_an_action_stay_its_own(two: tuple[Server, Server]) -> None:
    """An action that has a member `received_at` itself keeps it; when the server received it is not exported."""
    recorded_id = a_session(two[0], an_action(more=', "received_at": "never"'))
    first = exported(two[0], recorded_id)
    assert 1 == first.count(b'"received_at":"never"') == first.count(b"received_at")


def test_file_of_a_layer_that_does_not_run(tmp_path: Path) -> None:
    """`--db` reads the file of an embedded Layer that nobody runs; one that is not there is a wrong usage."""
    from layer_sdk.devserver import Settings

    with Server(Settings(database=tmp_path / "layer.db")) as server:
        a_session(server, an_action())
        expected = exported(server)
    assert (0, expected) == ran("export", "--db", str(tmp_path / "layer.db"), "-")[:2]
    assert 2 == ran("export", "--db", str(tmp_path / "other.db"), "-")[0]


def test_selection(fresh: Server) -> None:
    """Sessions are chosen by application, by when they began, and by id."""
    early = a_session(fresh, application_id="early", start_time="2026-01-01T00:00:00Z")
    late = a_session(fresh, application_id="late", start_time="2026-02-01T01:00:00+02:00")
    chosen = {
        ("--application", "late"): [late],
        ("--since", "2026-01-31T23:00:00Z"): [late],
        ("--since", "2026-02-01"): [],
        ("--until", "2026-01-31T23:00Z"): [early],
        ("--session", early.upper(), "--session", late): [early, late],
        (): [early, late],
    }
    for words, expected in chosen.items():
        status, told, _ = ran("export", *words, "-", url=fresh.url)
        lines = [json.loads(line) for line in told.decode().splitlines()]
        assert (0, expected) == (status, [line["session"]["session_id"] for line in lines[1:]])
    assert 2 == ran("export", "--since", "yesterday", "-")[0]
    assert 2 == ran("export", "--since", "2026-02-01", "--session", early, "-")[0]


# ---- interrupted, refused, large


def a_file(sessions: int, actions: int) -> bytes:
    def lines() -> Iterator[str]:
        total = sessions * actions
        yield f'{{"actions":{total},"format":"layer-sdk sessions","sessions":{sessions},"version":1}}'
        for _ in range(sessions):
            about = {"application_id": "shop", "attributes": {}, "session_id": session_id()}
            yield f'{{"actions":{actions},"session":{json.dumps(about, separators=(",", ":"))}}}'
            # Equal actions, too, must each arrive as often as they stand there.
            yield from ('{"action":' + write(read(an_action(f'{{"n":{n // 2}}}'))) + "}" for n in range(actions))

    return "".join(f"{line}\n" for line in lines()).encode()


def test_import_that_is_killed_goes_on_and_doubles_nothing(fresh: Server, tmp_path: Path) -> None:
    """After a SIGKILL in the middle the same command brings the rest, and the export is the file."""
    file = tmp_path / "sessions.jsonl"
    file.write_bytes(a_file(3, 600))
    environ = {"PYTHONPATH": "generated:.", "LAYER_BASE_URL": fresh.url}
    command = [sys.executable, "-m", "layer_sdk", "import", str(file)]
    for least in (230, 900):
        with subprocess.Popen(command, cwd=ROOT, env=environ) as working:
            wait_for(lambda least=least: Source(fresh.url).totals()[1] >= least)  # type: ignore[misc]
            working.send_signal(signal.SIGKILL)
    assert 1800 > Source(fresh.url).totals()[1]
    assert (0, b"imported 3 sessions, 1800 actions\n", "") == ran("import", str(file), url=fresh.url)
    assert file.read_bytes() == exported(fresh)


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_session_that_is_refused_stops_no_other(fresh: Server, tmp_path: Path) -> None:
    """It is named with its line and what the server said; the others are recorded, and the status is 1."""
    file = tmp_path / "sessions.jsonl"
    good, bad, also = (a_file(1, 2).splitlines(keepends=True)[1:] for _ in range(3))
    bad[1] = bad[1].replace(b"completion_output", b"gossip")
    header = b'{"actions":6,"format":"layer-sdk sessions","sessions":3,"version":1}\n'
    file.write_bytes(b"".join([header, *good, *bad, *also]))
    status, told, complaint = ran("import", str(file), url=fresh.url)
    assert (1, b"imported 2 sessions, 4 actions; 1 sessions refused\n") == (status, told)
    assert complaint.startswith("line 5: session ")
    assert "422" in complaint
    assert (2, 4) == Source(fresh.url).totals()


def test_refusal_in_the_middle_of_a_session(fresh: Server) -> None:
    """An append that is refused ends its session there; what follows is not taken for another session's."""
    lines = a_file(2, 300).splitlines(keepends=True)
    lines[251] = lines[251].replace(b"completion_output", b"gossip")
    work = imported(fresh, b"".join(lines))
    assert ([2], 1) == ([each.number for each in work.refused], work.sessions)
    assert (2, 249 + 300) == Source(fresh.url).totals()


def test_server_in_trouble_ends_the_import(scripted: Callable[..., ScriptedServer], tmp_path: Path) -> None:
    """What is no fault of a session, such as 401, ends the import and says what to do."""
    from scripted_server import Answer

    file = tmp_path / "sessions.jsonl"
    file.write_bytes(a_file(2, 1))
    server = scripted(Answer(401))
    status, _, complaint = ran("import", str(file), url=server.url)
    assert 1 == status
    assert "401" in complaint
    assert "run the same command again" in complaint
    assert "imported 0 sessions" in complaint
    assert 1 == len(server.asked)


def test_session_with_an_id_of_the_server_gets_one_that_the_api_takes(
    fresh: Server, two: tuple[Server, Server]
) -> None:
    """Clients may choose version 5 UUIDs alone; another id becomes one of these, the same each time, and is told."""
    answer = requests.post(two[0].url + "/v1/sessions", json={"application_id": "shop"}, timeout=10).json()
    first = exported(two[0], answer["session_id"])
    if uuid.UUID(answer["session_id"]).version == 5:
        first = first.replace(answer["session_id"].encode(), str(uuid.uuid4()).encode())
    renamed = [imported(fresh, first).renamed for _ in range(2)]
    assert renamed[0] == renamed[1]
    assert 5 == uuid.UUID(renamed[0][0][1]).version
    assert (1, 0) == Source(fresh.url).totals()


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the most memory of a process")
def test_memory_is_bounded(fresh: Server, tmp_path: Path) -> None:
    """50,000 actions need hardly more memory than 500, both ways."""
    peaks = {}
    for sessions in (5, 500):
        file = tmp_path / f"{sessions}.jsonl"
        file.write_bytes(a_file(sessions, 100))
        peaks[sessions] = [
            peak("import", str(file), url=fresh.url),
        ]
        peaks[sessions].append(peak("export", str(tmp_path / "out.jsonl"), url=fresh.url))
    growth = [large - small for small, large in zip(peaks[5], peaks[500])]
    sys.stdout.write(f"import and export grew by {growth} KiB from {peaks[5]}\n")
    assert 50_500 == Source(fresh.url).totals()[1]
    assert [True, True] == [each < 24 * 1024 for each in growth]


def peak(*words: str, url: str) -> int:
    """Run a command; the most memory that it had, in KiB. What getrusage says would count this process, too."""
    program = (
        "import re, sys\nfrom layer_sdk.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(status, re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    environ = {"PYTHONPATH": "generated:.", "LAYER_BASE_URL": url}
    command = [sys.executable, "-c", program, *words]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300, check=True)
    status, peak_ = done.stdout.split()[-2:]
    assert "0" == status, done.stderr
    return int(peak_)


# ---- what is no export, and no embedded Layer

HEADER = '{"format":"layer-sdk sessions","version":1,"sessions":1,"actions":1}\n'
SESSION = '{"actions":1,"session":{"application_id":"a","session_id":"2ed6657d-e927-568b-95e1-2665a8aea6a2"}}\n'
ACTION = '{"action":{}}\n'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "line 1: is missing"),
        ("hello", "line 1: is not JSON"),
        ("[]\n", "line 1: is not a JSON object"),
        ("{}\n", "line 1: is not the header"),
        (HEADER.replace(':1,"s', ':2,"s'), "line 1: is of a newer format, version 2"),
        (HEADER + ACTION, "line 2: an action more"),
        (HEADER + SESSION, "line 3: 1 actions are missing: the file was cut off"),
        (HEADER + SESSION + SESSION, "line 3: 1 more actions"),
        (HEADER + SESSION + ACTION[:9], "line 3: is not JSON"),
        (HEADER + SESSION + ACTION[:9], "the file was cut off here"),
        (HEADER + SESSION.replace("2ed6657d", "x"), "line 2: the session has no"),
        (HEADER + SESSION.replace('"actions":1', '"actions":"1"'), 'line 2: "actions" is not a number'),
        (HEADER + SESSION + '{"action":[]}\n', "line 3: is neither"),
    ],
)
def test_what_is_no_export_is_told_with_its_line(
    content: str, complaint: str, tmp_path: Path, scripted: Callable[..., ScriptedServer]
) -> None:
    """The message names the line and what is wrong there."""
    from scripted_server import Answer

    server = scripted(Answer(201, b"{}"))
    with pytest.raises(FormatError) as raised:
        imported(server, content.encode())  # type: ignore[arg-type]
    assert complaint in str(raised.value)


def test_bytes_that_are_no_text(fresh: Server) -> None:
    """What is not UTF-8 is told with its line, and the status is 1."""
    status, _, complaint = ran("import", "-", given=HEADER.encode() + b"\xff", url=fresh.url)
    assert 1 == status
    assert "layer-sdk import: line 2: is not UTF-8 at byte 1\n" in complaint
    assert "Traceback" not in complaint


def test_file_that_is_not_there(fresh: Server, tmp_path: Path) -> None:
    """It is named, and the status is 1."""
    status, told, complaint = ran("import", str(tmp_path / "none.jsonl"), url=fresh.url)
    assert (1, b"", 1) == (status, told, complaint.count("\n"))
    assert "none.jsonl" in complaint


def test_export_tells_what_is_no_embedded_layer(
    fresh: Server, scripted: Callable[..., ScriptedServer], tmp_path: Path
) -> None:
    """A server that is away, another kind of server, and a session that is not there: a line that says so, status 1."""
    from scripted_server import Answer

    file = tmp_path / "out.jsonl"
    cases = {
        "http://127.0.0.1:9": "does not answer",
        scripted(Answer(404)).url: "is no embedded Layer",
        scripted(Answer(200, b"<html>")).url: "another server",
        scripted(Answer(401)).url: "--token",
    }
    for url, complaint in cases.items():
        status, told, said = ran("export", str(file), url=url)
        assert (1, b"", 1) == (status, told, said.count("\n")), said
        assert complaint in said
    assert f"has no session {'0' * 8}" in ran("export", "--session", "0" * 8, str(file), url=fresh.url)[2]
    assert [] == list(tmp_path.iterdir())


# ---- the canonical form


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (' { "b" : 1.0 , "a" : [ 1e400 , -0 ] } ', '{"a":[1e400,-0],"b":1.0}'),
        ('"\\u0041\\/\\ud800\\u0000\\ud83d\\ude00"', '"A/\\ud800\\u0000\N{GRINNING FACE}"'),
        ('{"a":{"b":[]},"a":{}}', '{"a":{"b":[]},"a":{}}'),
        ("[" * 100_000 + "]" * 100_000, "[" * 100_000 + "]" * 100_000),
    ],
    ids=["order", "texts", "twice", "deep"],
)
def test_canonical_form(given_: str, expected: str) -> None:
    """Names are sorted, texts are as short as they can be, numbers stay; the form of the form is the form."""
    assert expected == write(read(given_)) == write(read(expected))


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", '{"a"}', '{"a":1,}', "nul", "[1 2]", '"\\x"', "1 2", "01", '"\n"', "NaN", "{1:2}"]
)
def test_what_is_no_json_is_not_read(text: str) -> None:
    """Python's own reader refuses the same."""
    with pytest.raises(NotJsonError):
        read(text)


@given(st.text('[]{},:"\\ 01.-eEtrufalsn\ud800\n', max_size=12))
def test_reads_what_python_reads_and_nothing_else(text: str) -> None:
    """A text is JSON for the one exactly when it is for the other."""

    def taken(reader: Callable[[str], Any]) -> bool:
        try:
            reader(text)
        except ValueError:
            return False
        return True

    assert taken(json.loads) == taken(read)
