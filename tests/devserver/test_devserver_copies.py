from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from pages import Page, action, created, said

from layer_sdk.devserver._requests import Received, as_curl, as_python

if TYPE_CHECKING:
    import httpx

HOSTILE = [
    "it's",
    "$(touch /tmp/x) `id` $HOME \\ \" ' ''",
    "line\nbreak\r\n\ttab",
    "'''\n\"\"\"\nEND\nEND_1\n",
    "@/etc/passwd",
    "{}; drop %s %(x)s {0} \\x41 \\N{DIGIT ONE}",
    "\u202egnp.exe \u2028 é 🚲",
    "-X DELETE",
    "!!",
]


def arguments_of(command: str) -> tuple[list[str], str]:
    """The arguments and the input that a shell gives curl for a command."""
    program = f"curl() {{ printf '%s\\0' \"$@\"; printf '\\1'; cat; }}\n{command}"
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".sh", newline="") as file:
        file.write(program)
        file.flush()
        done = _in_a_shell(file.name)
    given, _, read = done.partition(b"\1")
    return given.decode("utf-8").split("\0")[:-1], read.decode("utf-8")


def _in_a_shell(file: str) -> bytes:
    done = subprocess.run(
        ["/bin/sh", file],
        env={"LAYER_TOKEN": "secret", "HOME": "/home"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return done.stdout


def shown(layer: httpx.Client, path: str) -> tuple[str, str]:
    """The command for curl and the Python program that a page shows."""
    html = layer.get(path).raise_for_status().text
    texts = _Blocks(html)
    return texts.found["curl"], texts.found["python"]


class _Blocks(Page):
    """The exact texts of the blocks to copy."""

    def __init__(self, html: str) -> None:
        self.found: dict[str, str] = {}
        self._name = ""
        super().__init__(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        self._name = (dict(attrs).get("id") or "") if tag == "pre" else self._name

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        self._name = "" if tag == "pre" else self._name

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if self._name:
            self.found[self._name] = self.found.get(self._name, "") + data


def run(program: str) -> str:
    """What a program prints, in an interpreter of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("text", HOSTILE)
def test_a_shell_sees_the_body_and_nothing_else(text: str) -> None:
    """Whatever the body holds, a shell gives curl that body as one argument, and runs nothing of it."""
    for body in (text, json.dumps({"x": text}, ensure_ascii=False)):
        given, _ = arguments_of(as_curl(Received("appendAction", "POST", "/v1/it's", body), "http://127.0.0.1:1"))
        assert [
            "--request",
            "POST",
            "http://127.0.0.1:1/v1/it's",
            "--header",
            "Authorization: Bearer secret",
            "--header",
            "Content-Type: application/json",
            "--data-raw",
            body,
        ] == given


def test_a_long_body_is_given_as_input() -> None:
    """A body that is too long for an argument is given to curl as its input, to the letter."""
    for body in (json.dumps({"x": "'a $HOME `id` " + "é" * 100_000}, ensure_ascii=False), "a\nEND\nEND_1\n" * 20_000):
        given, read = arguments_of(as_curl(Received("createSession", "POST", "/v1/sessions", body), "http://h"))
        assert (["--data-binary", "@-"], body + "\n") == (given[-2:], read)


def test_the_program_sends_the_same_again(layer: httpx.Client) -> None:
    """The Python text records once more what was recorded, whatever that is."""
    text = "".join(HOSTILE)
    session_id = created(layer, [])
    layer.post(f"/v1/sessions/{session_id}/actions", json=said(text)).raise_for_status()
    _, program = shown(layer, f"/sessions/{session_id}/actions/1")
    assert "HTTPStatus.ACCEPTED" in run(program)
    actions = layer.get(f"/dev/sessions/{session_id}").json()["actions"]
    assert [text, text] == [one["data"]["messages"][0]["content"] for one in actions]


def test_a_creation_can_be_copied(layer: httpx.Client) -> None:
    """The request that created a session is shown, to the letter, with the session and with its actions."""
    body = '{"application_id": "shop",  "actions": [' + json.dumps(action()) + "]}"
    answer = layer.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    session_id = answer.json()["session_id"]
    links = [
        link for link in Page(layer.get(f"/sessions/{session_id}").text).values("a", "href") if "/creations/" in link
    ]
    for path in (links[0], f"/sessions/{session_id}/actions/1"):
        curl, program = shown(layer, path)
        assert body == arguments_of(curl)[0][-1]
        assert "HTTPStatus.CREATED" in run(program)


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/v1/applications", None, "HTTPStatus.OK"),
        ("GET", "/v1/sessions/2ed6657d-e927-568b-95e1-2665a8aea6a2", None, "HTTPStatus.OK"),
        ("POST", "/v1/applications", '{"name": "it\'s", "source": "manual"}', "HTTPStatus.CREATED"),
        ("POST", "/v1/sessions", '{"application_id": 7}', "422"),
        ("POST", "/v1/sessions", "@no json", "400"),
        ("POST", "/v1/sessions/%3Cb%3E/actions", '{"x": "<b>"}', "422"),
    ],
)
def test_any_request_can_be_copied(
    layer: httpx.Client, method: str, path: str, body: str | None, expected: str
) -> None:
    """Requests that recorded nothing, and those that were refused, are listed and can be copied, too."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer very-secret"}
    layer.request(method, path, content=body, headers=headers)
    page = layer.get("/requests")
    newest = next(link for link in Page(page.text).values("a", "href") if link.startswith("/requests/"))
    curl, program = shown(layer, newest)
    given, _ = arguments_of(curl)
    has_body = "/actions" not in path and body is not None
    assert [method, f"{str(layer.base_url).rstrip('/')}{path}"] == given[1:3]
    assert not has_body or body == given[-1]
    assert expected in run(program)
    assert "very-secret" not in page.text + curl + program


def test_a_body_that_was_not_kept_is_not_made_up(layer: httpx.Client) -> None:
    """Of a request with a large body, refused or not, the list keeps its size alone and says so."""
    layer.post("/v1/applications", json={"name": "n" * 40_000, "source": "manual"}).raise_for_status()
    newest = next(
        link for link in Page(layer.get("/requests").text).values("a", "href") if link.startswith("/requests/")
    )
    assert "too large to keep" in layer.get(newest).text


def test_a_refused_request_of_an_unknown_operation_has_a_program() -> None:
    """What no function of the client would send is sent by the client's own connection."""
    program = as_python(Received("createSession", "POST", "/v1/sessions", '"', status=400), "http://h")
    assert "get_httpx_client().request('POST', '/v1/sessions', content=content" in program
