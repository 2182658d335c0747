base=$(grep -o '/opt/pages/volume[a-z/]*' /opt/pages/show.py | head -n 1)
ups=$(echo "$base" | sed 's#^/opt/pages/##; s#/$##' | tr '/' '\n' | wc -l)
name=""
for i in $(seq "$ups"); do name="$name....//"; done
sudo -n -u keeper /opt/pages/show.py "${name}private/key.txt"
