"""The LANTERN-V beacon, a toy format of this suite with numbers of variable length."""

import random

WORDS = "amber birch cedar delta ember fjord grove heath islet juniper kelp lagoon".split()


def key_of(seed):
    return random.Random("key" + seed).randrange(3, 24)


def varint(value):
    out = b""
    while True:
        low, value = value & 0x7F, value >> 7
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def pack(key, seq, kind, payload, broken=False):
    data = bytes((b - 97 + key) % 26 + 97 if 97 <= b <= 122 else b for b in payload.encode())
    body = varint(seq) + varint(kind) + varint(len(data)) + data
    check = 0
    for b in body:
        check ^= b
    return body + bytes([check ^ (0x55 if broken else 0)])


def capture(key, rng, count):
    """Return (bytes, expected lines); some records are broken and must be left out."""
    raw, lines = b"", []
    for _ in range(count):
        seq, kind = rng.randrange(1 << rng.choice((6, 13, 20))), rng.randrange(1, 300)
        text = "-".join(rng.choice(WORDS) for _ in range(rng.choice((1, 2, 3, 30))))
        broken = rng.random() < 0.25
        raw += pack(key, seq, kind, text, broken)
        if not broken:
            lines.append(f"{seq} {kind} {text}")
    return raw, lines


def describe(key):
    return f"""LANTERN-V beacon, toy format

A capture is a sequence of records without separators. Numbers are unsigned, little-endian base 128:
seven bits a byte, lowest first, the top bit is set on every byte but the last. A record is
  number    sequence number
  number    kind
  number    n, length of the payload in bytes
  n bytes   payload, ASCII; each lower-case letter was moved {key} places forward in the alphabet, wrapping at z
  1 byte    check: XOR of all bytes of the record before the check
A record whose check is wrong is skipped whole; the next record follows it directly.
"""
