"""The upstream's address and credential, sealed so that only the gateway can open them.

The developer seals on their own side (command line or browser) to the
gateway's public key; the desk stores and forwards the sealed text and cannot
read it. HPKE, RFC 9180: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM,
base mode, ``info = b"slipway upstream v1"``, no associated data, the single-shot
layout ``enc || ct`` (65 bytes of uncompressed point first) in standard base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from slipway.base.datadir import write_secret
from slipway.base.errors import InvalidInput, Problem, ProblemList

INFO = b"slipway upstream v1"
PRIVATE_NAME = "gateway-seal.key"
PUBLIC_NAME = "gateway-seal.pub"
DEFAULT_TIMEOUT_SECONDS = 600
MAX_TIMEOUT_SECONDS = 3600
MAX_SEALED_CHARS = 16_384

ALIAS_FIX = "use 1 to 63 of a-z, 0-9, dot, hyphen, underscore, like aurora-preview"
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)

# The sealed text's length would otherwise tell the desk how long address and key are.
_PAD_TO = 512
_FIELDS = frozenset({"base_url", "api_key", "model", "timeout_seconds"})


def _suite() -> Suite:
    return Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class SealKey:
    """The gateway's sealing key pair. ``id`` is 16 hex digits of SHA-256 over the DER public key."""

    private: ec.EllipticCurvePrivateKey
    public_pem: bytes
    id: str

    def __repr__(self) -> str:
        return f"SealKey(id={self.id!r})"


@dataclass(frozen=True, slots=True)
class Upstream:
    """An opened upstream secret. Its text form hides every field, so that no log can hold one."""

    base_url: str
    api_key: str
    model: str
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS

    def __repr__(self) -> str:
        return "Upstream(sealed)"


def key_id(public_pem: bytes) -> str:
    """Return the id of a public key given as PEM (SPKI); :class:`InvalidInput` when it is not one."""
    return hashlib.sha256(_der(_public(public_pem))).hexdigest()[:16]


def load_or_create(directory: Path) -> SealKey:
    """Return the key pair of ``directory``, making both files when the private one is missing.

    Only the gateway calls this. The public file is made again from the private
    key whenever it is missing or differs.
    """
    path = directory / PRIVATE_NAME
    pem = None
    for _ in range(100):
        try:
            pem = path.read_bytes()
            break
        except FileNotFoundError:
            fresh = ec.generate_private_key(ec.SECP256R1())
            data = fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            try:
                write_secret(path, data)
            except (FileExistsError, FileNotFoundError):
                if not directory.is_dir():
                    raise
                time.sleep(0.01)
    if pem is None:
        raise InvalidInput(
            [Problem(str(path), "the seal key could not be made", "remove the .new file beside it")]
        )
    try:
        private = load_pem_private_key(pem, None)
    except ValueError:
        private = None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise InvalidInput(
            [
                Problem(
                    str(path), "not a PKCS#8 P-256 private key", "restore the file from the backup of keys/"
                )
            ],
            what="seal key",
        )
    public_pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public_path = directory / PUBLIC_NAME
    if not public_path.exists() or public_path.read_bytes() != public_pem:
        public_path.write_bytes(public_pem)
    return SealKey(private, public_pem, key_id(public_pem))


def check(secret: Mapping[str, object]) -> Upstream:
    """Return ``secret`` as a checked :class:`Upstream`; :class:`InvalidInput` lists every problem."""
    bad = ProblemList("upstream endpoint")
    for name in sorted(set(secret) - _FIELDS):
        bad.add(name, "unknown field", f"give only {', '.join(sorted(_FIELDS))}")
    url = secret.get("base_url")
    if not isinstance(url, str) or not _plain_url(url):
        bad.add(
            "base_url", "not an address", "write it like https://host/v1, without user, query or fragment"
        )
    api_key = secret.get("api_key")
    if (
        not isinstance(api_key, str)
        or not api_key.isascii()
        or not api_key.isprintable()
        or len(api_key) > 4096
    ):
        bad.add(
            "api_key", "not printable ASCII text of at most 4096 characters", "give the key as it was issued"
        )
    model = secret.get("model")
    if not isinstance(model, str) or not 1 <= len(model) <= 256 or not model.isprintable():
        bad.add("model", "not a name of 1 to 256 characters", "give the model's name at the upstream")
    seconds = secret.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        bad.add(
            "timeout_seconds",
            f"{seconds!r} is out of range",
            f"give whole seconds, 1 to {MAX_TIMEOUT_SECONDS}",
        )
    bad.raise_if_any()
    assert (
        isinstance(url, str)
        and isinstance(api_key, str)
        and isinstance(model, str)
        and isinstance(seconds, int)
    )
    return Upstream(url.rstrip("/"), api_key, model, seconds)


def is_alias(text: str) -> bool:
    """Say whether ``text`` can be the alias by which reviewers ask for the model (:data:`ALIAS_FIX`)."""
    return _ALIAS.fullmatch(text) is not None


def seal(public_pem: bytes | str, secret: Mapping[str, object]) -> str:
    """Return the sealed text (base64) of ``secret`` for the key ``public_pem``; checks it first."""
    check(secret)
    data = public_pem.encode("ascii", "replace") if isinstance(public_pem, str) else public_pem
    plain = json.dumps(dict(secret), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    # Trailing blanks are legal JSON whitespace, so every reader of the format accepts the padding.
    plain += b" " * (-len(plain) % _PAD_TO)
    return base64.b64encode(_suite().encrypt(plain, _public(data), INFO)).decode("ascii")


def open(private: ec.EllipticCurvePrivateKey, sealed: str) -> Upstream:
    """Return the opened secret; :class:`InvalidInput` says what is wrong without quoting any of it."""
    try:
        if len(sealed) > MAX_SEALED_CHARS:
            raise ValueError("too long")
        box = base64.b64decode(sealed, validate=True)
        value = json.loads(_suite().decrypt(box, private, INFO))
    except (ValueError, binascii.Error, InvalidTag, TypeError):
        raise InvalidInput(
            [
                Problem(
                    "sealed",
                    "it does not open with this gateway's key",
                    "seal it again with the key shown now",
                )
            ],
            what="upstream endpoint",
        ) from None
    if not isinstance(value, dict):
        raise InvalidInput([Problem("sealed", "the content is not an object", "seal a JSON object")])
    return check(value)


def sealed_shape(sealed: str) -> bool:
    """Say whether ``sealed`` can be a sealed text at all (what the desk can check without opening it)."""
    if not 100 <= len(sealed) <= MAX_SEALED_CHARS:
        return False
    try:
        box = base64.b64decode(sealed, validate=True)
    except (ValueError, binascii.Error):
        return False
    return len(box) > 65 + 16 and box[0] == 4


def _public(pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise InvalidInput(
            [
                Problem(
                    "seal_key",
                    "not a P-256 public key in PEM",
                    "fetch it again from /api/v1/gateway/seal-key",
                )
            ]
        )
    return key


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _plain_url(url: str) -> bool:
    """Say whether ``url`` is http(s) with a host, no credentials, no query, no fragment, no blanks."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > 2048:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    clean = parts.username is None and parts.password is None and "?" not in url and "#" not in url
    return parts.scheme in ("http", "https") and bool(parts.hostname) and clean
