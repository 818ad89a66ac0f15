"""The command line as a program: its help, its exit statuses, what it loads, and what it needs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import click
import pytest

from layer_sdk import __version__
from layer_sdk.cli import main
from layer_sdk.commands import COMMANDS, program

if TYPE_CHECKING:
    from layer_sdk.devserver import Settings

ROOT = Path(__file__).resolve().parent.parent


def ran(*words: str, program: str = "-m layer_sdk", **environ: str) -> tuple[int, str, str]:
    """Run the command line in a process of its own: its status, and what it printed and complained of."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "generated:.", **environ}
    done = subprocess.run(
        [sys.executable, *program.split(" ", 1), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
def test_help_has_examples(words: list[str]) -> None:
    """Each command explains itself, with examples that can be typed."""
    status, told, complaint = ran(*words)
    assert (0, "") == (status, complaint)
    assert told.startswith("Usage: layer-sdk")
    assert "Examples:\n" in told


def test_version_is_that_of_the_package() -> None:
    """`--version` prints one line."""
    assert (0, f"layer-sdk {__version__}\n", "") == ran("--version")


@pytest.mark.parametrize("words", [["nothing"], ["dev", "--port", "x"], ["dev", "--nothing"], ["spool", "send"]])
def test_words_that_make_no_sense_end_with_status_2(words: list[str]) -> None:
    """A wrong usage says what is wrong, and where help is."""
    status, told, complaint = ran(*words)
    assert (2, "") == (status, told)
    assert "--help' for help." in complaint
    assert "\nError: " in complaint


@pytest.mark.parametrize("words", [[], ["spool"]])
def test_no_command_shows_the_help(words: list[str]) -> None:
    """Without a command the help goes to standard error, and the status is that of a wrong usage."""
    status, told, complaint = ran(*words)
    assert (2, "") == (status, told)
    assert "Commands:\n" in complaint


def test_what_goes_wrong_is_one_line(tmp_path: Path) -> None:
    """A failure ends with status 1 and a sentence after the command's name."""
    status, told, complaint = ran("spool", "list", str(tmp_path / "nothing"))
    assert (1, "", 1) == (status, told, len(complaint.splitlines()))
    assert complaint.startswith("layer-sdk spool list: ")


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    """Help comes quickly: no server, no HTTP, no Rich is imported for it, and no other command."""
    heavy = {"httpx", "jinja2", "layer_api", "requests", "rich", "sqlite3", "ssl", "starlette", "uvicorn"}
    others = {f"layer_sdk.commands.{module}" for module, _ in COMMANDS.values()}
    if words[0] in COMMANDS:
        others.remove(f"layer_sdk.commands.{COMMANDS[words[0]][0]}")
    program = (
        "import sys\nfrom layer_sdk.cli import main\n"
        f"main({words!r})\nprint(sorted({heavy | others!r} & set(sys.modules)), file=sys.stderr)"
    )
    status, _, loaded = ran(program=f"-c {program}")
    assert (0, "[]") == (status, loaded.strip())


@pytest.mark.parametrize("package", ["click", "rich"])
def test_a_missing_package_is_named(package: str) -> None:
    """Without the extra, the command line says which one brings what is missing, and ends with status 1."""
    program = (
        f"import sys; sys.modules[{package!r}] = None\nfrom layer_sdk.cli import main\nsys.exit(main(['--version']))"
    )
    status, told, complaint = ran(program=f"-c {program}")
    assert (1, "") == (status, told)
    assert f'needs the extra "cli" ({package} is not installed)' in complaint
    assert 'pip install "protectai-layer-sdk[cli]"' in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """`layer-sdk completion SHELL` prints what that shell reads."""
    status, told, _ = ran("completion", shell)
    assert 0 == status
    assert f"_LAYER_SDK_COMPLETE={shell}_complete" in told


def test_bash_completes_words() -> None:
    """What bash asks for at Tab is answered: commands, subcommands, options and choices."""

    def completed(*words: str) -> list[str]:
        line = " ".join(("layer-sdk", *words))
        answer = ran(_LAYER_SDK_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words)))
        return [row.partition(",")[2] for row in answer[1].splitlines()]

    assert ["dev"] == completed("de")
    assert ["delete", "list", "send"] == completed("spool", "")
    assert ["--status-on-create"] == completed("dev", "--st")
    assert ["201", "202"] == completed("dev", "--status-on-create", "2")


def test_bash_itself_completes(tmp_path: Path) -> None:
    """The script works in a real bash: Tab after `layer-sdk sp` gives `spool`."""
    installed = tmp_path / "layer-sdk"
    installed.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m layer_sdk "$@"\n')
    installed.chmod(0o700)
    script = (
        'eval "$(layer-sdk completion bash)"\n'
        "COMP_WORDS=(layer-sdk sp); COMP_CWORD=1\n"
        '_layer_sdk_completion layer-sdk\necho "${COMPREPLY[@]}"\n'
    )
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": "generated:."}
    bash = shutil.which("bash") or "bash"
    done = subprocess.run(
        [bash, "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "spool\n" == done.stdout, done.stderr


def test_the_embedded_layer_brings_the_command_line() -> None:
    """What the extra `cli` installs, the extra `devserver` installs, too: it is there for `layer-sdk dev`."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    wanted = re.search(r"^cli = \[(.*)\]$", project, re.MULTILINE)
    brought = re.search(r"^devserver = \[(.*?)^\]$", project, re.MULTILINE | re.DOTALL)
    assert wanted is not None
    assert brought is not None
    assert set() == set(re.findall(r'"(.*?)"', wanted[1])) - set(re.findall(r'"(.*?)"', brought[1]))


def test_commands_of_the_docs_are_right() -> None:
    """Each line with `layer-sdk` in a page is one that the program takes."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    blocks = [block for page in pages for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("layer-sdk ")]
    assert len(lines) > 8
    for line in lines:
        piped = shlex.split(line, comments=True)[1:]
        parse(program, "layer-sdk", piped[: piped.index("|")] if "|" in piped else piped)


def parse(command: click.Command, name: str, words: list[str], parent: click.Context | None = None) -> None:
    """Read the words as the program does, without running what they name."""
    if "--help" in words:
        return
    context = command.make_context(name, list(words), parent)
    if isinstance(command, click.Group):
        called, subcommand, rest = command.resolve_command(context, words)
        assert subcommand is not None
        parse(subcommand, str(called), rest, context)


def test_dev_prints_where_the_page_opens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`layer-sdk dev` prints the address, and with a token the one to open in a browser."""
    token = "a-token-for-the-tests"

    def run(settings: Settings, on_ready: Callable[[str], None]) -> None:
        assert (token, ("layer.internal", "other")) == (settings.token, settings.hosts)
        on_ready("http://127.0.0.1:4747")

    monkeypatch.setattr("layer_sdk.devserver.run", run, raising=False)
    names = ["--allow-host", "layer.internal", "--allow-host", "other"]
    assert 0 == main(["dev", "--token", token, *names])
    monkeypatch.setenv("LAYER_DEV_TOKEN", token)
    assert 0 == main(["dev", *names])
    lines = [
        "Layer is ready at http://127.0.0.1:4747",
        f"Open http://127.0.0.1:4747/?token={token} to see its page",
    ]
    assert lines * 2 == capsys.readouterr().out.splitlines()
