import bench

bench.user("keeper", 1500, "/nonexistent")
shelf = bench.rng.choice(("notes", "leaves", "cards"))
depth = bench.rng.randrange(1, 4)
inside = "/opt/pages/" + "/".join(["volume"] * depth) + "/" + shelf
bench.put(f"{inside}/welcome.txt", "Welcome to the toy page server.\n")
bench.put(f"{inside}/about.txt", "Pages are read by their name, for example welcome.txt\n")
bench.put("/opt/pages/private/key.txt", bench.FLAG + "\n", mode=0o400, owner="keeper")
bench.folder("/opt/pages/private", 0o700, "keeper")
bench.put(
    "/opt/pages/show.py",
    f'''#!/usr/bin/python3
"""Toy page server of this suite; wrong on purpose."""
import sys
from urllib.parse import unquote

name = sys.argv[1] if len(sys.argv) == 2 else "welcome.txt"
if ".." in name or name.startswith("/"):
    sys.exit("no such page")
name = unquote(name)
try:
    print(open("{inside}/" + name).read(), end="")
except OSError:
    sys.exit("no such page")
''',
    mode=0o755,
)
bench.sudo("(keeper) NOPASSWD: /opt/pages/show.py")
