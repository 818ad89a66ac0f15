"""Run `layer-sdk doctor` in this process, and read what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from layer_sdk.cli import main
from scripted_server import Answer, Asked

if TYPE_CHECKING:
    import pytest

JSON = {"Content-Type": "application/json"}
APPLICATION = "53ad4290-bf1a-4f68-b182-6026e869b8cd"
SESSION = "2ed6657d-e927-568b-95e1-2665a8aea6a2"
SECRET = "s3cr3t-of-the-client"
TOKEN = "t0k3n-of-the-provider"
PASSWORD = "p4ssw0rd-of-somebody"


class Examined(NamedTuple):
    """What the doctor did.

    Attributes:
        status: The exit status.
        output: All that was printed.
    """

    status: int
    output: str

    def line(self, name: str) -> str:
        """The one line of a check."""
        (found,) = [line for line in self.output.splitlines() if line.split("  ")[1:] and line.split()[1] == name]
        return found

    @property
    def failures(self) -> list[str]:
        """The lines of what fails."""
        return [line for line in self.output.splitlines() if line.startswith("failure ")]


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> Examined:
    """Run the doctor; no secret of a test may be in what it prints, whatever way it prints it."""
    capsys.readouterr()
    status = main(["doctor", "--timeout", "2", *words])
    printed = capsys.readouterr()
    whole = printed.out + printed.err
    assert "" == printed.err
    assert [] == [secret for secret in (SECRET, TOKEN, PASSWORD) if secret in whole]
    if "--json" not in words:
        main(["doctor", "--timeout", "2", "--json", *words])
        data = capsys.readouterr().out
        assert [] == [secret for secret in (SECRET, TOKEN, PASSWORD) if secret in data]
        names = [check["name"] for check in json.loads(data)["checks"]]
        assert [name for name in names if name in whole] == names
    return Examined(status, printed.out)


def api(asked: Asked) -> Answer:
    """Answer as the Layer API does, without much thought."""
    if asked.method == "GET" and asked.path == "/v1/applications":
        return json_of([{"id": APPLICATION, "name": "support-assistant"}])
    if asked.path == "/v1/sessions":
        return json_of({"session_id": json.loads(asked.body)["session_id"]}, 201)
    return Answer(202) if asked.path.endswith("/actions") else json_of({"detail": "no such path"}, 404)


def json_of(value: Any, status: int = 200) -> Answer:
    """Answer with JSON."""
    return Answer(status, json.dumps(value).encode(), JSON)
