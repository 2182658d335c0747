key=$(grep -o 'moved [0-9]*' FORMAT.txt | grep -o '[0-9]*$')
cat > decode.py <<END
import sys
raw = open(sys.argv[1], "rb").read()
at = 0
def number():
    global at
    value = shift = 0
    while True:
        b = raw[at]
        at += 1
        value |= (b & 0x7F) << shift
        shift += 7
        if not b & 0x80:
            return value
while at < len(raw):
    start = at
    seq, kind, n = number(), number(), number()
    data = raw[at : at + n]
    at += n
    check = 0
    for b in raw[start:at]:
        check ^= b
    good = check == raw[at]
    at += 1
    if good:
        print(seq, kind, "".join(chr((b - 97 - $key) % 26 + 97) if 97 <= b <= 122 else chr(b) for b in data))
END
python3 decode.py sample.bin | diff - sample.expected && echo done
