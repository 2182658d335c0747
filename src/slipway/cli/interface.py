"""What the command line asks of the composition root: to run the processes of a site.

The supervisor lives in :mod:`slipway.serve`, which stands above this room, so
it is handed in and not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROCESSES = ("review", "gateway")


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What ``slipway up`` was asked for.

    ``which`` names the processes, in starting order. Port 0 takes any free
    one. ``as_json`` prints one JSON object with the addresses when all are
    ready, instead of lines for people.
    """

    data: Path
    which: tuple[str, ...] = PROCESSES
    desk_host: str = "127.0.0.1"
    desk_port: int = 8000
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 8001
    as_json: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Composition:
    """The parts that the composition root gives to the commands.

    ``supervise`` runs the processes until told to stop and returns the exit
    code.
    """

    supervise: Callable[[UpOptions], int]
