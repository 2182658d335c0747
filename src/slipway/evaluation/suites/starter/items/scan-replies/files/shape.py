"""KITE, a toy protocol of this suite: replies as a scanner would have recorded them. No network is used."""

import random


def facts_of(seed):
    rng = random.Random("facts" + seed)
    return rng.randrange(3, 6), rng.randrange(0, 8)


def reply(rng, major, minor, flags, name):
    return b"KITE" + bytes([major, minor, flags, len(name)]) + name.encode()


def capture(facts, rng, count):
    """Return (text, expected lines)."""
    major, bit = facts
    rows, hits = [], []
    for _ in range(count):
        host = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}:{rng.randrange(1024, 9999)}"
        kind = rng.random()
        if kind < 0.2:
            rows.append(f"{host} {rng.randbytes(rng.randrange(1, 20)).hex()}")
            continue
        m, n, flags = rng.randrange(1, 8), rng.randrange(0, 10), rng.randrange(256)
        raw = reply(rng, m, n, flags, rng.choice(("node", "relay", "edge")))
        if kind < 0.3:
            raw = raw[:-1]
        elif m < major and flags >> bit & 1:
            hits.append(f"{host} {m}.{n}")
        rows.append(f"{host} {raw.hex()}")
    return "\n".join(rows) + "\n", sorted(hits)


def describe(facts):
    major, bit = facts
    return f"""KITE, toy protocol

A recording has one line a host: address:port, a space, the reply in hexadecimal. A KITE reply is
  4 bytes   the letters KITE
  1 byte    major version
  1 byte    minor version
  1 byte    flags; bit 0 is the lowest
  1 byte    n, length of the name
  n bytes   name
Replies that are not exactly this are ignored. A host is old when its major version is below {major} and bit {bit}
of its flags is set.
"""
