"""``slipway receipt``: the portable proof that a record is in the log."""

from __future__ import annotations

import json
from pathlib import Path

import click

from slipway.base.errors import Unavailable
from slipway.cli.client import Session, on_desk


@click.command("receipt")
@click.argument("record", metavar="RECORD")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Save it here.")
@on_desk()
def command(session: Session, record: str, output: Path | None) -> None:
    """Fetch the receipt of one record; check it offline with: slipway verify FILE --key VKEY."""
    status, content = session.desk.request("GET", f"/records/{record}/receipt")
    if status == 202:
        raise Unavailable("the record is kept but not yet sealed in the log; ask again in a second")
    receipt = json.loads(content)
    lines = [json.dumps(receipt, indent=2)]
    if output is not None:
        output.write_bytes(content)
        lines = [f"saved {output}"]
    session.show(receipt, lines)
