"""The data directory: one folder that holds everything a site keeps.

======================  =====================================================
``desk.sqlite3``        review desk: people, reviews, grants, pending records
``gateway.sqlite3``     gateway's own ledger: exchanges, pending records
``log.sqlite3``         evidence log: entries, tiles, head
``heads/journal``       head journal, append-only, outside the database
``keys/``               0700: signing keys, pepper, seal keys, Django secret
``blobs/``              content-addressed sealed content and built bundles
``bench/``              evaluator's side: base images, runs
``run/``                pid files and sockets of running processes
``log/``                process logs (no bodies, no keys)
======================  =====================================================
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from slipway.base.errors import InvalidInput, Problem

ENV = "SLIPWAY_DATA"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Paths below one root. Making the object touches nothing; :meth:`create` does."""

    root: Path

    @classmethod
    def default(cls) -> DataDirectory:
        """Return the directory named by ``SLIPWAY_DATA``, else ``./slipway-data``."""
        return cls(Path(os.environ.get(ENV) or "slipway-data").resolve())

    @property
    def desk_db(self) -> Path:
        """SQLite file of the review desk."""
        return self.root / "desk.sqlite3"

    @property
    def gateway_db(self) -> Path:
        """SQLite file of the gateway's ledger."""
        return self.root / "gateway.sqlite3"

    @property
    def log_db(self) -> Path:
        """SQLite file of the evidence log."""
        return self.root / "log.sqlite3"

    @property
    def head_journal(self) -> Path:
        """Append-only journal of signed heads."""
        return self.root / "heads" / "journal"

    @property
    def keys(self) -> Path:
        """Folder of secret keys (mode 0700)."""
        return self.root / "keys"

    @property
    def blobs(self) -> Path:
        """Folder of content-addressed blobs."""
        return self.root / "blobs"

    @property
    def bench(self) -> Path:
        """Folder of the evaluator's side: base images and runs."""
        return self.root / "bench"

    @property
    def run(self) -> Path:
        """Folder of pid files and sockets."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Folder of process logs."""
        return self.root / "log"

    def check(self) -> None:
        """Raise what :meth:`create` would, as far as one can tell without making anything."""
        for path in (
            self.root,
            self.head_journal.parent,
            self.keys,
            self.blobs,
            self.bench,
            self.run,
            self.logs,
        ):
            there = path
            while not os.path.lexists(there):
                there = there.parent
            if not there.is_dir():
                raise self._unusable(os.strerror(errno.ENOTDIR), there)
            if not os.access(there, os.W_OK | os.X_OK):
                raise self._unusable(os.strerror(errno.EACCES), there)

    def _unusable(self, reason: str, path: Path | str) -> InvalidInput:
        fix = "name a folder that is yours, or one that can be made (--data, SLIPWAY_DATA)"
        problem = Problem("data", f"{self.root} cannot be used: {reason}: {path}", fix)
        return InvalidInput([problem], what="data directory")

    def create(self) -> DataDirectory:
        """Make the folders that are missing; secret ones with mode 0700. Returns itself.

        Raises InvalidInput where that cannot be: a file of that name, a read-only disk, no permission.
        """
        heads = self.head_journal.parent
        try:
            for path in (self.root, heads, self.keys, self.blobs, self.bench, self.run, self.logs):
                path.mkdir(parents=True, exist_ok=True)
            for path in (self.root, self.keys, self.bench):
                path.chmod(0o700)
        except OSError as error:
            raise self._unusable(error.strerror or str(error), error.filename) from None
        return self


def write_secret(path: Path, data: bytes) -> None:
    """Write ``data`` to a new file of mode 0600 and sync it; an existing file is refused.

    The file is created with its mode (never widened for a moment) and the
    folder is synced, so that a power cut leaves either all of it or nothing.
    """
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
