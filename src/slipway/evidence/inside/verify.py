#!/usr/bin/env python3
"""Check a slipway bundle or receipt with nothing but Python's standard library (3.8 or newer).

    python3 verify.py FILE --key VKEY [--policy FILE] [--since CHECKPOINT_FILE] [--json]

FILE is the bundle (*.slipway.zip) or a receipt, VKEY the log's verification
key, which you must have from somewhere else than the bundle. Nothing inside
FILE is trusted. One line a check: pass, fail, or "not checked" with the
reason. Exit status: 0 all required checks pass, 1 something is wrong,
2 usage, 3 nothing wrong was found but a required check could not be made.

This file is written separately from slipway's own verifier, so that one can
be held against the other. It opens no network connection and writes no file.
Read it from the bottom: main, steps, checks, formats, Merkle tree, Ed25519.
"""

# It must run on Python 3.8, and its checks are named by their methods.
# ruff: noqa: UP006, UP031, UP035, UP045, D102, B904, B905
from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from typing import Any, Callable, Dict, List, Optional, Tuple

Point = Tuple[int, int, int, int]
Table = List[List[Tuple[int, int, int]]]
Key = Tuple[str, bytes, bytes]
Steps = List[Tuple[str, Tuple[str, ...], Callable[[], str]]]


class Bad(Exception):
    """A rule is broken: its name and where."""


class NotDecided(Exception):
    """A check could not be made, and why."""


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest."""
    return hashlib.sha256(data).digest()


def hexdigest(data: bytes) -> str:
    """Return the SHA-256 digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


# --- Ed25519, strict: S < L, A and R canonical and not of small order, no cofactor (RFC 8032, libsodium)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
MASK = (1 << 255) - 1
SMALL_Y = {
    0,
    1,
    P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
}


def recover_x(y: int, sign: int) -> int | None:
    """Return the x coordinate for y, or None when there is no such point."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def add(p: Point, q: Point) -> Point:
    """Add two points in extended coordinates (X, Y, Z, T)."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * D * p[3] * q[3] % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def table(point: Point) -> Table:
    """Return, for each 4-bit window, the 15 multiples of 16^i * point as (y - x, y + x, 2dxy)."""
    points: List[Point] = []
    for _ in range(64):
        row = [point]
        for _ in range(14):
            row.append(add(row[-1], point))
        points += row
        point = add(row[-1], point)
    # One inversion for all: running products forward, then backward.
    products: List[int] = []
    running = 1
    for point in points:
        products.append(running)
        running = running * point[2] % P
    inverse = pow(running, P - 2, P)
    flat = [(0, 0, 0)] * len(points)
    for i in range(len(points) - 1, -1, -1):
        x, y, z, _ = points[i]
        z_inverse = inverse * products[i] % P
        inverse = inverse * z % P
        x, y = x * z_inverse % P, y * z_inverse % P
        flat[i] = ((y - x) % P, (y + x) % P, 2 * D * x * y % P)
    return [flat[i : i + 15] for i in range(0, len(flat), 15)]


def accumulate(point: Point, multiples: Table, scalar: int) -> Point:
    """Return point + scalar * (the table's point)."""
    x, y, z, t = point
    for row in multiples:
        window = scalar & 15
        scalar >>= 4
        if window:
            minus, plus, product = row[window - 1]
            a, b, c, d = (y - x) * minus % P, (y + x) * plus % P, t * product % P, 2 * z
            e, f, g, h = b - a, d - c, d + c, b + a
            x, y, z, t = e * f % P, g * h % P, f * g % P, e * h % P
    return x, y, z, t


def bad_point(encoded: bytes) -> bool:
    """Whether an encoded point is not canonical or of small order."""
    y = int.from_bytes(encoded, "little") & MASK
    return y >= P or y in SMALL_Y


TABLES: Dict[Any, Optional[Table]] = {}


def table_for(public: bytes) -> Table | None:
    """Return the table of the *negated* public key, None when it is not a point."""
    if public not in TABLES:
        number = int.from_bytes(public, "little")
        y = number & MASK
        x = recover_x(y, number >> 255)
        TABLES[public] = None if x is None else table((P - x, y, 1, (P - x) * y % P))
    return TABLES[public]


def base_table() -> Table:
    """Return the table of the base point."""
    if "base" not in TABLES:
        y = 4 * pow(5, P - 2, P) % P
        x = recover_x(y, 0)
        assert x is not None
        TABLES["base"] = table((x, y, 1, x * y % P))
    result = TABLES["base"]
    assert result is not None
    return result


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify a signature under the strict rule."""
    if len(public) != 32 or len(signature) != 64 or bad_point(public) or bad_point(signature[:32]):
        return False
    s = int.from_bytes(signature[32:], "little")
    minus_key = table_for(public)
    if s >= L or minus_key is None:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    x, y, z, _ = accumulate(accumulate((0, 1, 1, 0), base_table(), s), minus_key, k)
    inverse = pow(z, P - 2, P)
    encoded = (y * inverse % P) | ((x * inverse % P) & 1) << 255
    return encoded.to_bytes(32, "little") == signature[:32]


# --- RFC 6962 Merkle tree


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry)


def node(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right)


def root_by_inclusion(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """Recompute the root from a leaf and its audit path (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        raise Bad("proof.index_out_of_range", "index %d, size %d" % (index, size))
    fn, sn, result = index, size - 1, leaf
    for sibling in path:
        if sn == 0:
            raise Bad("proof.length", "too many hashes")
        if fn & 1 or fn == sn:
            result = node(sibling, result)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Bad("proof.length", "too few hashes")
    return result


def check_consistency(old: int, new: int, path: list[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of `new` leaves extends the one of `old` (RFC 9162 2.1.4.2)."""
    if old == 0:
        raise Bad("proof.empty_tree", "consistency with the empty tree proves nothing")
    if old > new:
        raise Bad("proof.sizes", "%d is beyond %d" % (old, new))
    if old == new:
        if path:
            raise Bad("proof.length", "equal sizes need no proof")
        if old_root != new_root:
            raise Bad("proof.root_mismatch", "two roots for one size")
        return
    path = ([old_root] if old & (old - 1) == 0 else []) + list(path)
    if not path:
        raise Bad("proof.length", "the proof is empty")
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise Bad("proof.length", "too many hashes")
        if fn & 1 or fn == sn:
            first, second = node(sibling, first), node(sibling, second)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise Bad("proof.length", "too few hashes")
    if (first, second) != (old_root, new_root):
        raise Bad("proof.root_mismatch", "the proof leads to other roots")


# --- Formats: base64, JSON, keys, notes, proofs, DSSE, zip


def unbase64(text: str) -> bytes:
    """Decode the one base64 form of some bytes."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise Bad("base64.not_canonical", repr(text[:40]))
    if base64.b64encode(data).decode() != text:
        raise Bad("base64.not_canonical", repr(text[:40]))
    return data


def hash_lines(text: str) -> list[bytes]:
    """Read base64 SHA-256 hashes, one a line."""
    if text and not text.endswith("\n"):
        raise Bad("proof.syntax", "no newline at the end")
    hashes = [unbase64(line) for line in text.split("\n")[:-1]]
    if any(len(value) != 32 for value in hashes):
        raise Bad("proof.hash_size", "a hash has not 32 bytes")
    return hashes


def decimal(text: str) -> int:
    """Read an ASCII decimal without leading zeros, below 2^63."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 1 << 63:
        raise Bad("checkpoint.size", repr(text[:30]))
    return int(text)


def strict_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same key twice."""
    if len(dict(pairs)) != len(pairs):
        raise Bad("json.duplicate_key", "an object has a key twice")
    return dict(pairs)


def no_float(text: str) -> Any:
    """Refuse numbers that are not integers."""
    raise Bad("json.float", text[:40])


def strict_int(text: str) -> int:
    """Refuse integers beyond 2^53-1."""
    if len(text) > 17 or abs(int(text)) > 2**53 - 1:
        raise Bad("json.integer_range", text[:40])
    return int(text)


def arrange(value: Any, depth: int = 0) -> Any:
    """Sort keys by UTF-16 code units (RFC 8785) and refuse lone surrogates and deep nesting."""
    if depth > 64:
        raise Bad("json.depth", "nested deeper than 64")
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: arrange(key).encode("utf-16-be"))
        return {key: arrange(value[key], depth + 1) for key in keys}
    if isinstance(value, list):
        return [arrange(item, depth + 1) for item in value]
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Bad("json.lone_surrogate", "text contains a lone surrogate")
    return value


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a value."""
    return json.dumps(arrange(value), ensure_ascii=False, separators=(",", ":")).encode()


def parse_json(data: bytes, must_be_canonical: bool = True) -> Any:
    """Parse JSON strictly."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=strict_pairs,
            parse_float=no_float,
            parse_int=strict_int,
            parse_constant=no_float,
        )
    except UnicodeDecodeError:
        raise Bad("json.encoding", "not UTF-8")
    except (ValueError, RecursionError) as error:
        raise Bad("json.syntax", str(error)[:80])
    if canonical(value) != data and must_be_canonical:
        raise Bad("json.not_canonical", "not in canonical form (RFC 8785)")
    return value


def parse_vkey(text: str) -> Key:
    """Return (name, key id, public key) of a C2SP vkey."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not parts[0] or any(c.isspace() or c < " " for c in parts[0]):
        raise Bad("key.syntax", repr(text[:60]))
    name, data = parts[0], unbase64(parts[2])
    if not data or data[0] != 1:
        raise Bad("key.type", "not an Ed25519 key")
    if len(data) != 33:
        raise Bad("key.syntax", "an Ed25519 key has 32 bytes")
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    if key_id.hex() != parts[1]:
        raise Bad("key.id_mismatch", repr(parts[1]))
    if bad_point(data[1:]):
        raise Bad("key.weak", "the key is not canonical or of small order")
    return name, key_id, data[1:]


def open_checkpoint(note: str, key: Key) -> tuple[int, bytes]:
    """Return (size, root) of a checkpoint that `key` signed."""
    name, key_id, public = key
    if len(note) > 256 * 1024:
        raise Bad("note.syntax", "too long")
    if re.search("[\x00-\x09\x0b-\x1f]", note):
        raise Bad("note.control_character", "a control character")
    text, blank, tail = note.rpartition("\n\n")
    text += "\n"
    if not blank:
        raise Bad("note.blank_line", "no blank line before the signatures")
    if not tail.endswith("\n"):
        raise Bad("note.signature_line", "no signature line, or no newline at the end")
    signatures = tail[:-1].split("\n")
    if len(signatures) > 64:
        raise Bad("note.too_many_signatures", "over 64")
    found = []
    for line in signatures:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not parts[1] or re.search(r"[\s+]", parts[1]):
            raise Bad("note.signature_line", repr(line[:60]))
        data = unbase64(parts[2])
        if len(data) < 5:
            raise Bad("note.signature_line", "too short")
        if parts[1] == name and data[:4] == key_id:
            found.append(data[4:])
    lines = text[:-1].split("\n")
    if "" in lines:
        raise Bad("note.blank_line", "more than one blank line")
    if len(lines) < 3:
        raise Bad("checkpoint.syntax", "origin, size and root are needed")
    size, root = decimal(lines[1]), unbase64(lines[2])
    if len(root) != 32:
        raise Bad("proof.hash_size", "the root has not 32 bytes")
    if not found:
        raise Bad("note.no_known_signature", "not signed by the given key")
    if not all(ed25519(public, text.encode(), signature) for signature in found):
        raise Bad("note.signature", "the signature does not verify")
    if lines[0] != name:
        raise Bad("checkpoint.other_log", "of log %r, not %r" % (lines[0], name))
    return size, root


def parse_proof(text: str) -> tuple[int, list[bytes], str]:
    """Return (index, audit path, checkpoint note) of a C2SP tlog-proof."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Bad("proof.syntax", "not a tlog-proof")
    if lines and lines[0].startswith("extra "):
        unbase64(lines.pop(0)[6:])
    if not lines or not lines[0].startswith("index "):
        raise Bad("proof.syntax", "no index line")
    return decimal(lines[0][6:]), hash_lines("".join(line + "\n" for line in lines[1:])), note


def open_envelope(data: bytes, keys: dict[str, Key]) -> tuple[bytes, set[str]]:
    """Return (payload, vkeys that signed) of a DSSE envelope; `keys` maps vkeys to parsed keys."""
    value = parse_json(data, must_be_canonical=False)
    if not isinstance(value, dict) or set(value) != {"payloadType", "payload", "signatures"}:
        raise Bad("dsse.syntax", "not an envelope")
    kind, signatures = value["payloadType"], value["signatures"]
    if (
        not isinstance(kind, str)
        or not isinstance(value["payload"], str)
        or not is_signatures(signatures, "keyid")
    ):
        raise Bad("dsse.syntax", "not an envelope")
    signed = [(item["keyid"], unbase64(item["sig"])) for item in signatures]
    payload = unbase64(value["payload"])
    if kind != "application/vnd.in-toto+json":
        raise Bad("dsse.payload_type", repr(kind))
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    good: set[str] = set()
    for vkey, signature in signed:
        if vkey in keys:
            if not ed25519(keys[vkey][2], message, signature):
                raise Bad("dsse.signature", "the signature of %s does not verify" % keys[vkey][0])
            good.add(vkey)
    if not good:
        raise Bad("dsse.no_known_signature", "no signature of a known key")
    return payload, good


def is_signatures(value: Any, key: str) -> bool:
    """Whether a list of signatures has the right form."""
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and set(item) == {key, "sig"}
        and all(isinstance(x, str) for x in item.values())
        for item in value
    )


def open_statement(payload: bytes, predicate_type: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return (subjects by name, predicate) of an in-toto statement."""
    value = parse_json(payload)
    if (
        not isinstance(value, dict)
        or value.get("_type") != "https://in-toto.io/Statement/v1"
        or value.get("predicateType") != predicate_type
        or not isinstance(value.get("predicate"), dict)
        or not isinstance(value.get("subject"), list)
        or not value["subject"]
    ):
        raise Bad("statement.schema", "not a statement of type " + predicate_type)
    subjects: Dict[str, str] = {}
    for item in value["subject"]:
        digests = item.get("digest") if isinstance(item, dict) else None
        digest = digests.get("sha256") if isinstance(digests, dict) else None
        if (
            not isinstance(digest, str)
            or not is_hash(digest)
            or not isinstance(item.get("name"), str)
            or item["name"] in subjects
        ):
            raise Bad("statement.schema", "a subject without name or digest, or named twice")
        subjects[item["name"]] = digest
    return subjects, value["predicate"]


MAX_MEMBERS, MAX_MEMBER, MAX_TOTAL = 60000, 64 << 20, 512 << 20
MEMBER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,4}", re.ASCII)


def pack(members: dict[str, bytes]) -> bytes:
    """Return the one zip that holds these members: stored, sorted, fixed times."""
    body: List[bytes] = []
    directory: List[bytes] = []
    offset = 0
    for name in sorted(members):
        data, raw = members[name], name.encode()
        common = (0x21, zlib.crc32(data), len(data), len(data), len(raw))
        local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, *common, 0)
        mode = 0o100644 << 16
        directory.append(
            struct.pack("<4s6H3L5H2L", b"PK\1\2", 788, 20, 0, 0, 0, *common, 0, 0, 0, 0, mode, offset) + raw
        )
        body += [local, raw, data]
        offset += len(local) + len(raw) + len(data)
    central = b"".join(directory)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(central), offset, 0)
    return b"".join(body) + central + end


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the members of a bundle."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_MEMBERS:
                raise Bad("zip.limit", "too many members")
            names: set[str] = set()
            total = 0
            for info in infos:
                name, kind = info.filename, info.external_attr >> 16 & 0o170000
                total += info.file_size
                if kind == 0o120000:
                    raise Bad("zip.link", repr(name[:80]))
                if name in names:
                    raise Bad("zip.duplicate_name", repr(name[:80]))
                names.add(name)
                if not MEMBER.fullmatch(info.orig_filename) or len(name) > 200 or kind == 0o040000:
                    raise Bad("zip.path", repr(name[:80]))
                if info.file_size > MAX_MEMBER or total > MAX_TOTAL:
                    raise Bad("zip.limit", name)
                if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                    raise Bad("zip.compressed", name)
            members = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise Bad("zip.syntax", str(error))
    except (struct.error, zlib.error, OverflowError) as error:
        raise Bad("zip.syntax", str(error))
    if pack(members) != data:
        raise Bad("zip.syntax", "the zip is not in its one form; it was rebuilt")
    return members


# --- Records


def is_hash(value: Any) -> bool:
    """Whether a value is a SHA-256 digest in lower-case hexadecimal."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value, re.ASCII) is not None


def matches(pattern: str, value: Any) -> bool:
    """Whether a value is text of a form."""
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"
RECORD = {
    "v",
    "id",
    "nonce",
    "type",
    "review",
    "at",
    "party",
    "body",
    "sealed",
    "blobs",
    "kek",
    "log",
    "n",
    "prev",
    "sigs",
}


def is_blob(blob: Any) -> bool:
    """Whether a value is a reference to sealed content."""
    return (
        isinstance(blob, dict)
        and set(blob) == {"role", "ct_sha256", "size_bucket", "commit"}
        and matches(NAME, blob["role"])
        and is_hash(blob["ct_sha256"])
        and type(blob["size_bucket"]) is int
        and blob["size_bucket"] >= 0
        and is_hash(blob["commit"])
    )


def read_record(entry: bytes, log: str) -> Any:
    """Read a record strictly; it must be of this log."""
    if len(entry) > 65535:
        raise Bad("record.too_large", "%d bytes" % len(entry))
    r = parse_json(entry)
    if not isinstance(r, dict) or set(r) != RECORD:
        raise Bad("record.schema", "not exactly the fields of a record")
    hexes = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    if r["review"] is None:
        place = r["n"] is None and r["prev"] is None
    else:
        place = matches(NAME, r["review"]) and type(r["n"]) is int and r["n"] >= 0
        place = place and (r["prev"] is None if r["n"] == 0 else is_hash(r["prev"]))
    good = (
        type(r["v"]) is int
        and r["v"] == 1
        and matches(hexes, r["id"])
        and matches("[A-Za-z0-9+/]{22}==", r["nonce"])
        and len(unbase64(r["nonce"])) == 16
        and matches(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+", r["type"])
        and matches(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", r["at"])
        and matches(NAME, r["party"])
        and isinstance(r["body"], dict)
        and isinstance(r["sealed"], list)
        and all(map(is_hash, r["sealed"]))
        and r["sealed"] == sorted(set(r["sealed"]))
        and isinstance(r["blobs"], list)
        and all(map(is_blob, r["blobs"]))
        and (r["kek"] is None or matches(NAME, r["kek"]))
        and isinstance(r["log"], str)
        and is_signatures(r["sigs"], "key")
        and place
    )
    if not good:
        raise Bad("record.schema", "a field has not the right form")
    if r["log"] != log:
        raise Bad("record.other_log", repr(r["log"]))
    return r


def check_party(record: Any, keys: dict[str, Key]) -> None:
    """Check the party's signatures; `keys` maps the allowed vkeys to parsed keys."""
    if not record["sigs"]:
        raise Bad("party.unsigned", "no party signature")
    message = canonical(dict(record, sigs=[]))
    for item in record["sigs"]:
        if item["key"] not in keys:
            raise Bad("party.key_not_announced", "signed with a key that the chain did not announce")
        if not ed25519(keys[item["key"]][2], message, unbase64(item["sig"])):
            raise Bad("party.signature", "the party's signature does not verify")


def check_policy(text: str | None, vkey: str) -> str:
    """Check a trust policy against the key in use."""
    if text is None:
        raise NotDecided("no policy was given")
    logs: List[str] = []
    quorum = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#") or (words[0] in ("witness", "group") and len(words) > 0):
            continue
        if words[0] == "log" and len(words) > 1:
            parse_vkey(words[1])
            logs.append(words[1])
        elif words[0] == "quorum" and len(words) == 2:
            quorum = words[1]
        else:
            raise Bad("policy.syntax", repr(line[:60]))
    if vkey not in logs or quorum is None:
        raise Bad("policy.syntax", "the policy does not name the given key, or has no quorum line")
    if quorum != "none":
        raise NotDecided("witness cosignatures are not checked here")
    return "the policy names this log and asks for no witness"


# --- The checks


class Checks:
    """What bundles and receipts have in common."""

    def __init__(self, data: bytes, vkey: str, policy: str | None, since: str | None) -> None:
        self.data, self.vkey, self.policy_text = data, vkey, policy
        self.key = parse_vkey(vkey)
        self.held = None if since is None else open_checkpoint(since, self.key)

    def policy(self) -> str:
        return check_policy(self.policy_text, self.vkey)

    def grown(self, last: tuple[int, bytes], path: list[bytes] | None) -> str:
        """Check growth from the checkpoint that the caller holds."""
        if self.held is None:
            raise NotDecided("no earlier checkpoint was given")
        size, root = self.held
        if size > last[0]:
            raise NotDecided("the file is older than the checkpoint you hold")
        if size == last[0]:
            if root != last[1]:
                raise Bad(
                    "log.fork", "two different signed roots for one size: keep both checkpoints as proof"
                )
            return "the same tree of %d" % size
        if size == 0:
            raise NotDecided("a checkpoint of an empty log proves nothing")
        if path is None:
            raise NotDecided("the file carries no proof from size %d" % size)
        check_consistency(size, last[0], path, root, last[1])
        return "the log of %d entries extends the %d that you knew" % (last[0], size)


class Bundle(Checks):
    """The checks of a bundle."""

    def steps(self) -> Steps:
        return [
            ("container", (), self.container),
            ("manifest", ("container",), self.manifest),
            ("checkpoint", ("manifest",), self.checkpoint),
            ("policy", (), self.policy),
            ("consistency", ("checkpoint",), self.consistency),
            ("since", ("checkpoint",), self.since),
            ("entries", ("manifest",), self.entries),
            ("inclusion", ("checkpoint", "entries"), self.inclusion),
            ("chain", ("inclusion",), self.chain),
            ("parties", ("chain",), self.parties),
            ("report", ("parties",), self.report),
            ("completeness", ("chain", "report"), self.completeness),
            ("subjects", ("completeness",), self.subjects),
            ("certificate", ("report",), self.certificate),
            ("disclosures", ("chain",), self.disclosures),
            ("exports", ("report",), self.exports),
        ]

    def text(self, name: str) -> str:
        try:
            return self.members[name].decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("bundle.member", name + " is not UTF-8")

    def under(self, folder: str) -> list[str]:
        return sorted(name for name in self.members if name.startswith(folder))

    def container(self) -> str:
        self.members = unpack(self.data)
        return "%d members, stored and sorted" % len(self.members)

    def manifest(self) -> str:
        if "manifest.json" not in self.members:
            raise Bad("bundle.manifest", "manifest.json is missing")
        value = parse_json(self.members["manifest.json"])
        if not isinstance(value, dict) or set(value) != {"format", "log", "review", "files"}:
            raise Bad("bundle.manifest", "not exactly format, log, review and files")
        files = value["files"]
        if (
            value["format"] != "slipway-bundle/1"
            or not isinstance(files, dict)
            or not isinstance(value["review"], str)
        ):
            raise Bad("bundle.manifest", "not a slipway-bundle/1")
        actual = {name: hexdigest(data) for name, data in self.members.items() if name != "manifest.json"}
        if files != actual:
            raise Bad("bundle.manifest", "the files are not those that the manifest lists")
        for name in (
            "checkpoints/first",
            "checkpoints/last",
            "checkpoints/consistency",
            "report.dsse.json",
            "report.html",
        ):
            if name not in self.members:
                raise Bad("bundle.member", name + " is missing")
        self.review = value["review"]
        return "review %s: every file is listed with its digest" % self.review

    def checkpoint(self) -> str:
        self.last = open_checkpoint(self.text("checkpoints/last"), self.key)
        return "log %s of %d entries, signed by the given key" % (self.key[0], self.last[0])

    def consistency(self) -> str:
        first = open_checkpoint(self.text("checkpoints/first"), self.key)
        check_consistency(
            first[0], self.last[0], hash_lines(self.text("checkpoints/consistency")), first[1], self.last[1]
        )
        return "the log grew from %d to %d entries without a change" % (first[0], self.last[0])

    def since(self) -> str:
        path = None
        if self.held is not None:
            name = "checkpoints/since-%d" % self.held[0]
            if name in self.members:
                path = hash_lines(self.text(name))
            elif open_checkpoint(self.text("checkpoints/first"), self.key)[0] == self.held[0]:
                path = hash_lines(self.text("checkpoints/consistency"))
        return self.grown(self.last, path)

    def entries(self) -> str:
        names = self.under("entries/")
        if not names or names != ["entries/%06d.json" % n for n in range(len(names))]:
            raise Bad("chain.gap", "entries/ is not numbered without a gap")
        self.raw = [self.members[name] for name in names]
        self.records = [read_record(entry, self.key[0]) for entry in self.raw]
        return "%d records, each canonical and of this log" % len(self.raw)

    def inclusion(self) -> str:
        names = self.under("proofs/")
        if names != ["proofs/%06d.tlog-proof" % n for n in range(len(self.raw))]:
            raise Bad("bundle.member", "not one proof for each record")
        self.indexes: List[int] = []
        note = self.text("checkpoints/last")
        for entry, name in zip(self.raw, names):
            index, path, checkpoint = parse_proof(self.text(name))
            if checkpoint != note:
                raise Bad("checkpoint.other_log", name + " is under another checkpoint")
            if root_by_inclusion(index, self.last[0], leaf_hash(entry), path) != self.last[1]:
                raise Bad("proof.root_mismatch", name)
            self.indexes.append(index)
        return "all %d records are in the signed tree" % len(names)

    def chain(self) -> str:
        previous = None
        for n, record in enumerate(self.records):
            if record["review"] != self.review:
                raise Bad("chain.other_review", "record %d" % n)
            if record["n"] != n:
                raise Bad("chain.gap", "record %d" % n)
            if record["prev"] != previous:
                raise Bad("chain.prev", "record %d" % n)
            if n and self.indexes[n] <= self.indexes[n - 1]:
                raise Bad("chain.order", "record %d" % n)
            previous = leaf_hash(self.raw[n]).hex()
        return "%d records of review %s, without a gap" % (len(self.records), self.review)

    def parties(self) -> str:
        self.announced: Dict[str, Dict[str, Key]] = {}
        for record in self.records:
            keys = self.announced.get(record["party"], {})
            if record["type"] == "party.key":
                party, vkey = record["body"].get("party"), record["body"].get("vkey")
                if not isinstance(party, str) or not isinstance(vkey, str):
                    raise Bad("record.schema", "party.key without party and vkey")
                parsed = parse_vkey(vkey)
                if any(vkey in known for other, known in self.announced.items() if other != party):
                    raise Bad("party.key_not_announced", "the key belongs to another party already")
                check_party(record, keys or ({vkey: parsed} if party == record["party"] else {}))
                self.announced.setdefault(party, {})[vkey] = parsed
            else:
                check_party(record, keys)
        self.keys = {vkey: key for keys in self.announced.values() for vkey, key in keys.items()}
        return "every record is signed by its party (%s)" % ", ".join(sorted(self.announced))

    def signers(self, good: set[str]) -> list[str]:
        return sorted(party for party, keys in self.announced.items() if good & set(keys))

    def report(self) -> str:
        payload, good = open_envelope(self.members["report.dsse.json"], self.keys)
        self.payload = hexdigest(payload)
        self.signed, self.predicate = open_statement(payload, "https://slipway.example/review-report/v1")
        wanted, signers = self.predicate.get("signers"), self.signers(good)
        if not isinstance(wanted, list) or not wanted:
            raise Bad("statement.schema", "the report does not name its signers")
        if any(party not in signers for party in wanted):
            raise Bad("dsse.no_known_signature", "a signer is missing")
        self.signed_by = signers
        issued = [r["body"].get("statement_sha256") for r in self.records if r["type"] == "report.issued"]
        if issued and self.payload not in issued:
            raise Bad("statement.subject_mismatch", "the chain records the issue of another report")
        return "signed by %s" % ", ".join(signers)

    def completeness(self) -> str:
        claimed, count = self.predicate.get("chain"), len(self.records)
        if not isinstance(claimed, dict):
            raise Bad("statement.schema", "the report says nothing of its chain")
        if claimed.get("review") != self.review:
            raise Bad("chain.other_review", "the report is of another review")
        for position, record in enumerate(self.records):
            if record["type"] == "review.closed" and (
                record["body"].get("count") != count or position != count - 1
            ):
                raise Bad("chain.count", "the review was closed at another count")
        n = claimed.get("n")
        if type(n) is not int or not 0 < n <= count:
            raise Bad("chain.count", "the report speaks of %r records, here are %d" % (n, count))
        if leaf_hash(self.raw[n - 1]).hex() != claimed.get("last"):
            raise Bad("chain.prev", "the report names another record last")
        # The report's own list of signers could name anybody: who decided must have signed.
        decided = [r["party"] for r in self.records[:n] if r["type"] == "determination.recorded"]
        if not decided:
            raise Bad("statement.subject_mismatch", "the chain has no determination to report on")
        if decided[-1] not in self.signed_by:
            raise Bad("dsse.no_known_signature", "no signature of %s, who determined" % decided[-1])
        return "complete up to the %d records that the report was signed over; %d are here" % (n, count)

    def subjects(self) -> str:
        if "report.html" not in self.signed or ("report.pdf" in self.members) != (
            "report.pdf" in self.signed
        ):
            raise Bad(
                "statement.subject_mismatch", "report.html or report.pdf is here or signed, but not both"
            )
        for name, digest in self.signed.items():
            if name == "chain":
                actual = self.predicate["chain"]["last"]
            else:
                actual = hexdigest(self.members[name]) if name in self.members else None
            if actual != digest:
                raise Bad("statement.subject_mismatch", name + " is not what was signed")
        return "%s are what was signed" % ", ".join(sorted(self.signed))

    def certificate(self) -> str:
        if "certificate.dsse.json" not in self.members:
            raise NotDecided("the bundle has no certificate")
        payload, good = open_envelope(self.members["certificate.dsse.json"], self.keys)
        subjects, predicate = open_statement(payload, "https://in-toto.io/attestation/svr/v0.1")
        if subjects != {"report": self.payload}:
            raise Bad("certificate.other_subject", "the certificate is about another report")
        properties = predicate.get("properties")
        if not isinstance(properties, list) or not all(isinstance(item, str) for item in properties):
            raise Bad("statement.schema", "the certificate lists no properties")
        return "signed by %s: %s" % (", ".join(self.signers(good)), ", ".join(properties))

    def disclosures(self) -> str:
        names, count = self.under("disclosures/"), 0
        if not names:
            raise NotDecided("the bundle discloses nothing")
        sealed = {record["id"]: record["sealed"] for record in self.records}
        for name in names:
            value = parse_json(self.members[name])
            if (
                not isinstance(value, dict)
                or set(value) != {"record", "fields"}
                or not isinstance(value["fields"], list)
            ):
                raise Bad("disclosure.syntax", name)
            if not isinstance(value["record"], str) or value["record"] not in sealed:
                raise Bad("disclosure.other_record", name)
            for field in value["fields"]:
                if (
                    not isinstance(field, list)
                    or len(field) != 3
                    or not all(isinstance(x, str) for x in field[:2])
                ):
                    raise Bad("disclosure.syntax", name)
                if hexdigest(canonical(field)) not in sealed[value["record"]]:
                    raise Bad("disclosure.other_record", name)
                count += 1
        return "%d disclosed fields are those that the records commit to" % count

    def exports(self) -> str:
        names = self.under("exports/")
        if not names:
            raise NotDecided("the bundle has no exports")
        loose = [name for name in names if name not in self.signed]
        if loose:
            raise NotDecided("not signed with the report: %s" % ", ".join(loose))
        return "%d exports are signed with the report" % len(names)


class Receipt(Checks):
    """The checks of one record's receipt."""

    def steps(self) -> Steps:
        return [
            ("receipt", (), self.receipt),
            ("checkpoint", ("receipt",), self.checkpoint),
            ("policy", (), self.policy),
            ("since", ("checkpoint",), lambda: self.grown(self.last, None)),
            ("entry", ("receipt",), self.entry),
            ("inclusion", ("checkpoint", "entry"), self.inclusion),
            ("party", ("entry",), self.party),
        ]

    def receipt(self) -> str:
        value = parse_json(self.data, must_be_canonical=False)
        fields = {"format", "entry", "index", "proof", "checkpoint"}
        if not isinstance(value, dict) or set(value) != fields or value["format"] != "slipway-receipt/1":
            raise Bad("receipt.syntax", "neither a bundle nor a receipt")
        proof = value["proof"]
        texts = [value["entry"], value["checkpoint"]] + (proof if isinstance(proof, list) else [None])
        if type(value["index"]) is not int or not all(isinstance(text, str) for text in texts):
            raise Bad("receipt.syntax", "a field has the wrong type")
        self.value = value
        return "a receipt with entry, index, proof and checkpoint"

    def checkpoint(self) -> str:
        self.last = open_checkpoint(self.value["checkpoint"], self.key)
        return "log %s of %d entries, signed by the given key" % (self.key[0], self.last[0])

    def entry(self) -> str:
        self.raw = unbase64(self.value["entry"])
        self.record = read_record(self.raw, self.key[0])
        return "record %(id)s, %(type)s by %(party)s at %(at)s" % self.record

    def inclusion(self) -> str:
        path = hash_lines("".join(text + "\n" for text in self.value["proof"]))
        if root_by_inclusion(self.value["index"], self.last[0], leaf_hash(self.raw), path) != self.last[1]:
            raise Bad("proof.root_mismatch", "the proof leads to another root")
        return "the record is entry %d of the signed tree" % self.value["index"]

    def party(self) -> str:
        keys = {item["key"]: parse_vkey(item["key"]) for item in self.record["sigs"]}
        if keys:
            check_party(self.record, keys)
        raise NotDecided("whose key signed the record is announced in the review's chain, not in a receipt")


OPTIONAL = {"since", "policy", "certificate", "disclosures", "exports", "party"}


def printable(text: str) -> str:
    """Return text that cannot draw lines of its own on a terminal: parts of it come from the bundle."""
    return "".join(c if c.isprintable() else "\\u%04x" % ord(c) for c in text)


def verify(
    data: bytes, vkey: str, policy: str | None = None, since: str | None = None
) -> tuple[list[tuple[str, str, str]], int]:
    """Return ([(name, status, reason)], exit status)."""
    kind = Bundle if data[:2] == b"PK" else Receipt
    checks = kind(data, vkey, policy, since)
    done: Dict[str, Tuple[str, str]] = {}
    for name, needs, step in checks.steps():
        missing = [need for need in needs if done[need][0] != "pass"]
        if missing:
            done[name] = ("not checked", "needs " + ", ".join(missing))
            continue
        try:
            done[name] = ("pass", step())
        except NotDecided as undecided:
            done[name] = ("not checked", str(undecided))
        except Bad as bad:
            done[name] = ("fail", "[%s] %s" % bad.args)
    optional = (
        OPTIONAL - ({"since"} if since is not None else set()) - ({"policy"} if policy is not None else set())
    )
    statuses = {status for status, _ in done.values()}
    if "fail" in statuses:
        status = 1
    elif any(done[name][0] != "pass" for name in done if name not in optional):
        status = 3
    else:
        status = 0
    return [(name, state, printable(reason)) for name, (state, reason) in done.items()], status


def main() -> int:
    """Read the command line and print the verdict."""
    parser = argparse.ArgumentParser(description="Check a slipway bundle or receipt offline.")
    parser.add_argument("file")
    parser.add_argument("--key", required=True, help="the log's verification key (vkey)")
    parser.add_argument("--policy", help="file with a trust policy")
    parser.add_argument("--since", help="file with a checkpoint that you hold from before")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    def read(name: str | None) -> str | None:
        if name is None:
            return None
        with open(name, encoding="utf-8", newline="") as file:
            return file.read()

    try:
        with open(options.file, "rb") as file:
            data = file.read(MAX_TOTAL + (64 << 20) + 1)
        results, status = verify(data, options.key, read(options.policy), read(options.since))
    except (OSError, UnicodeDecodeError) as error:
        parser.error(str(error))
    except Bad as bad:
        parser.error("[%s] %s" % bad.args)
    if options.json:
        checks = [{"name": name, "status": state, "reason": reason} for name, state, reason in results]
        print(json.dumps({"status": status, "checks": checks}, indent=2))
    else:
        for name, state, reason in results:
            print("%-11s  %s: %s" % (state, name, reason))
    return status


if __name__ == "__main__":
    sys.exit(main())
