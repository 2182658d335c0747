"""The command line itself: quick help, exit codes, errors without tracebacks, one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import pytest

from slipway.base.errors import Exit, InvalidInput, NotFound, Problem, Refused, SlipwayError, Unavailable
from slipway.cli import main as cli
from slipway.cli.help import EXIT_CODES, SETTINGS
from slipway.cli.interface import Composition, UpOptions

COMPOSITION = Composition(supervise=lambda options: 0)


def run(*words: str) -> int:
    return cli.run(list(words), COMPOSITION)


def every_command(
    group: click.Command, words: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command of slipway that does something, with the words that reach it."""
    if not isinstance(group, click.Group):
        return [(words, group)]
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        assert child is not None, name
        found += every_command(child, (*words, name))
    return found


COMMANDS = every_command(cli.root)


def test_help_imports_no_noun() -> None:
    """--help must be quick: no module of a noun, and nothing heavy, is imported for it."""
    code = (
        "import sys; from slipway.cli.main import run; from slipway.cli.interface import Composition\n"
        "run(['--help'], Composition(supervise=lambda o: 0))\n"
        "heavy = {'django', 'rich', 'aiohttp', 'inspect_ai', 'numpy', 'cryptography', 'slipway.cli.review'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for noun in cli.NOUNS:
        assert noun in done.stdout


@pytest.mark.parametrize(
    "words,command", COMMANDS, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_takes_json_and_explains_itself(words: tuple[str, ...], command: click.Command) -> None:
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert "--json" in flags, words
    assert command.help or command.callback.__doc__, words  # type: ignore[union-attr]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words} {parameter.name}"


def test_dry_run_is_there_for_all_that_changes_things() -> None:
    """A command without --dry-run must be one that only reads."""
    reading = {
        "list", "show", "timeline", "terms", "runs", "lint", "check", "verify", "receipt", "doctor",
        "exit-codes", "settings",
    }  # fmt: skip
    for words, command in COMMANDS:
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert ("--dry-run" in flags) != (words[-1] in reading), words


@pytest.mark.parametrize(
    "error,code",
    [
        (InvalidInput([Problem("a", "is bad", "do b"), Problem("c", "is worse", "do d")]), Exit.INVALID),
        (NotFound("nothing there"), Exit.INVALID),
        (Refused("not now"), Exit.REFUSED),
        (Unavailable("away"), Exit.UNAVAILABLE),
        (SlipwayError("other"), Exit.INVALID),
        (RuntimeError("a fault"), Exit.INTERNAL),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_error_ends_in_its_code_and_words(
    error: Exception,
    code: Exit,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def supervise(options: UpOptions) -> int:
        raise error

    words = ["up", *(["--json"] if as_json else [])]
    assert cli.run(words, Composition(supervise=supervise)) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if isinstance(error, InvalidInput):
        assert "a: is bad; do b" in err
        assert "c: is worse; do d" in err
    else:
        assert str(error) in err
    if as_json:
        answer = json.loads(out)
        assert answer["ok"] is False
        assert answer["error"]["code"]
        if isinstance(error, InvalidInput):
            assert [e["field"] for e in answer["error"]["errors"]] == ["a", "c"]
    else:
        assert out == ""


def test_a_fault_of_ours_leaves_its_traceback_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    def supervise(options: UpOptions) -> int:
        raise RuntimeError("planted")

    assert cli.run(["up", "--json"], Composition(supervise=supervise)) == Exit.INTERNAL
    details = Path(json.loads(capsys.readouterr().out)["error"]["details"])
    assert "planted" in details.read_text()
    assert details.stat().st_mode & 0o077 == 0
    details.unlink()


def test_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nonsense") == Exit.USAGE
    assert run("verify") == Exit.USAGE
    assert run("up", "--desk-port", "99999", "--json") == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_exit_codes_are_all_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(EXIT_CODES) == set(Exit)
    assert run("help", "exit-codes", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["exit_codes"]
    assert {entry["code"] for entry in listed} == {int(code) for code in Exit}


def test_up_hands_its_options_to_the_composition_root(tmp_path: Path) -> None:
    seen: list[Any] = []

    def supervise(options: UpOptions) -> int:
        seen.append(options)
        return 5

    words = ["up", "gateway", "--data", str(tmp_path), "--gateway-port", "9001", "--desk-host", "0.0.0.0"]
    assert cli.run(words, Composition(supervise=supervise)) == 5
    assert seen == [UpOptions(tmp_path.resolve(), ("gateway",), "0.0.0.0", 8000, "127.0.0.1", 9001)]
    cli.run(["up"], Composition(supervise=supervise))
    assert seen[1].which == ("review", "gateway")


def test_settings_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("help", "settings", "--json") == 0
    assert json.loads(capsys.readouterr().out)["settings"] == SETTINGS


def test_verify_says_usage_where_there_is_nothing_to_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 would mean that evidence was looked at and is invalid."""
    composition = Composition(supervise=lambda options: 0)
    assert cli.run(["verify", str(tmp_path / "none.zip"), "--key", "k"], composition) == Exit.USAGE
    assert "FILE" in capsys.readouterr().err
    file = tmp_path / "some.zip"
    file.write_bytes(b"no bundle")
    assert cli.run(["verify", str(file), "--key", f"@{tmp_path}/none"], composition) == Exit.USAGE
    assert "--key" in capsys.readouterr().err
