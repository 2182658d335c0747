"""``slipway up``: the processes of one site, started and watched over."""

from __future__ import annotations

from pathlib import Path

import click

from slipway.base.datadir import DataDirectory
from slipway.cli.interface import PROCESSES, Composition, UpOptions
from slipway.cli.output import dry_run_option, json_option

port = click.IntRange(0, 65535)


@click.command("up")
@click.argument("which", type=click.Choice(PROCESSES), nargs=-1)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data directory [SLIPWAY_DATA, ./slipway-data]."
)
@click.option("--desk-host", default="127.0.0.1", show_default=True, help="Address the desk listens on.")
@click.option("--desk-port", type=port, default=8000, show_default=True, help="0 takes any free port.")
@click.option(
    "--gateway-host", default="127.0.0.1", show_default=True, help="Address the gateway listens on."
)
@click.option("--gateway-port", type=port, default=8001, show_default=True, help="0 takes any free port.")
@dry_run_option
@json_option
@click.pass_obj
def command(
    composition: Composition,
    which: tuple[str, ...],
    data: Path | None,
    desk_host: str,
    desk_port: int,
    gateway_host: str,
    gateway_port: int,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Start the review desk and the gateway (or only the ones named) and keep them running.

    The database is brought up to date first. A process that ends by itself is started again;
    SIGTERM or Ctrl-C ends all of them. With --json one line with the addresses is printed when
    all are ready.
    """
    options = UpOptions(
        data=(data or DataDirectory.default().root).resolve(),
        which=tuple(name for name in PROCESSES if not which or name in which),
        desk_host=desk_host,
        desk_port=desk_port,
        gateway_host=gateway_host,
        gateway_port=gateway_port,
        as_json=as_json,
        dry_run=dry_run,
    )
    return composition.supervise(options)
