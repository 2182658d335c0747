"""A temporary PostgreSQL cluster for tests: made as a user who is not root, on a free local port.

``with cluster() as url:`` gives a ``postgres://`` address; leaving the block
stops the server and removes its files. ``SLIPWAY_TEST_DB=postgres`` makes the
desk tests use it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BIN = Path(os.environ.get("SLIPWAY_POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
USER = "postgres"


def available() -> bool:
    """Say whether the server programs are installed."""
    return (BIN / "initdb").exists() and (BIN / "postgres").exists()


def wanted() -> bool:
    """Say whether the tests were asked to use PostgreSQL."""
    return os.environ.get("SLIPWAY_TEST_DB") == "postgres"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_user(folder: Path) -> dict[str, object]:
    """Return how to run a program: as ``postgres`` when we are root, which the server refuses to be."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    entry = pwd.getpwnam(USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": folder}


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster, give its address, stop and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    name = pwd.getpwnam(USER).pw_name if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, USER, USER)
    how = _as_user(folder)
    data, port = folder / "data", _free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "check": True, "timeout": 120, **how}
    try:
        subprocess.run(
            [BIN / "initdb", "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-U", name],
            **quiet,  # type: ignore[call-overload]
        )
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off -c max_connections=60"
        subprocess.run(
            [BIN / "pg_ctl", "-D", data, "-w", "-l", folder / "server.log", "-o", options, "start"],
            **quiet,  # type: ignore[call-overload]
        )
        try:
            yield f"postgres://{name}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
