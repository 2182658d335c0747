"""The head journal: every signed head, appended to a plain file outside the database.

A database restored from yesterday's backup is sound in itself, and a log that
went on from it would sign a second history. The journal remembers that a
longer tree was signed, so the start is refused.

What is written, and the known hole: after each database commit one line is
appended with a single ``write``; ``fsync`` follows when the sequencer is idle
or a second has passed. A power cut can therefore lose the last second of
lines. That is harmless: a database that is *newer* than the journal is the
normal case after a cut and is accepted after checking that it extends the
journal's head; only a database that is *older* is refused. Waiting for the
journal's fsync in every commit would halve the append rate and buy one second.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from slipway.evidence.encoding import b64, unb64
from slipway.evidence.note import parse_checkpoint_text, parse_note
from slipway.evidence.reasons import EvidenceError, Reason
from slipway.evidence.store.interface import Head

COMPACT_LINES = 10_000


def _line(head: Head) -> bytes:
    note = b64(head.note.encode())
    return f"{hashlib.sha256(note.encode()).hexdigest()[:16]} {note}\n".encode()


def _parse(line: bytes) -> Head | None:
    """Return the head of a line, None when the line is damaged."""
    digest, _, encoded = line.partition(b" ")
    if hashlib.sha256(encoded).hexdigest()[:16].encode() != digest:
        return None
    try:
        note = unb64(encoded.decode("ascii")).decode()
        checkpoint = parse_checkpoint_text(parse_note(note).text)
    except (EvidenceError, UnicodeDecodeError):
        return None
    return Head(checkpoint.size, checkpoint.root, note)


def read_journal(path: Path) -> tuple[list[Head], int]:
    """Return the heads of a journal and how many bytes of torn tail follow them.

    A power cut can tear what was not synced, so damage at the very end is
    forgiven; damage with a good line after it is not and raises.
    """
    data = path.read_bytes() if path.exists() else b""
    heads: list[Head] = []
    good_end, position, damaged = 0, 0, False
    for raw in data.splitlines(keepends=True):
        position += len(raw)
        head = _parse(raw[:-1]) if raw.endswith(b"\n") else None
        if head is None:
            damaged = True
        elif damaged:
            raise EvidenceError(
                Reason.JOURNAL_DAMAGED,
                f"{path} is damaged in the middle (before byte {position}); restore it",
            )
        else:
            heads.append(head)
            good_end = position
    return heads, len(data) - good_end


class HeadJournal:
    """The journal opened for appending by the one sequencer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        heads, torn = read_journal(path)
        self.last: Head | None = heads[-1] if heads else None
        if len(heads) > COMPACT_LINES:
            self._replace(_line(heads[-1]))
        fresh = not path.exists()
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if torn and len(heads) <= COMPACT_LINES:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - torn)
        self._dirty = bool(torn)
        if fresh:
            _sync_folder(path.parent)

    def _replace(self, data: bytes) -> None:
        temporary = self.path.with_name(self.path.name + ".new")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        _sync_folder(self.path.parent)

    def append(self, head: Head) -> None:
        """Append one head. It survives the death of the process now, a power cut after :meth:`sync`."""
        line = _line(head)
        if os.write(self._fd, line) != len(line):
            raise OSError(f"{self.path}: short write")
        self.last = head
        self._dirty = True

    def sync(self) -> None:
        """Make everything appended durable; nothing happens when it is already."""
        if self._dirty:
            os.fsync(self._fd)
            self._dirty = False

    def close(self) -> None:
        """Sync and close."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
