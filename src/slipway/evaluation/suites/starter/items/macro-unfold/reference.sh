cat > unfold.py <<'END'
import re
import sys
values = {}
for line in open(sys.argv[1]):
    words = line.split(maxsplit=3)
    if words[0] == "emit":
        print(values[words[1]])
        continue
    out = ""
    for part in words[3].strip().split(" + "):
        if part.startswith("chr("):
            out += chr(int(part[4:-1]))
        elif part.startswith("rev("):
            out += part[5:-2][::-1]
        elif part.startswith('"'):
            out += part[1:-1]
        else:
            out += values[part]
    values[words[1]] = out
END
python3 unfold.py sample.quill | diff - sample.expected && echo done
