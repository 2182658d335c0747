python3 - <<'END'
import json
raw = open("agent.bin", "rb").read()
at = raw.index(b"SLWCFG") + 6
n, key, step = int.from_bytes(raw[at : at + 2], "little"), raw[at + 2], raw[at + 3]
text = bytes(b ^ (key + i * step & 0xFF) for i, b in enumerate(raw[at + 4 : at + 4 + n]))
print(json.loads(text)["tag"])
END
