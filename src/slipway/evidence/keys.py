"""Ed25519 keys: signers kept in files, verifier keys (C2SP vkeys), and one strict acceptance rule.

Ed25519 libraries disagree about odd signatures: on the public edge vectors
one accepts four times as many as another. Here one rule holds everywhere,
the strictest (libsodium's): S below the group order, public key canonical and
not of small order, R canonical and not of small order, and the equation
without cofactor. What passes here passes everywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from slipway.base.datadir import write_secret
from slipway.evidence.encoding import b64, unb64
from slipway.evidence.reasons import EvidenceError, Reason

ALGORITHM = 0x01  # signature type "Ed25519" of C2SP signed-note

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
# y coordinates of the eight points of order 1, 2, 4 and 8; the sign bit of x is ignored by masking it off.
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _P - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
    }
)


def _bad_point(encoded: bytes) -> bool:
    """Whether an encoded point is non-canonical or of small order (no curve arithmetic needed)."""
    y = int.from_bytes(encoded, "little") & ((1 << 255) - 1)
    return y >= _P or y in _SMALL_ORDER_Y


def verify_strict(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify an Ed25519 signature under the strict rule of this module."""
    if len(public) != 32 or len(signature) != 64:
        return False
    if _bad_point(public) or _bad_point(signature[:32]):
        return False
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    try:
        # OpenSSL computes R' = S·B - k·A and compares its encoding with R: no cofactor, R canonical.
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_name(name: str, reason: Reason = Reason.KEY_SYNTAX) -> None:
    """Refuse key names that C2SP forbids: empty, with Unicode spaces, plus signs or control characters."""
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise EvidenceError(reason, f"key name {name!r} is empty or has a space, '+' or control character")


def key_id(name: str, public: bytes) -> bytes:
    """Return the 4-byte C2SP key id of an Ed25519 key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([ALGORITHM]) + public).digest()[:4]


def vkey_text(name: str, public: bytes) -> str:
    """Return the vkey ``name+hash8+base64(type || public key)``."""
    return f"{name}+{key_id(name, public).hex()}+{b64(bytes([ALGORITHM]) + public)}"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read a vkey; raise :class:`EvidenceError` with a named reason."""
        parts = vkey.split("+", 2)
        if len(parts) != 3:
            raise EvidenceError(Reason.KEY_SYNTAX, f"{vkey[:60]!r} is not name+hash+base64")
        name, digest, encoded = parts
        check_name(name)
        data = unb64(encoded, "vkey")
        if not data or data[0] != ALGORITHM:
            raise EvidenceError(Reason.KEY_TYPE, "the vkey is not of type 1 (Ed25519)")
        public = data[1:]
        if len(public) != 32:
            raise EvidenceError(Reason.KEY_SYNTAX, f"an Ed25519 key has 32 bytes, this one {len(public)}")
        if key_id(name, public).hex() != digest:
            raise EvidenceError(Reason.KEY_ID, f"key id {digest!r} does not belong to this name and key")
        if _bad_point(public):
            raise EvidenceError(Reason.KEY_WEAK, "the public key is not canonical or of small order")
        return cls(name, public)

    @property
    def key_id(self) -> bytes:
        """4-byte C2SP key id."""
        return key_id(self.name, self.public)

    @property
    def vkey(self) -> str:
        """The key as C2SP vkey text."""
        return vkey_text(self.name, self.public)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's over ``message`` (strict rule)."""
        return verify_strict(self.public, message, signature)


class Signer:
    """An Ed25519 private key with its C2SP name."""

    def __init__(self, name: str, seed: bytes) -> None:
        check_name(name)
        if len(seed) != 32:
            raise EvidenceError(Reason.KEY_SYNTAX, f"an Ed25519 seed has 32 bytes, this one {len(seed)}")
        self.name = name
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.vkey = vkey_text(name, self.public)

    def __repr__(self) -> str:
        return f"Signer({self.vkey})"

    @classmethod
    def generate(cls, name: str) -> Signer:
        """Return a new random key (for tests and for keys that are not kept)."""
        return cls(name, os.urandom(32))

    @classmethod
    def load(cls, path: Path) -> Signer:
        """Read a key file (name, newline, base64 seed); refuse one that others can read."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise EvidenceError(Reason.KEY_FILE, f"{path} has mode {mode:04o}; chmod 600 it")
        try:
            name, seed, rest = path.read_text("utf-8").split("\n")
        except ValueError:
            raise EvidenceError(Reason.KEY_FILE, f"{path} is not a slipway key file") from None
        if rest:
            raise EvidenceError(Reason.KEY_FILE, f"{path} has more than two lines")
        return cls(name, unb64(seed, str(path)))

    @classmethod
    def load_or_create(cls, path: Path, name: str) -> Signer:
        """Read the key at ``path`` or make it (mode 0600, synced); refuse a key of another name."""
        if not path.exists():
            check_name(name)
            # Another process may make it between the look and the write: then use that one.
            with contextlib.suppress(FileExistsError):
                write_secret(path, f"{name}\n{b64(os.urandom(32))}\n".encode())
        signer = cls.load(path)
        if signer.name != name:
            raise EvidenceError(Reason.KEY_FILE, f"{path} belongs to {signer.name!r}, not {name!r}")
        return signer

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over ``message``."""
        return self._private.sign(message)

    def sign_note(self, text: str) -> str:
        """Return the C2SP signed note of ``text``, which must end in a newline."""
        if not text.endswith("\n"):
            raise EvidenceError(Reason.NOTE_SYNTAX, "note text must end in a newline")
        signature = b64(key_id(self.name, self.public) + self.sign(text.encode()))
        return f"{text}\n— {self.name} {signature}\n"
