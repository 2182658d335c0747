"""C2SP signed notes, checkpoints and tlog-proof files: text formats, read strictly.

A note is text, a blank line, and signature lines. A checkpoint is a note whose
text is origin, size and root. A tlog-proof is a leaf index, an audit path and
a checkpoint in one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slipway.evidence.encoding import b64, decimal, unb64
from slipway.evidence.keys import Signer, Verifier, check_name
from slipway.evidence.merkle import HASH_SIZE, verify_inclusion
from slipway.evidence.reasons import EvidenceError, Reason

MAX_SIGNATURES = 64
MAX_NOTE = 256 * 1024
PROOF_HEADER = "c2sp.org/tlog-proof@v1"

# C0 controls but newline. A carriage return is among them, so CRLF notes are refused.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, 4-byte key id, signature bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. Nothing in it may be believed before :meth:`verified_by` said so."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def verified_by(self, verifiers: Iterable[Verifier]) -> tuple[Verifier, ...]:
        """Return the known keys that signed; refuse a bad signature of a known key, or none at all."""
        known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
        message, good = self.text.encode(), []
        for line in self.signatures:
            verifier = known.get((line.name, line.key_id))
            if verifier is None:
                continue
            if not verifier.verify(message, line.signature):
                raise EvidenceError(Reason.NOTE_SIGNATURE, f"the signature of {line.name} does not verify")
            if verifier not in good:
                good.append(verifier)
        if not good:
            raise EvidenceError(Reason.NOTE_UNSIGNED, "the note carries no signature of a known key")
        return tuple(good)


def parse_note(note: str) -> Note:
    """Parse a signed note; raise :class:`EvidenceError` with a named reason."""
    if len(note) > MAX_NOTE:
        raise EvidenceError(Reason.NOTE_SYNTAX, f"a note longer than {MAX_NOTE} characters")
    if _CONTROL.search(note):
        raise EvidenceError(Reason.NOTE_CONTROL, "a note must not contain control characters but newline")
    try:
        note.encode()
    except UnicodeEncodeError:
        raise EvidenceError(Reason.JSON_SURROGATE, "a note must be valid UTF-8") from None
    split = note.rfind("\n\n")
    if split < 0:
        raise EvidenceError(Reason.NOTE_BLANK_LINE, "no blank line between text and signatures")
    text, tail = note[: split + 1], note[split + 2 :]
    if not tail:
        raise EvidenceError(Reason.NOTE_SIGNATURE_LINE, "no signature line after the blank line")
    if not tail.endswith("\n"):
        raise EvidenceError(Reason.NOTE_SIGNATURE_LINE, "the last signature line does not end in a newline")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise EvidenceError(Reason.NOTE_TOO_MANY, f"more than {MAX_SIGNATURES} signature lines")
    return Note(text, tuple(_signature_line(line) for line in lines))


def _signature_line(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise EvidenceError(Reason.NOTE_SIGNATURE_LINE, f"not a signature line: {line[:60]!r}")
    check_name(parts[1], Reason.NOTE_SIGNATURE_LINE)
    data = unb64(parts[2], "note signature")
    if len(data) < 5:
        raise EvidenceError(Reason.NOTE_SIGNATURE_LINE, "a signature shorter than key id and one byte")
    return NoteSignature(parts[1], data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: log origin, number of leaves, root hash; plus extension lines, which we never write."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the note text."""
        lines = (self.origin, str(self.size), b64(self.root), *self.extensions)
        return "".join(line + "\n" for line in lines)


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Parse the text of a checkpoint note.

    More than one blank line in the whole note ends up here as an empty line
    inside the text, which a checkpoint must not have.
    """
    if not text.endswith("\n"):
        raise EvidenceError(Reason.CHECKPOINT_SYNTAX, "checkpoint text does not end in a newline")
    lines = text[:-1].split("\n")
    if "" in lines:
        raise EvidenceError(Reason.NOTE_BLANK_LINE, "a checkpoint has exactly one blank line")
    if len(lines) < 3:
        raise EvidenceError(Reason.CHECKPOINT_SYNTAX, "a checkpoint has origin, size and root on three lines")
    size = decimal(lines[1], Reason.CHECKPOINT_SIZE, "tree size")
    root = unb64(lines[2], "root hash")
    if len(root) != HASH_SIZE:
        raise EvidenceError(Reason.PROOF_HASH_SIZE, f"root hash has {len(root)} bytes, not {HASH_SIZE}")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))


def open_checkpoint(note: str, verifiers: Sequence[Verifier], origin: str | None = None) -> Checkpoint:
    """Verify a signed checkpoint and return it; with ``origin``, refuse another log's."""
    parsed = parse_note(note)
    checkpoint = parse_checkpoint_text(parsed.text)
    parsed.verified_by(verifiers)
    if origin is not None and checkpoint.origin != origin:
        raise EvidenceError(
            Reason.CHECKPOINT_ORIGIN, f"checkpoint is of log {checkpoint.origin!r}, not {origin!r}"
        )
    return checkpoint


def sign_checkpoint(origin: str, size: int, root: bytes, signer: Signer) -> str:
    """Return the signed note of a tree head."""
    return signer.sign_note(Checkpoint(origin, size, root).text())


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A C2SP tlog-proof: an entry's index, its audit path, and the checkpoint they lead to."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        """Return the file's text (extension ``.tlog-proof``)."""
        lines = (PROOF_HEADER, f"index {self.index}", *map(b64, self.path))
        return "".join(line + "\n" for line in lines) + "\n" + self.checkpoint

    def verify(self, entry_leaf: bytes, verifiers: Sequence[Verifier], origin: str) -> Checkpoint:
        """Check that the entry is in the signed tree; return the checkpoint."""
        checkpoint = open_checkpoint(self.checkpoint, verifiers, origin)
        verify_inclusion(self.index, checkpoint.size, entry_leaf, self.path, checkpoint.root)
        return checkpoint


def parse_proof(text: str) -> TlogProof:
    """Parse a tlog-proof file; raise :class:`EvidenceError` with a named reason."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != PROOF_HEADER:
        raise EvidenceError(Reason.PROOF_SYNTAX, f"a proof starts with {PROOF_HEADER} and has a blank line")
    rest = lines[1:]
    if rest and rest[0].startswith("extra "):
        unb64(rest[0][6:], "extra data")  # opaque and not authenticated: read for form only
        rest = rest[1:]
    if not rest or not rest[0].startswith("index "):
        raise EvidenceError(Reason.PROOF_SYNTAX, "the proof has no index line")
    index = decimal(rest[0][6:], Reason.PROOF_SYNTAX, "index")
    hashes = tuple(unb64(line, "proof hash") for line in rest[1:])
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise EvidenceError(Reason.PROOF_HASH_SIZE, f"a proof hash has {len(value)} bytes")
    return TlogProof(index, hashes, checkpoint)
