sudo -n -u keeper /opt/vault/open ''
