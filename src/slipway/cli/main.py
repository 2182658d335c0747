"""The command ``slipway``: finds the noun, turns every error into field, problem and fix."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import click

from slipway import __version__
from slipway.base.errors import Exit, InvalidInput, SlipwayError
from slipway.cli.interface import Composition
from slipway.cli.output import emit_once, new_answer

# Noun -> the line shown by --help. The module of a noun is imported when it is used:
# most of them pull in much more than the answer to --help is worth waiting for.
NOUNS = {
    "up": "Start the review desk and the gateway, and keep them running.",
    "demo": "Carry one review from offer to verified report, on this machine.",
    "review": "Act on a review at a desk: offer, agree, open, grant, determine, report, release …",
    "run": "Measure a model through the gateway, in contained sandboxes.",
    "suite": "List, lint and check evaluation suites.",
    "pack": "List and check policy packs.",
    "verify": "Check a bundle or a receipt offline, with one file and one key.",
    "receipt": "Fetch the portable receipt of one record.",
    "admin": "Organisations, people and tokens of the site on this machine.",
    "doctor": "Say what is right and wrong with this machine and its data directory.",
    "help": "Explain exit codes and settings.",
}


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the nouns in the order in which they are explained."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the noun's module and return its command."""
        if cmd_name not in NOUNS:
            return None
        module = importlib.import_module(f"slipway.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the nouns without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(NOUNS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Two commands to start with: slipway demo, slipway doctor.",
)
@click.version_option(__version__, prog_name="slipway", message="%(prog)s %(version)s")
def root() -> None:
    """Voluntary pre-release review of frontier AI models, with evidence a stranger can verify."""


def _report(problem: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        emit_once({"ok": False, "error": problem})
    for line in lines:
        print(line, file=sys.stderr)


def _slipway_error(error: SlipwayError, as_json: bool) -> int:
    if isinstance(error, InvalidInput):
        lines = [f"slipway: {error.what} was refused", *(f"  {problem}" for problem in error.problems)]
    else:
        lines = [f"slipway: {error.message}"]
    _report(error.as_problem(), lines, as_json)
    return int(error.exit_code)


def _unexpected(error: Exception, as_json: bool) -> int:
    """Keep the traceback in a file: it helps whoever repairs slipway, not whoever uses it."""
    handle, name = tempfile.mkstemp(prefix="slipway-error-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        traceback.print_exception(error, file=file)
    message = f"an error inside slipway: {type(error).__name__}: {error}"[:400]
    lines = [f"slipway: {message}", f"  this is a fault of slipway, not of your input; details are in {name}"]
    _report({"code": "internal", "title": message, "details": name}, lines, as_json)
    return int(Exit.INTERNAL)


def run(arguments: Sequence[str], composition: Composition) -> int:
    """Run one command line and return its exit code; never raises, never shows a traceback."""
    as_json = "--json" in arguments
    new_answer()
    try:
        result = root.main(list(arguments), prog_name="slipway", standalone_mode=False, obj=composition)
        return result if isinstance(result, int) else int(Exit.OK)
    except click.ClickException as error:
        if not as_json:
            error.show()
        else:
            _report({"code": "usage", "title": error.format_message()}, [error.format_message()], True)
        return int(Exit.USAGE)
    except SlipwayError as error:
        return _slipway_error(error, as_json)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader of our output went away (| head). Nothing is wrong, but the
        # interpreter would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except Exception as error:
        return _unexpected(error, as_json)
