import json
import random

import bench

rng = bench.rng
key = rng.randrange(1, 255)
step = rng.randrange(1, 60)
text = json.dumps(
    {"name": rng.choice(("heron", "ibis", "teal")), "interval": rng.randrange(10, 900), "tag": bench.FLAG}
)
hidden = bytes(b ^ (key + i * step & 0xFF) for i, b in enumerate(text.encode()))
noise = random.Random(rng.random())
head, tail = noise.randbytes(rng.randrange(900, 3000)), noise.randbytes(rng.randrange(200, 900))
block = b"SLWCFG" + len(hidden).to_bytes(2, "little") + bytes([key, step]) + hidden
bench.home("agent.bin", head.replace(b"SLWCFG", b"slwcfg") + block + tail)
bench.home(
    "FORMAT.txt",
    """Configuration block of a toy agent of this suite

The block lies somewhere in agent.bin:
  6 bytes   the letters SLWCFG
  2 bytes   n, length of the text, unsigned, little-endian
  1 byte    key
  1 byte    step
  n bytes   JSON text; byte i (from 0) is XORed with (key + i * step) modulo 256
""",
)
