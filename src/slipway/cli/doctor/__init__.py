"""``slipway doctor``: what is right and wrong with this machine and its data directory."""

from __future__ import annotations

from pathlib import Path

import click

from slipway.base.datadir import DataDirectory
from slipway.base.errors import Exit
from slipway.base.results import Status
from slipway.cli.output import emit, json_option, progress


@click.command("doctor")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data directory [SLIPWAY_DATA, ./slipway-data]."
)
@json_option
def command(data: Path | None, as_json: bool) -> int:
    """Look at this machine and at a site's data directory; changes nothing.

    One line a check: pass, fail or not checked, with the reason. After a power cut it says what
    happened: what waits to be sealed, which exchanges and runs were cut off. Exit 1 when a check fails.
    """
    from slipway.cli.doctor import log, machine, site

    folder = DataDirectory((data or DataDirectory.default().root).resolve())
    parts = (machine.checks, site.checks, log.checks)
    found = []
    with progress("looking", len(parts)) as done:
        for number, part in enumerate(parts):
            found += part(folder)
            done(number + 1)
    failed = sum(check.status is Status.FAIL for check in found)
    unchecked = sum(check.status is Status.NOT_CHECKED for check in found)
    passed = len(found) - failed - unchecked
    lines = [f"{check.status:<11}  {check.name}: {check.reason}" for check in found]
    lines.append(f"{passed} pass, {failed} fail, {unchecked} not checked ({folder.root})")
    answer = {"ok": failed == 0, "data": str(folder.root), "checks": [check.as_dict() for check in found]}
    emit(answer, lines, as_json)
    return int(Exit.INVALID if failed else Exit.OK)
