"""``slipway suite``: the sets of items that a run measures."""

from __future__ import annotations

import click

from slipway.base.errors import InvalidInput
from slipway.cli.output import emit, json_option, table


@click.group("suite")
def command() -> None:
    """List, lint and check evaluation suites."""


@command.command("list")
@json_option
def list_suites(as_json: bool) -> None:
    """List the suites that come with slipway."""
    from slipway.evaluation import suite as suites

    found = [suites.load(name) for name in suites.available()]
    data = {
        "suites": [
            {
                "name": s.name, "version": s.version, "title": s.title, "items": len(s.items),
                "families": len({item.family for item in s.items}), "min_tier": s.min_tier,
                "diagnostic": s.diagnostic, "digest": s.digest,
            }
            for s in found
        ]
    }  # fmt: skip
    rows = [(s.name, s.version, str(len(s.items)), s.title) for s in found]
    emit(data, table(rows, ("name", "version", "items", "title")), as_json)


@command.command("lint")
@click.argument("suite", metavar="NAME_OR_FOLDER")
@json_option
def lint(suite: str, as_json: bool) -> None:
    """Check a suite's manifest and files; every problem is printed with its field and fix."""
    from slipway.evaluation import suite as suites

    problems = suites.lint(suite)
    if problems:
        raise InvalidInput(problems, what=f"suite {suite}")
    emit({"ok": True, "suite": suite}, [f"suite {suite} is sound"], as_json)
