key=$(grep -o 'XORed with [0-9]*' FORMAT.txt | grep -o '[0-9]*$')
cat > decode.py <<END
import sys
raw = open(sys.argv[1], "rb").read()
at = 0
while at + 7 <= len(raw):
    n = raw[at + 5]
    body = raw[at + 2 : at + 6 + n]
    if sum(body) & 0xFF == raw[at + 6 + n]:
        seq = int.from_bytes(body[:2], "big")
        text = bytes(b ^ $key ^ (seq & 0xFF) for b in body[4:]).decode()
        print(seq, body[2], text)
    at += 7 + n
END
python3 decode.py sample.bin | diff - sample.expected && echo done
