"""The LANTERN beacon, a toy format of this suite: how records are packed and read."""

import random

WORDS = "amber birch cedar delta ember fjord grove heath islet juniper kelp lagoon".split()


def key_of(seed):
    return random.Random("key" + seed).randrange(1, 255)


def pack(key, seq, kind, payload, broken=False):
    data = bytes(b ^ key ^ (seq & 0xFF) for b in payload.encode())
    body = seq.to_bytes(2, "big") + bytes([kind, len(data)]) + data
    total = (sum(body) + (1 if broken else 0)) & 0xFF
    return b"LB" + body + bytes([total])


def capture(key, rng, count):
    """Return (bytes, expected lines); some records are broken and must be left out."""
    raw, lines = b"", []
    for _ in range(count):
        seq, kind = rng.randrange(65536), rng.randrange(1, 9)
        text = "-".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 4)))
        broken = rng.random() < 0.25
        raw += pack(key, seq, kind, text, broken)
        if not broken:
            lines.append(f"{seq} {kind} {text}")
    return raw, lines


def describe(key):
    return f"""LANTERN beacon, toy format

A capture is a sequence of records without separators. A record is
  2 bytes   the letters LB
  2 bytes   sequence number, unsigned, big-endian
  1 byte    kind
  1 byte    n, length of the payload
  n bytes   payload, ASCII; each byte is XORed with {key} and with the low byte of the sequence number
  1 byte    check: sum of all bytes after LB and before the check, modulo 256
A record whose check is wrong is skipped whole; the next record follows it directly.
"""
