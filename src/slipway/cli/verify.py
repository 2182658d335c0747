"""``slipway verify``: check a bundle or a receipt offline, with one file and one key."""

from __future__ import annotations

from pathlib import Path

import click

from slipway.base.errors import Exit, InvalidInput, Problem
from slipway.cli.output import emit, json_option
from slipway.evidence.verify import verify_file


def _wrong_call(field: str, problem: str, fix: str) -> InvalidInput:
    """Return an error of the command line: 1 would say that a file was looked at and is invalid."""
    error = InvalidInput([Problem(field, problem, fix)])
    error.exit_code = Exit.USAGE
    return error


def _text(value: str, option: str) -> str:
    """Return an option's text; ``@FILE`` reads it from a file."""
    if not value.startswith("@"):
        return value
    path = Path(value[1:])
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = f"name a readable text file: {option} @FILE"
        raise _wrong_call(option, f"{path} could not be read ({error})", fix) from None


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--key", "vkey", required=True, help="The log's verification key, or @FILE that holds it.")
@click.option("--policy", help="Witness policy text, or @FILE.")
@click.option("--since", help="Checkpoint you hold from before, or @FILE: the log must have grown from it.")
@json_option
def command(file: Path, vkey: str, policy: str | None, since: str | None, as_json: bool) -> int:
    """Check a bundle or a receipt: one line a check, pass, fail or not checked, with the reason.

    Needs only FILE and the key, no network and no server; trusts nothing inside the file. Exit 0
    when all required checks pass, 1 when one fails, 2 for a wrong command line, 3 when undecidable.
    """
    if not file.is_file():
        raise _wrong_call("FILE", f"{file} is not a file", "name a bundle or a receipt")
    verdict = verify_file(
        file,
        _text(vkey, "--key").strip(),
        None if policy is None else _text(policy, "--policy"),
        None if since is None else _text(since, "--since"),
    )
    lines = [f"{check.status:<11}  {check.name}: {check.reason}" for check in verdict.checks]
    summary = {0: "verified", 1: "INVALID", 3: "UNDECIDABLE"}.get(int(verdict.status), "not verified")
    if verdict.misbehaviour:
        # Two heads signed by one key that cannot both be true: the proof outlives every server.
        proof = Path(f"{file.name}.misbehaviour.txt")
        proof.write_text(verdict.misbehaviour, encoding="utf-8")
        lines.append(f"two signed heads conflict; the proof that anybody can check is in {proof}")
    data = {
        "ok": int(verdict.status) == 0,
        "status": summary.lower(),
        "exit_code": int(verdict.status),
        "checks": [check.as_dict() for check in verdict.checks],
        "misbehaviour": verdict.misbehaviour,
    }
    emit(data, [*lines, f"{summary}: {file}"], as_json)
    return int(verdict.status)
