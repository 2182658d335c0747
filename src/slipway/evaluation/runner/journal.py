"""What a run knows on disk: one JSON line an attempt, synced before anybody hears of it.

A run folder holds ``plan.json``, ``secret`` (0600), ``state.json``,
``journal/*.jsonl``, ``transcripts/<sha256>.json``, ``logs/*.eval`` and, once a
run must not go on, ``stop.json``. A line that a power cut tore off is ignored;
the attempt it spoke of is run again.

A journal holds two kinds of lines: attempts (with an ``outcome``), and sandboxes
(with a ``sandbox``): one when it begins, one with what it tried to send out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.base.clock import SystemClock, format_instant
from slipway.base.datadir import write_secret
from slipway.base.errors import InvalidInput, NotFound, Problem
from slipway.base.ids import uuid7
from slipway.evaluation.stats import Outcome


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run."""

    root: Path

    def create(self) -> RunFolder:
        """Make the folders, closed to everybody else. Returns itself."""
        for path in (self.root, self.journal, self.transcripts, self.logs, self.private):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700)
        return self

    @property
    def journal(self) -> Path:
        """Folder of journals, one file a shard process."""
        return self.root / "journal"

    @property
    def transcripts(self) -> Path:
        """Folder of transcripts, named by their SHA-256."""
        return self.root / "transcripts"

    @property
    def logs(self) -> Path:
        """Folder of Inspect's own logs."""
        return self.root / "logs"

    @property
    def private(self) -> Path:
        """Where Inspect puts what it would put into a home directory."""
        return self.root / "inspect"

    @property
    def stop_file(self) -> Path:
        """Present once no further attempt may start; holds the reason."""
        return self.root / "stop.json"

    def secret(self) -> bytes:
        """Return the run's secret, making it on first use."""
        path = self.root / "secret"
        if not path.exists():
            write_secret(path, os.urandom(32))
        return path.read_bytes()

    def stop(self, code: str, reason: str) -> None:
        """Say that no further attempt may start. The first reason stays."""
        data = {"code": code, "reason": reason, "at": format_instant(SystemClock().now())}
        try:
            fd = os.open(self.stop_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        with os.fdopen(fd, "w") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())

    def stopped(self) -> dict[str, str] | None:
        """Return why the run must not go on, or None."""
        try:
            raw = self.stop_file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return dict(json.loads(raw))
        except ValueError:
            # Made this instant by another process and not yet written.
            return {"code": "run.stopped", "reason": "the run is being stopped"}

    def clear_stop(self) -> None:
        """Allow attempts again (a resume)."""
        self.stop_file.unlink(missing_ok=True)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read one of the folder's JSON files; None where there is none, InvalidInput where it is broken."""
        path = self.root / name
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InvalidInput(
                [Problem(str(path), f"is not JSON: {error}", "restore the file, or start a new run folder")],
                what="run folder",
            ) from error
        if not isinstance(value, dict):
            raise InvalidInput(
                [Problem(str(path), "is not an object", "restore the file")], what="run folder"
            )
        return value

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write one of the folder's JSON files: all of it or nothing."""
        path = self.root / name
        temporary = path.with_name(path.name + ".new")
        with temporary.open("w") as file:
            json.dump(value, file, indent=1, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


class Journal:
    """Appends attempts to one file; only one process writes a file."""

    def __init__(self, folder: RunFolder, name: str) -> None:
        self._folder = folder
        self._path = folder.journal / f"{name}.jsonl"

    def add(self, entry: Mapping[str, Any], transcript: bytes | None = None) -> dict[str, Any]:
        """Write a finished attempt and its transcript; both are on disk when this returns."""
        line = dict(entry)
        if transcript is not None:
            line["sample_digest"] = self._keep(transcript)
        self._append(line, sync=True)
        return line

    def sandbox(self, item: str, epoch: int) -> Callable[[int | None], None]:
        """Note that an attempt has its sandbox; call what is returned with what that tried to send out.

        Neither line is synced by itself: the attempt's own line, which comes between them, syncs the first,
        and a sandbox whose second line was lost is told as *not measured*.
        """
        about = {"sandbox": uuid7(), "item": item, "epoch": epoch}
        self._append(about, sync=False)
        return lambda attempted: self._append({**about, "attempted_egress": attempted}, sync=False)

    def _append(self, line: Mapping[str, Any], *, sync: bool) -> None:
        raw = json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, raw)
            if sync:
                os.fdatasync(fd)
        finally:
            os.close(fd)

    def _keep(self, transcript: bytes) -> str:
        digest = hashlib.sha256(transcript).hexdigest()
        path = self._folder.transcripts / f"{digest}.json"
        temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, transcript)
            os.fdatasync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
        return digest


class Tail:
    """Reads journals as they grow: each look reads only what was added since the last."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self._standing: dict[tuple[str, int], dict[str, Any]] = {}

    def look(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the standing entry of every attempt: a scored one is never replaced by a missing one."""
        for path in sorted(self._folder.journal.glob("*.jsonl")):
            offset = self._offsets.get(path, 0)
            if path.stat().st_size == offset:
                continue
            with path.open("rb") as file:
                file.seek(offset)
                raw = file.read()
            # A line without its end is being written, or was torn off; it is looked at again.
            whole = raw[: raw.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            for line in _attempts(whole):
                key = (str(line["item"]), int(line["epoch"]))
                before = self._standing.get(key)
                if before is None or before["outcome"] == "missing":
                    self._standing[key] = line
        return dict(self._standing)


def entries(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield every whole line of an attempt; files in the order of their names, lines in the order written."""
    for path in sorted(folder.journal.glob("*.jsonl")):
        yield from _attempts(path.read_bytes())


def sandboxes(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Yield every whole line of a sandbox, of every process that ever worked in the folder."""
    for path in sorted(folder.journal.glob("*.jsonl")):
        yield from (line for line in _lines(path.read_bytes()) if "sandbox" in line)


def _attempts(raw: bytes) -> Iterator[dict[str, Any]]:
    return (line for line in _lines(raw) if "outcome" in line)


def _lines(raw: bytes) -> Iterator[dict[str, Any]]:
    for part in raw.split(b"\n"):
        try:
            line = json.loads(part)
        except ValueError:
            continue
        if isinstance(line, dict) and "item" in line and "epoch" in line:
            yield line


def latest(folder: RunFolder) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the standing entry of every attempt (see :class:`Tail`)."""
    return Tail(folder).look()


def outcomes(folder: RunFolder) -> list[Outcome]:
    """Return the standing entries as the statistics take them."""
    return [Outcome.from_dict(line) for line in latest(folder).values()]


def open_folder(path: Path) -> RunFolder:
    """Return an existing run folder; NotFound where there is none."""
    folder = RunFolder(path.resolve())
    if not (folder.root / "plan.json").is_file():
        raise NotFound(f"{path} is not a run folder: it holds no plan.json")
    return folder
