"""``slipway pack``: the policy packs that rule a review."""

from __future__ import annotations

from pathlib import Path

import click

from slipway.cli.output import emit, json_option, table
from slipway.programme import packs


@click.group("pack")
def command() -> None:
    """List and check policy packs."""


@command.command("list")
@json_option
def list_packs(as_json: bool) -> None:
    """List the packs that come with slipway."""
    found = [packs.load(name) for name in packs.available()]
    data = {
        "packs": [
            {"name": p.name, "version": p.version, "title": p.title, "date": str(p.date), "digest": p.digest}
            for p in found
        ]
    }
    rows = [(p.name, str(p.version), str(p.window.max_days), p.title) for p in found]
    emit(data, table(rows, ("name", "version", "days", "title")), as_json)


@command.command("check")
@click.argument("pack", metavar="NAME_OR_FILE")
@json_option
def check(pack: str, as_json: bool) -> None:
    """Check a pack; every problem is printed with its field and fix."""
    is_file = pack.endswith(".toml") or "/" in pack
    found = packs.load(Path(pack) if is_file else pack)
    data = {"ok": True, "name": found.name, "version": found.version, "digest": found.digest}
    emit(data, [f"{found.name} {found.version} is sound; digest {found.digest}"], as_json)
