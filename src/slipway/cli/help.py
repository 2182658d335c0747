"""``slipway help``: exit codes and settings, the same that docs/operations.md explains."""

from __future__ import annotations

import click

from slipway.base.errors import Exit
from slipway.cli.output import emit, json_option, table

EXIT_CODES = {
    Exit.OK: "done; every required check passed",
    Exit.INVALID: "input or evidence is wrong; every problem is printed with its field and fix",
    Exit.USAGE: "the command line itself is wrong",
    Exit.UNDECIDABLE: "the evidence at hand cannot decide (verify)",
    Exit.REFUSED: "a rule forbids the act for this actor in this state",
    Exit.UNAVAILABLE: "something slipway depends on does not answer; trying again may help",
    Exit.INCOMPLETE: "a run ended early; what was finished is kept and can be resumed",
    Exit.INTERNAL: "a fault of slipway itself; the message names a file with the details",
}

SETTINGS = {
    "SLIPWAY_DATA": "data directory of the site (default ./slipway-data)",
    "SLIPWAY_DESK": "address of the desk for the commands that act on one (default http://127.0.0.1:8000)",
    "SLIPWAY_TOKEN": "API token for those commands; --token-env names another variable",
    "SLIPWAY_GATEWAY": "address of the gateway for runs (default http://127.0.0.1:8001)",
    "SLIPWAY_KEY": "gateway key of a grant for runs; --key-env names another variable",
    "SLIPWAY_DATABASE_URL": "postgres://user:password@host:port/name of a desk without gateway; else SQLite",
    "SLIPWAY_HOSTS": "host names, comma-separated, the desk answers to (default this machine's)",
    "SLIPWAY_ORIGINS": "origins, comma-separated, like https://desk.example, when the desk is behind TLS",
    "SLIPWAY_LOG_ORIGIN": "origin and key name of the evidence log (default slipway.local/review)",
    "SLIPWAY_LOG_LEVEL": "level of the desk's process log (default INFO)",
    "SLIPWAY_SEQUENCER": "0 on every desk but the one whose data directory holds the log (default 1)",
    "SLIPWAY_DEBUG": "1 shows tracebacks in the browser; never on a reachable desk",
    "SLIPWAY_VENV": "where ./go makes its environment (default .venv)",
}


@click.group("help", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Explain exit codes and settings."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@command.command("exit-codes")
@json_option
def exit_codes(as_json: bool) -> None:
    """List what each exit code means."""
    rows = [(str(int(code)), code.name.lower(), meaning) for code, meaning in EXIT_CODES.items()]
    data = {"exit_codes": [{"code": int(r[0]), "name": r[1], "meaning": r[2]} for r in rows]}
    emit(data, table(rows, ("code", "name", "meaning")), as_json)


@command.command("settings")
@json_option
def settings(as_json: bool) -> None:
    """List the environment variables that slipway reads."""
    rows = list(SETTINGS.items())
    emit({"settings": dict(rows)}, table(rows, ("variable", "meaning")), as_json)
