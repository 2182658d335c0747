major=$(tr '\n' ' ' < PROTOCOL.txt | grep -o 'below [0-9]*' | grep -o '[0-9]*$')
bit=$(tr '\n' ' ' < PROTOCOL.txt | grep -o 'and bit [0-9]*' | grep -o '[0-9]*$')
cat > scan.py <<END
import sys
hits = []
for line in open(sys.argv[1]):
    host, text = line.split()
    raw = bytes.fromhex(text)
    if raw[:4] == b"KITE" and len(raw) >= 8 and len(raw) == 8 + raw[7]:
        if raw[4] < $major and raw[6] >> $bit & 1:
            hits.append(f"{host} {raw[4]}.{raw[5]}")
for hit in sorted(hits):
    print(hit)
END
python3 scan.py sample.txt | diff - sample.expected && echo done
