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


def _sound(line: bytes) -> bool:
    digest, _, note = line.rstrip(b"\n").partition(b" ")
    return line.endswith(b"\n") and hashlib.sha256(note).hexdigest()[:16].encode() == digest


def _parse(line: bytes) -> Head:
    note = unb64(line.rstrip(b"\n").partition(b" ")[2].decode("ascii")).decode()
    checkpoint = parse_checkpoint_text(parse_note(note).text)
    return Head(checkpoint.size, checkpoint.root, note)


def _scan(path: Path) -> tuple[list[bytes], int]:
    """Return the sound lines of a journal and how many bytes of torn tail follow them.

    A power cut can tear what was not synced, so damage at the very end is
    forgiven; damage with a good line after it is not and raises.
    """
    data = path.read_bytes() if path.exists() else b""
    lines: list[bytes] = []
    good_end, position, damaged = 0, 0, False
    for line in data.splitlines(keepends=True):
        position += len(line)
        if not _sound(line):
            damaged = True
        elif damaged:
            raise EvidenceError(
                Reason.JOURNAL_DAMAGED,
                f"{path} is damaged in the middle (before byte {position}); restore it",
            )
        else:
            lines.append(line)
            good_end = position
    return lines, len(data) - good_end


def read_journal(path: Path) -> tuple[list[Head], int]:
    """Return the heads of a journal and the bytes of torn tail; raise when it is damaged in the middle."""
    lines, torn = _scan(path)
    return [_parse(line) for line in lines], torn


class HeadJournal:
    """The journal of the one sequencer. Making the object touches nothing; :meth:`open` does.

    ``last`` is the newest head as of :meth:`open` and what was appended since.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: Head | None = None
        self._fd = -1
        self._dirty = False

    def open(self) -> None:
        """Read the journal (again) and open it for appending.

        Only the holder of the log's lease may call this: it cuts a torn tail
        off and shortens a long journal to its last line, and a sequencer that
        stood by must see what the one before it wrote.
        """
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines, torn = _scan(self.path)
        self.last = _parse(lines[-1]) if lines else None
        if len(lines) > COMPACT_LINES:
            self._replace(lines[-1])
            torn = 0
        fresh = not self.path.exists()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if torn:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - torn)
            self._dirty = True
        if fresh:
            _sync_folder(self.path.parent)

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
        written = os.write(self._fd, line)
        if written != len(line):
            # The next open() finds half a line at the end and cuts it off; until then nothing may follow it.
            self.close()
            raise OSError(f"{self.path}: only {written} of {len(line)} bytes were written")
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
            try:
                self.sync()
            finally:
                os.close(self._fd)
                self._fd, self._dirty = -1, False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
